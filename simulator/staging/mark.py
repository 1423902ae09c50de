"""The mark: what a drill did to an object, written onto that object in the same patch. Pure.

With it, whoever can read and patch the object can take the fault back: no journal, no driller, no configuration.
"""

from datetime import datetime

from pydantic import ValidationError

from config.frozen import Frozen
from simulator.staging.edits import Edit, Json, pointer, standing, undoing
from tools.errors import Malformed
from tools.live.kube_api import annotations

MARK, READY, LAST = "prunella.dev/drill", "prunella.dev/drill-reverter", "prunella.dev/last-drill"


class Mark(Frozen):
    """A fault that was put in: by whom, until when, and every field with the way back."""

    operation: str
    fault: str
    by: str
    at: datetime
    until: datetime
    edits: tuple[Edit, ...] = ()


def mark_of(item: Json) -> Mark | None:
    """Return the drill that an object bears; ``Malformed`` where somebody has spoilt it."""
    text = annotations(item).get(MARK)
    if text is None:
        return None
    try:
        return Mark.model_validate_json(text)
    except ValidationError as error:
        raise Malformed(f"{item['metadata']['name']}: {MARK} cannot be read") from error


def ready_for(item: Json) -> str:
    """Return the drill that a reverter stands ready to take back; empty: none."""
    return annotations(item).get(READY, "")


def last_drill(item: Json) -> str:
    """Return what came of the last drill that was taken back; empty: there was none."""
    return annotations(item).get(LAST, "")


def guarded(item: Json) -> list[Json]:
    """Return what makes a patch hold only for the object as it was read."""
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": item["metadata"]["resourceVersion"]}]


def noted(item: Json, **notes: str | None) -> list[Json]:
    """Return the patch that sets and removes annotations, by the names here: mark, ready, last."""
    names = {"mark": MARK, "ready": READY, "last": LAST}
    kept = annotations(item) | {names[key]: text for key, text in notes.items() if text is not None}
    for key, text in notes.items():
        if text is None:
            kept.pop(names[key], None)
    return [{"op": "add", "path": "/metadata/annotations", "value": kept}]


def only_while_ready(operation: str) -> list[Json]:
    """Return the test that lets a patch through only while a reverter stands ready for that drill."""
    return [{"op": "test", "path": pointer("metadata", "annotations", READY), "value": operation}]


def taking_back(item: Json, mark: Mark) -> tuple[list[Json], str]:
    """Return the patch that takes a drill back, and what it does in words."""
    ours = standing(item, mark.edits)
    words = f"{mark.operation}: {len(ours)} of {len(mark.edits)} fields taken back"
    if len(ours) < len(mark.edits):
        words += ", the others were changed since and are left alone"
    return [*guarded(item), *noted(item, mark=None, ready=None, last=words), *undoing(item, mark.edits)], words
