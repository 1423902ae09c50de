"""How an analyst writes a finding down."""

from datetime import datetime, timedelta

import numpy as np

from agent.case import AnalystField, Evidence, Incident
from agent.observe import Scene
from tools.catalogue import OWN_USE, named
from tools.errors import ToolError

Bound = dict[str, str]


class Notes:
    """Collects the findings of one analyst about one incident."""

    def __init__(self, analyst: AnalystField, incident: Incident, now: datetime) -> None:
        self._analyst, self._incident, self._now = analyst, incident, now
        self._items: list[Evidence] = []

    def add(
        self,
        finding: str,
        entity: str,
        weight: float,
        text: str,
        bindings: Bound | None = None,
        happened_at: datetime | None = None,
    ) -> None:
        """Write one finding down; ``weight`` is clipped to [-3, 3], ``happened_at`` is the time of an event."""
        number = len(self._items) + 1
        item = Evidence(
            id=f"{self._analyst}-{number}",
            incident=self._incident.id,
            at=self._now,
            analyst=self._analyst,
            finding=finding,
            entity=entity,
            weight=max(-3.0, min(3.0, weight)),
            text=text,
            happened_at=happened_at,
            bindings=bindings or {},
        )
        self._items.append(item)

    def done(self) -> tuple[Evidence, ...]:
        """Return everything written down."""
        return tuple(self._items)


def onset(incident: Incident) -> datetime:
    """Return when the first sign showed itself: of what keeps coming back, when it first came."""
    first = min(anomaly.onset_at for anomaly in incident.anomalies)
    return incident.first_at if incident.returns and incident.first_at is not None else first


def beneath(incident: Incident, scene: Scene) -> frozenset[str]:
    """Return the nodes that an incident may be about: where the patient's replicas are, and those it names."""
    named = {each.entity.split("/")[1] for each in incident.anomalies if each.entity.startswith(("gpu/", "node/"))}
    there = {replica.node for replica in scene.observation.topology.of(incident.service) if replica.node}
    return frozenset(named | there)


def before(scene: Scene, signal: str, entity: str, since: datetime) -> float | None:
    """Return the median of a signal in the half hour before ``since``; None for NO DATA."""
    values: list[float] = []
    shared = signal == OWN_USE.name and entity.removeprefix("service/") in scene.fleet.hosts
    for spec in (OWN_USE,) if shared else named(signal):
        try:
            frames = scene.senses.metrics.history(spec, since - timedelta(minutes=35), since - timedelta(minutes=3), 60)
        except ToolError:
            continue
        for frame in frames:
            values += [
                float(v)
                for key, v in zip(frame.keys, frame.values, strict=True)
                if key.entity == entity and np.isfinite(v)
            ]
    return float(np.median(values)) if values else None
