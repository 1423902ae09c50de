"""The record of our operations, kept as annotations on the very objects they change: written in the same patch.

So an effect and its record cannot come apart, and whoever asks later asks the API server, not our memory.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from tools.action import Operation
from tools.errors import Ambiguous, Malformed, Refused
from tools.live.kube_api import Json, annotations
from tools.live.kube_shape import instant

OPERATIONS = "prunella.dev/operations"
EPOCH = "prunella.dev/epoch"
FENCE = "prunella.dev/fence"
KEPT = 32  # operations remembered on one object


@dataclass(frozen=True, slots=True)
class Mark:
    """One operation as written down. ``target`` is the uid of what was acted on, where that is another object."""

    id: str
    epoch: int
    at: datetime
    target: str = ""


@dataclass(frozen=True, slots=True)
class Stamps:
    """All that an object remembers of us."""

    marks: tuple[Mark, ...]
    epoch: int

    @classmethod
    def of(cls, item: Json) -> "Stamps":
        """Read them; ``Malformed`` where somebody has spoilt them."""
        notes = annotations(item)
        try:
            rows: list[dict[str, Any]] = orjson.loads(notes.get(OPERATIONS, "[]"))
            marks = tuple(Mark(str(r["id"]), int(r["epoch"]), instant(r["at"]), str(r.get("of", ""))) for r in rows)
            return cls(marks, int(notes.get(EPOCH, "0")))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"{item['metadata']['name']}: the record of operations cannot be read: {error}") from error

    def find(self, operation: Operation) -> Mark | None:
        """Return the mark of an operation, None when it has certainly left none here."""
        found = next((mark for mark in self.marks if mark.id == operation.id), None)
        if found is None and len(self.marks) >= KEPT and operation.epoch < self.marks[0].epoch:
            raise Ambiguous(f"operation {operation.id} is older than what is remembered")
        return found

    def admit(self, operation: Operation, what: str) -> None:
        """Refuse an operation of somebody who has been superseded."""
        if operation.epoch < self.epoch:
            raise Refused(f"{what}: epoch {operation.epoch} is below {self.epoch}: somebody newer holds it")

    def after(self, operation: Operation, at: datetime, target: str = "") -> "Stamps":
        """Return the stamps with one more operation."""
        mark = Mark(operation.id, operation.epoch, at, target)
        return replace(self, marks=(*self.marks, mark)[-KEPT:], epoch=max(self.epoch, operation.epoch))

    def pointed(self, operation: Operation, target: str) -> "Stamps":
        """Return the stamps with the uid of what an operation that is remembered has made."""
        marks = tuple(replace(mark, target=target) if mark.id == operation.id else mark for mark in self.marks)
        return replace(self, marks=marks)

    def fenced(self, operation: Operation, at: datetime) -> dict[str, str]:
        """Return the annotations that keep out all earlier calls: by epoch, and by the new version of the object."""
        raised = replace(self, epoch=max(self.epoch, operation.epoch))
        return {**raised.notes(), FENCE: f"{operation.id} {at.isoformat()}"}

    def notes(self) -> dict[str, str]:
        """Return the annotations to write."""
        rows = [
            {"id": m.id, "epoch": m.epoch, "at": m.at.isoformat(), **({"of": m.target} if m.target else {})}
            for m in self.marks
        ]
        return {OPERATIONS: orjson.dumps(rows).decode(), EPOCH: str(self.epoch)}
