"""No live actuator is handed out unwrapped: every effect goes through the gate."""

import ast
from pathlib import Path

import agent.wiring
from policies.authority import Authority
from policies.gate import DryRun, Gate

ROOT = Path(agent.wiring.__file__).parents[1]
HANDS = {"KubernetesActuator", "MlflowActuator"}
MAKER = "live_actuator"


def test_only_the_wiring_names_a_live_adapter() -> None:
    naming = set()
    for folder in ("agent", "config", "playbooks", "policies"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = [n.module or "" for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
            if any(name.startswith("tools.live") for name in names):
                naming.add(str(path.relative_to(ROOT)))
    assert naming == {"agent/wiring.py"}


def test_every_live_actuator_goes_straight_into_a_wrapping_call() -> None:
    tree = ast.parse(Path(agent.wiring.__file__).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == MAKER]
    inside = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == MAKER)
    hands = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in HANDS]
    assert {id(call) for call in hands} <= {id(node) for node in ast.walk(inside)}
    handed = {
        call.func.id: [ast.unparse(each) for each in (*call.args, *(word.value for word in call.keywords))]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in ("assemble", "DryRun", "Gate", "Executor", "Remembering")
    }
    assert len(made) == 2  # the daemon's and the doctor's
    assert any(text.startswith(f"{MAKER}(") for text in handed["assemble"])
    assert any(text.startswith(f"{MAKER}(") for text in handed["DryRun"])
    assert "inner" in handed["Gate"]
    assert handed["Remembering"][0] == "gate"
    bound = {
        node.targets[0].id: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert bound[handed["Executor"][0]] == "Remembering(gate, authority)"


def test_a_gate_without_grants_lets_nothing_through() -> None:
    assert Gate.__dataclass_fields__["checks"].default == ()
    assert Authority().plans() == ()
    assert set(DryRun.__dataclass_fields__) == {"inner", "clock", "_done"}
