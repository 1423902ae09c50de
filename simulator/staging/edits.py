"""Edits: single fields of an object, with what stood there and what was put there, so that each goes back. Pure.

An edit is undone only where the field still holds what was put there: whatever somebody else wrote since stays.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from config.frozen import Frozen
from tools.errors import Malformed

Json = dict[str, Any]


class Edit(Frozen):
    """One field: its JSON pointer, the value before (None: there was none) and the value put there."""

    path: str
    before: Any = None
    left: Any

    @property
    def words(self) -> str:
        """What it does, for people."""
        return f"{self.path}: {_short(self.before)} -> {_short(self.left)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def value_at(item: Json, path: str) -> Any:
    """Return what stands at a pointer; None where nothing does."""
    found: Any = item
    for part in _parts(path):
        if isinstance(found, list):
            place = int(part) if part.isdigit() else len(found)
            found = found[place] if place < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def setting(item: Json, path: str, value: Any) -> Edit:
    """Return the edit that puts a value at a pointer: the nearest place whose parent is there takes what is missing.

    >>> setting({"spec": {}}, "/spec/limits/memory", "16Mi")
    Edit(path='/spec/limits', before=None, left={'memory': '16Mi'})
    """
    parts = _parts(path)
    for depth in range(1, len(parts) + 1):
        here = pointer(*parts[:depth])
        before = value_at(item, here)
        if before is None or depth == len(parts):
            left = value
            for part in reversed(parts[depth:]):
                left = {part: left}
            return Edit(path=here, before=before, left=left)
    raise Malformed(f"{path!r} is no place in an object")


def doing(edits: Sequence[Edit]) -> list[Json]:
    """Return the JSON patch that makes the edits, provided that what stood there before stands there still."""
    ops: list[Json] = []
    for edit in edits:
        if edit.before is not None:
            ops.append({"op": "test", "path": edit.path, "value": edit.before})
        ops.append({"op": "add" if edit.before is None else "replace", "path": edit.path, "value": edit.left})
    return ops


def undoing(item: Json, edits: Sequence[Edit]) -> list[Json]:
    """Return the JSON patch that takes back those edits which still stand; what was changed since is left alone."""
    ops: list[Json] = []
    for edit in reversed(standing(item, edits)):
        ops.append({"op": "test", "path": edit.path, "value": edit.left})
        back: Json = {"op": "remove", "path": edit.path}
        ops.append(back if edit.before is None else {"op": "replace", "path": edit.path, "value": edit.before})
    return ops


def standing(item: Json, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return the edits whose value still stands where it was put."""
    return tuple(edit for edit in edits if value_at(item, edit.path) == edit.left)


def as_stored(item: Json, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Return the edits with what a server made of them, which may write a quantity in another way."""
    return tuple(edit.model_copy(update={"left": deepcopy(value_at(item, edit.path))}) for edit in edits)
