"""Machines: a GPU that has just shown a fatal XID is told of, though nobody feels it.

A release may have moved the replicas elsewhere by then, and the next one would be put right there. The exporter shows
the last code until the next one, so that only a change that was seen counts. Machines on which nothing that is guarded
ever ran are somebody else's. A node of which its provider has given notice is told of at once: what is moved off it in
time loses nothing.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from agent.case import Anomaly
from agent.hardware import FATAL, MACHINE, STICKY
from agent.observe import Observation
from tools.signal import SeriesKey
from tools.topology import Topology

GRACE = timedelta(minutes=2)  # a service that feels it says so itself by then, and its incident takes the machine along
Mark = tuple[datetime, float, str]  # when the code changed, to which, and whose the machine was
XID = "xid"


class Machines:
    """Watches the last XID of every GPU beneath the guarded services."""

    def __init__(self, guarded: Collection[str]) -> None:
        self._guarded = frozenset(guarded)
        self._codes: dict[str, float] = {}  # newest reading
        self._marks: dict[str, Mark] = {}
        self._tenants: dict[str, str] = {}  # who was on a node last
        self._notices: dict[str, datetime] = {}  # since when a node is known to go
        self._before: Topology | None = None
        self._keys: tuple[SeriesKey, ...] | None = None
        self._places, self._entities = np.empty(0, np.intp), list[str]()
        self._last = np.empty(0)

    def update(self, seen: Observation) -> list[Anomaly]:
        """Take one observation; return the machines that are sick and still take new replicas."""
        if seen.frame.keys is not self._keys:
            self._compile(seen.frame.keys)
        values = seen.frame.values[self._places]
        known = np.isfinite(values)
        for row in np.flatnonzero(known & np.isfinite(self._last) & (values != self._last)):
            self._changed(self._entities[row], float(values[row]), seen)
        self._last = np.where(known, values, self._last)
        self._settle(seen.topology)
        self._forget(seen)
        sick = [_told(entity, mark, seen.at) for entity, mark in self._marks.items() if seen.at - mark[0] >= GRACE]
        return [*sick, *self._leaving(seen)]

    def _leaving(self, seen: Observation) -> list[Anomaly]:
        """Tell of nodes that will be gone soon, that still take replicas, and on which something guarded runs."""
        open_ones = [node for node in seen.topology.nodes if node.leaving and node.schedulable and not node.owners]
        self._notices = {node.name: self._notices.get(node.name, seen.at) for node in open_ones}
        there = {node.name: [each.service for each in seen.topology.on(node.name)] for node in open_ones}
        guarded = {name: sorted(self._guarded & set(services)) for name, services in there.items()}
        return [
            _noticed(name, self._notices[name], services[0], seen.at) for name, services in guarded.items() if services
        ]

    def state(self) -> dict[str, Any]:
        """Return what was learned, as JSON."""
        marks = {entity: [at.isoformat(), code, name] for entity, (at, code, name) in self._marks.items()}
        return {"codes": self._read(), "marks": marks, "tenants": self._tenants}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self._codes, self._tenants = dict(saved["codes"]), dict(saved["tenants"])
        self._marks = {e: (datetime.fromisoformat(at), code, name) for e, (at, code, name) in saved["marks"].items()}
        self._keys = self._before = None
        self._entities, self._last = [], np.empty(0)

    def _compile(self, keys: tuple[SeriesKey, ...]) -> None:
        self._codes = self._read()
        here = [(place, key.entity) for place, key in enumerate(keys) if key.signal == XID]
        self._keys, self._entities = keys, [entity for _, entity in here]
        self._places = np.array([place for place, _ in here], np.intp)
        self._last = np.array([self._codes.get(entity, np.nan) for entity in self._entities])

    def _read(self) -> dict[str, float]:
        newest = zip(self._entities, self._last.tolist(), strict=True)
        return self._codes | {entity: code for entity, code in newest if code == code}  # noqa: PLR0124 - NaN

    def _changed(self, entity: str, code: float, seen: Observation) -> None:
        self._marks.pop(entity, None)
        whose = self._tenant(entity.split("/")[1], seen.topology)
        if int(code) in FATAL and whose:
            self._marks[entity] = (seen.at, code, whose)

    def _tenant(self, node: str, now: Topology) -> str:
        """Return whose a machine is: whoever lost a replica there since the last look, or was there last."""
        ready = {replica.name for replica in now.on(node) if replica.ready}
        before = self._before.on(node) if self._before is not None else ()
        there = [each for each in before if each.service in self._guarded]
        lost = sorted(each.service for each in there if each.ready and each.name not in ready)
        return (lost or sorted(each.service for each in there) or [self._tenants.get(node, "")])[0]

    def _settle(self, topology: Topology) -> None:
        guarded = self._guarded
        self._tenants |= {
            each.node: each.service for each in topology.replicas if each.node and each.service in guarded
        }
        self._before = topology

    def _forget(self, seen: Observation) -> None:
        """Let go of what is old, and of machines that somebody took out of service: they are in hand."""
        if self._marks:
            nodes = seen.topology.nodes  # none where we may not list them: then nobody says that it is in hand
            open_ones = {node.name for node in nodes if node.schedulable and not node.owners}
            self._marks = {
                entity: mark
                for entity, mark in self._marks.items()
                if seen.at - mark[0] < STICKY and (not nodes or entity.split("/")[1] in open_ones)
            }


def _noticed(node: str, since: datetime, whose: str, now: datetime) -> Anomaly:
    return Anomaly(
        at=now,
        onset_at=since,
        signal="node_leaving",
        entity=f"node/{node}",
        value=1.0,
        expected=0.0,
        threshold=0.0,
        score=2.0,
        detector=MACHINE,
        tier="immediate",
        reason=f"its provider takes the node back; {whose} is there",
        patient=whose,
    )


def _told(entity: str, mark: Mark, now: datetime) -> Anomaly:
    since, code, whose = mark
    return Anomaly(
        at=now,
        onset_at=since,
        signal=XID,
        entity=entity,
        value=code,
        expected=0.0,
        threshold=0.0,
        score=1.0 + code,
        detector=MACHINE,
        tier="daily",
        reason=f"the GPU is sick, nobody feels it, and new replicas may be put there; {whose} was there",
        patient=whose,
    )
