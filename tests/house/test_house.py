"""The house's laws, where they can be measured."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("agent", "config", "playbooks", "policies", "simulator", "tools")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
BANNED = {"utils", "util", "helpers", "common", "manager", "core"}
SUPERVISION = {"agent/controller.py", "agent/supervise.py"}  # the two named points


def _swallows(node: ast.ExceptHandler) -> bool:
    """Whether it catches everything, and for good: cleaning up and raising again is fine."""
    caught = ast.unparse(node.type) if node.type else "everything"
    return caught in {"everything", "Exception", "BaseException"} and not isinstance(node.body[-1], ast.Raise)


@pytest.mark.parametrize("package", sorted({path.parent for path in SOURCES}), ids=str)
def test_a_folder_states_its_law_and_holds_no_code(package: Path) -> None:
    tree = ast.parse((package / "__init__.py").read_text())
    assert len(tree.body) == 1
    assert "Law:" in (ast.get_docstring(tree) or "")


def test_no_folder_or_module_is_a_junk_drawer() -> None:
    assert not [path for path in SOURCES if path.stem in BANNED or path.parent.name in BANNED]


def test_functions_are_small_and_broad_excepts_live_at_the_supervision_points_alone() -> None:
    """One test, so that every source is parsed once."""
    lengths, broad = [], set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
            elif isinstance(node, ast.ExceptHandler) and _swallows(node):
                broad.add(str(path.relative_to(ROOT)))
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 35
    assert broad <= SUPERVISION


def test_every_package_ships() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    assert listed == {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
