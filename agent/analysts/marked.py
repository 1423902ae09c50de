"""What exporters show of a patient: the marks that are seen now, and whether they were seen at another time."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from agent.analysts.evidence import beneath
from agent.case import Incident
from agent.observe import Scene
from tools.change import Change
from tools.errors import ToolError
from tools.marks import MARKS, SPECS, Mark

BEFORE = timedelta(minutes=35), timedelta(minutes=3)  # of an instant, where an old mark was seen already
JUST = timedelta(minutes=1)  # before the first sign, from which on what is counted may be its cause
FIRST = timedelta(minutes=2)  # of a replica's life, in which it shows what was there before it
LOOKS = (  # from and until when before an instant, and seconds between two looks
    ((timedelta(days=3), timedelta(hours=2)), 1800.0),
    ((timedelta(hours=2), timedelta(minutes=3)), 300.0),
)
AFTER = timedelta(minutes=10), timedelta(minutes=25)  # of a change: it has rolled out, and shows what it brings


def shown(incident: Incident, scene: Scene) -> dict[Mark, dict[str, float]]:
    """Return the readings of every mark that is seen on the patient, its replicas and vendors, or machines beneath.

    ``ToolError`` where nothing can be read.
    """
    frame, near = scene.senses.metrics.read(SPECS, scene.now), _near(incident, scene)
    idle = {f"replica/{each.service}/{each.name}" for each in scene.observation.topology.replicas if not each.ready}
    mine: dict[str, list[tuple[str, float]]] = {}
    for key, value in zip(frame.keys, frame.values, strict=True):
        if key.entity in near or f"{key.entity.rpartition('/')[0]}/" in near:
            mine.setdefault(key.signal, []).append((key.entity, float(value)))
    read = {
        mark: {e: v for e, v in mine.get(mark.spec.name, ()) if mark.seen(v) and not (mark.served and e in idle)}
        for mark in MARKS
    }
    return {mark: readings for mark, readings in read.items() if readings}


def is_old(mark: Mark, entity: str, since: datetime, scene: Scene) -> bool:
    """Whether a mark stood there before an instant: exporters show the last of its kind until the next."""
    return _mostly(mark, entity, (since - BEFORE[0], since - BEFORE[1]), scene) is True


def stale(mark: Mark, entity: str, since: datetime, scene: Scene) -> bool:
    """Whether what is seen was over before an incident began: exporters show the last of its kind until the next.

    Where the same is counted over the last minutes, the count says; else whether it stood there before, or was there
    when the replica started.
    """
    if not mark.sticky:
        return False
    counted = _counted(mark, entity, since, scene)
    if counted is not None:
        return not counted
    return is_old(mark, entity, since, scene) or _inherited(mark, entity, scene)


def _counted(mark: Mark, entity: str, since: datetime, scene: Scene) -> bool | None:
    """Whether it came again since shortly before an instant; None where nobody counts it."""
    if mark.counted is None:
        return None
    try:
        frames = scene.senses.metrics.history(mark.counted, since - JUST, scene.now, 60)
    except ToolError:
        return None
    values = [
        float(value)
        for frame in frames
        for key, value in zip(frame.keys, frame.values, strict=True)
        if (key.signal, key.entity) == (mark.counted.name, entity)
    ]
    known = [value for value in values if np.isfinite(value)]
    return max(known) > 0 if known else None


def _inherited(mark: Mark, entity: str, scene: Scene) -> bool:
    """Whether a replica has had it from its start: its GPU shows what somebody else met with."""
    if mark.counted is None:  # of its own process, not of a machine
        return False
    replicas = scene.observation.topology.replicas
    started = next((each.started_at for each in replicas if f"replica/{each.service}/{each.name}" == entity), None)
    return started is not None and _mostly(mark, entity, (started, started + FIRST), scene) is True


def usualness(mark: Mark, entity: str, value: float, since: datetime, scene: Scene) -> float:
    """Return the share of the days before an instant in which a mark was seen as far as now, 0..1.

    The spell that lasts until then is not counted where its beginning was seen: it may be what is being examined. What
    stood for as long as anybody can look back is usual. Half a reading is added for what was not looked at; nothing to
    be read is 0.
    """
    seen = [
        mark.seen_like(reading, value)
        for look, step in LOOKS
        for reading in _readings(mark, entity, (since - look[0], since - look[1]), step, scene)
    ]
    begun = len(seen) - next((i for i, each in enumerate(reversed(seen)) if not each), 0)
    others = seen[:begun]
    return (sum(others) + 0.5) / (len(others) + 1) if seen else 0.0


def _readings(
    mark: Mark, entity: str, between: tuple[datetime, datetime], step: float, scene: Scene
) -> Iterator[float]:
    """Yield what a mark read at each look; of several replicas, the one that shows it most."""
    try:
        frames = scene.senses.metrics.history(mark.spec, *between, step)
    except ToolError:
        return
    for frame in frames:
        values = [
            float(value)
            for key, value in zip(frame.keys, frame.values, strict=True)
            if key.signal == mark.spec.name and _is_of(key.entity, entity, float(value))
        ]
        if values:
            yield next((each for each in values if mark.seen(each)), values[0])


def came_with(change: Change, incident: Incident, scene: Scene) -> str:
    """Return which mark came with a change and is there still, in words; empty where none did, or nobody knows.

    It dates what it comes from, however late users feel it: what a release takes of capacity is missed at a peak.
    """
    try:
        seen = shown(incident, scene)
    except ToolError:
        return ""
    for mark, whole in _of_service(seen, incident.service):
        before = _mostly(mark, whole, (change.at - BEFORE[0], change.at - BEFORE[1]), scene)
        after = _mostly(mark, whole, (change.at + AFTER[0], change.at + AFTER[1]), scene)
        if before is False and after is True:
            return mark.spec.about
    return ""


def _of_service(seen: dict[Mark, dict[str, float]], service: str) -> Iterator[tuple[Mark, str]]:
    """Yield the marks of what the service itself runs, and whose they are: new replicas have other names than old."""
    for mark, readings in seen.items():
        for whole in (f"service/{service}", f"replica/{service}/"):
            if any(_is_of(entity, whole, value) for entity, value in readings.items()):
                yield mark, whole


def _mostly(mark: Mark, entity: str, between: tuple[datetime, datetime], scene: Scene) -> bool | None:
    """Whether a mark was seen in more than half of the readings between two instants; None where there are none."""
    try:
        frames = scene.senses.metrics.history(mark.spec, *between, 60)
    except ToolError:
        return None
    seen = [
        mark.seen(float(value))
        for frame in frames
        for key, value in zip(frame.keys, frame.values, strict=True)
        if key.signal == mark.spec.name and _is_of(key.entity, entity, float(value))
    ]
    return sum(seen) * 2 > len(seen) if seen else None


def _near(incident: Incident, scene: Scene) -> frozenset[str]:
    """Return the prefixes of entities that are the patient's: itself, its replicas and vendors, machines beneath."""
    service, nodes = incident.service, beneath(incident, scene)
    gpus = {f"gpu/{node}/" for node in nodes}
    return frozenset((f"service/{service}", f"replica/{service}/", f"vendor/{service}/", *gpus)) | {
        f"node/{node}" for node in nodes
    }


def _is_of(entity: str, whole: str, value: float) -> bool:
    """Whether an entity is one, or one of those that a name with a slash at its end begins and that were there."""
    return entity == whole or (whole.endswith("/") and entity.startswith(whole) and np.isfinite(value))
