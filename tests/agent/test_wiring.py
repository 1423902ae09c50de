"""No live actuator is handed out unwrapped: every effect goes through the gate."""

import ast
from pathlib import Path

import agent.assembly
import agent.wiring
from policies.authority import Authority
from policies.gate import DryRun, Gate

ROOT = Path(agent.wiring.__file__).parents[1]
HANDS = {"KubernetesActuator", "MlflowActuator", "RouteActuator"}
MAKER = "live_actuator"
WRAPPERS = ("assemble", "DryRun", "Gate", "Executor", "Remembering")


def test_only_the_wiring_names_a_live_adapter() -> None:
    naming = set()
    for folder in ("agent", "config", "playbooks", "policies"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = [n.module or "" for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
            if any(name.startswith("tools.live") for name in names):
                naming.add(str(path.relative_to(ROOT)))
    assert naming == {"agent/wiring.py"}


def test_every_live_actuator_goes_straight_into_a_wrapping_call() -> None:
    wiring, assembly = (ast.parse(Path(str(module.__file__)).read_text()) for module in (agent.wiring, agent.assembly))
    calls = [node for node in ast.walk(wiring) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == MAKER]
    inside = next(node for node in ast.walk(wiring) if isinstance(node, ast.FunctionDef) and node.name == MAKER)
    hands = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in HANDS]
    assert {id(call) for call in hands} <= {id(node) for node in ast.walk(inside)}
    assert len(made) == 2  # the daemon's and the doctor's
    handed = {**_handed(wiring), **_handed(assembly)}
    assert any(text.startswith(f"{MAKER}(") for text in handed["assemble"])
    assert any(text.startswith(f"{MAKER}(") for text in _handed(wiring)["DryRun"])
    bound = {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.walk(assembly)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert bound[handed["Gate"][0]].startswith("DryRun(actuator, clock) if")
    assert handed["Remembering"][0].startswith("_gate(")
    assert bound[handed["Executor"][0]].startswith("Remembering(")


def _handed(tree: ast.Module) -> dict[str, list[str]]:
    """What every wrapping call is given."""
    return {
        node.func.id: [ast.unparse(each) for each in (*node.args, *(word.value for word in node.keywords))]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRAPPERS
    }


def test_a_gate_without_grants_lets_nothing_through() -> None:
    assert Gate.__dataclass_fields__["checks"].default == ()
    assert Authority().plans() == ()
    assert set(DryRun.__dataclass_fields__) == {"inner", "clock", "_done"}
