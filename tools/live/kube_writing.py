"""Guarded writes to objects of an API server: bound to the object as it was read, with the record of them in it.

Every write names the resourceVersion that it was decided on. Where the object has changed since, all is read and
judged again: nobody's change is overwritten, no superseded controller gets through, no operation is done twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from tools.action import Operation, Receipt
from tools.clock import Clock
from tools.errors import Refused, Transient
from tools.lease import TargetLeases
from tools.live import kube_shape
from tools.live.kube_api import Conflict, Json, KubeApi, annotations
from tools.live.kube_stamp import Mark, Stamps

T = TypeVar("T")
_PAUSES = (0.005, 0.02, 0.06, 0.2, 0.0)  # seconds after each try, when somebody else writes to the same object too


@dataclass(frozen=True, slots=True)
class Target:
    """What an operation writes to: its fencing domain, e.g. ``service/chat``, and the verb that it is written with."""

    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class Write:
    """One patch, and what it does in words."""

    path: str
    item: Json  # as it was read
    body: Json | list[Json]
    kind: Literal["merge", "json"]
    words: str
    state: dict[str, str] = field(default_factory=dict)  # of what it changes, as preimage tells it
    leaves: dict[str, str] = field(default_factory=dict)  # the same, afterwards
    notes: dict[str, str] = field(default_factory=dict)  # annotations beside our record


class Writer:
    """Sends patches, once per operation, for whoever has not been superseded."""

    def __init__(self, api: KubeApi, clock: Clock, leases: TargetLeases | None = None) -> None:
        self._api, self._clock, self._leases = api, clock, leases

    def stamped(self, write: Write, target: Target, operation: Operation) -> Receipt:
        """Send a patch with the record of its operation; one that has left its mark is answered from it."""
        stamps = Stamps.of(write.item)
        if (mark := stamps.find(operation)) is not None:
            return receipt(mark, write.leaves)
        self.admit(stamps, target, operation)
        if changed := operation.unmet(write.state):
            raise Refused(f"{write.item['metadata']['name']}: {changed}")
        return receipt(self.mark(write, operation), write.leaves)

    def mark(self, write: Write, operation: Operation, of: str = "") -> Mark:
        """Send a patch with a new mark in it; ``of``: uid of what is acted on, where that is another object."""
        after = Stamps.of(write.item).after(operation, self._clock.now(), of)
        self.send(write, dry_run=False, notes=after.notes())
        return after.marks[-1]

    def fenced(self, path: str, item: Json, target: Target, operation: Operation) -> Mark | None:
        """Write to an object what keeps out all earlier calls; return the mark that the operation left there."""
        stamps = Stamps.of(item)
        self.admit(stamps, target, operation)
        notes = stamps.fenced(operation, self._clock.now())
        self.send(Write(path, item, {}, "merge", ""), dry_run=False, notes=notes)
        return stamps.find(operation)

    def admit(self, stamps: Stamps, target: Target, operation: Operation) -> None:
        """Refuse whoever has been superseded: by an epoch on the object itself, or by a newer lease of it."""
        what = f"{target.verb} on {target.name}"
        stamps.admit(operation, what)
        held = self._leases.read(target.name) if self._leases is not None else None
        if held is not None and operation.epoch < held.epoch:
            text = f"epoch {operation.epoch} is below {held.epoch}, under which {held.owner} took its lease"
            raise Refused(f"{what}: {text}")

    def send(self, write: Write, *, dry_run: bool, notes: dict[str, str] | None = None) -> str:
        """Send a patch that holds only for the object as it was read; return what it does in words."""
        opened(write.item, changed=bool(write.body))
        version, added = write.item["metadata"]["resourceVersion"], {**(notes or {}), **write.notes}
        if isinstance(write.body, list):
            guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
            stamp = {"op": "add", "path": "/metadata/annotations", "value": {**annotations(write.item), **added}}
            self._api.patch(write.path, [guard, stamp, *write.body], "json", dry_run=dry_run)
        else:
            metadata = {"resourceVersion": version, "annotations": added}
            self._api.patch(write.path, {"metadata": metadata, **write.body}, write.kind, dry_run=dry_run)
        return write.words


def insist(attempt: Callable[[], T]) -> T:
    """Read, judge and write again while somebody else's writes come between: a rollout makes a burst of them."""
    for pause in _PAUSES:
        try:
            return attempt()
        except Conflict as error:
            last = error
        time.sleep(pause)
    raise Transient(f"others keep changing it: {last}") from last


def opened(item: Json, *, changed: bool = True) -> None:
    """Refuse an object that its people, or somebody else who mends it, keep from us."""
    name = item["metadata"]["name"]
    if kube_shape.hands_off(item):
        raise Refused(f"{name} is annotated {kube_shape.HANDS_OFF}: hands off")
    if changed and (others := kube_shape.claims(item)):
        raise Refused(f"{name} is in the hands of {', '.join(others)}")


def receipt(mark: Mark, observed: dict[str, str] | None = None) -> Receipt:
    """Return what an operation that left this mark is answered with."""
    return Receipt(operation=mark.id, state="done", at=mark.at, observed=observed or {})
