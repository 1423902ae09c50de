"""Every kind of entry that is written is one that the next process knows: else it would start halted."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from agent.trust import KNOWN

ROOT = Path(__file__).parents[2]
FOLDERS = ("agent", "playbooks", "policies", "tools", "simulator/staging")
WRITERS = {"append", "append_if", "write", "note"}  # (subject, kind, body, ...)


def _written(path: Path) -> Iterator[tuple[int, ast.expr]]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[_, kind, _, *_]) if name in WRITERS:
                yield node.lineno, kind


def _said(kind: ast.expr, module: str) -> list[str]:
    """The kinds that an expression can stand for; none: it is handed in from elsewhere."""
    match kind:
        case ast.Constant(value=str(text)):
            return [text] if text.isupper() else []  # a remark's kind is no entry's
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=str(tail))]):
            return [f"{head}{tail}" for head in ("STEP", "COMPENSATE")]
        case ast.Name(id=name):
            value = getattr(importlib.import_module(module), name, None)
            return [value] if isinstance(value, str) else []
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            value = getattr(getattr(importlib.import_module(module), owner, None), name, None)
            return [value] if isinstance(value, str) else []
        case _:
            return []


def _found() -> Iterator[tuple[str, int, str]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for line, kind in _written(path):
                for said in _said(kind, module):
                    yield module, line, said


def test_a_kind_that_is_written_is_known_at_the_next_start() -> None:
    found = sorted(_found())
    assert {"INCIDENT", "STEP_INTENT", "STEP_OUTCOME", "GUARD", "LOAD", "FORESEEN", "DRILL", "RUN_END"} <= {
        kind for _, _, kind in found
    }
    unknown = [f"{module}:{line} writes {kind}" for module, line, kind in found if kind not in KNOWN]
    assert not unknown, "agent/trust.py must know them"
