"""The marks analyst: what exporters say about one cause by themselves, read only for the patient at hand."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import numpy as np

from agent.analysts.changes import LOOK_BACK, OURS, ROLLED
from agent.analysts.evidence import Notes, beneath, onset
from agent.case import Evidence, Incident
from agent.observe import Scene
from tools.errors import ToolError
from tools.marks import MARKS, SPECS, Mark
from tools.signal import Frame

STOOD = 0.5  # weight of a mark that was there before a release that came right before the first sign
BEFORE = timedelta(minutes=35), timedelta(minutes=3)  # before the onset: a sticky mark seen then is an old one


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring every mark of the patient, its replicas, and the machines beneath; no news where nothing can be read."""
    notes = Notes("marks", incident, scene.now)
    try:
        frame = scene.senses.metrics.read(SPECS, scene.now)
    except ToolError:
        return ()
    near, since = _near(incident, scene), onset(incident)
    idle = {f"replica/{each.service}/{each.name}" for each in scene.observation.topology.replicas if not each.ready}
    released = _released(incident.service, scene, since)
    for mark in MARKS:
        shown = {e: v for e, v in _shown(mark, frame, near) if not (mark.served and e in idle)}
        fresh = {e: v for e, v in shown.items() if not (mark.sticky and _is_old(mark, e, since, scene))}
        if where := _shared(fresh, incident.service, scene):
            weight, more = _weighed(mark, f"replica/{incident.service}/", released, scene)
            notes.add(mark.finding, f"service/{incident.service}", weight, f"{mark.spec.about}: {where}{more}")
            continue
        for entity, value in fresh.items():
            text = f"{mark.spec.about}: {value:.4g}" if np.isfinite(value) else f"{mark.spec.about}: NO DATA"
            weight, more = _weighed(mark, entity, released, scene)
            notes.add(mark.finding, entity, weight, text + more, _bindings(entity))
    return notes.done()


def _shared(found: Collection[str], service: str, scene: Scene) -> str:
    """Return on whom a mark is where what they run has the fault, and no single replica; empty: it is their own."""
    mine = {entity.rpartition("/")[2] for entity in found if entity.startswith(f"replica/{service}/")}
    if mine and mine == _renewed(service, scene):
        return "on every replica of the new release, and no other"
    most = len(mine) >= 2 and 2 * len(mine) > len(scene.observation.topology.of(service))
    return f"on {len(mine)} replicas at once" if most else ""


def _renewed(service: str, scene: Scene) -> frozenset[str]:
    """Return the replicas of the release that a rollout goes to, while others are still there; else nobody.

    Those that are ready; where none is, all of them.
    """
    topology = scene.observation.topology
    current = {each.current for each in topology.deployments if each.service == service}
    new = [replica for replica in topology.of(service) if replica.revision in current]
    old = [replica for replica in topology.of(service) if replica.revision not in current]
    shown = [replica for replica in new if replica.ready] or new
    return frozenset(replica.name for replica in shown) if old else frozenset()


def _near(incident: Incident, scene: Scene) -> frozenset[str]:
    """Return the prefixes of entities that are the patient's: itself, its replicas and vendors, machines beneath."""
    service, nodes = incident.service, beneath(incident, scene)
    gpus = {f"gpu/{node}/" for node in nodes}
    return frozenset((f"service/{service}", f"replica/{service}/", f"vendor/{service}/", *gpus)) | {
        f"node/{node}" for node in nodes
    }


def _shown(mark: Mark, frame: Frame, near: frozenset[str]) -> Iterator[tuple[str, float]]:
    for key, value in zip(frame.keys, frame.values, strict=True):
        mine = key.entity in near or f"{key.entity.rpartition('/')[0]}/" in near
        if key.signal == mark.spec.name and mine and mark.seen(float(value)):
            yield key.entity, float(value)


def _released(service: str, scene: Scene, since: datetime) -> datetime | None:
    """Return when others last changed what runs, shortly before the first sign; None: nobody did, or it is not known.

    What was to be seen before that, and did no harm, explains less of what came after it than the change does.
    """
    try:
        changes = scene.senses.cluster.changes(since - LOOK_BACK["release"])
    except ToolError:
        return None
    mine = [c for c in changes if c.kind in ROLLED and c.entity == f"service/{service}" and c.actor != OURS]
    return next((c.at for c in reversed(mine) if c.at <= since + timedelta(minutes=1)), None)


def _weighed(mark: Mark, entity: str, released: datetime | None, scene: Scene) -> tuple[float, str]:
    """Return how much a mark says, and why little. A release makes new replicas: those before them are asked."""
    whole = f"{entity.rpartition('/')[0]}/" if entity.startswith("replica/") else entity
    if released is None or not _is_old(mark, whole, released, scene):
        return 2.5, ""
    return STOOD, ", as before the last release, when nothing was wrong"


def _is_old(mark: Mark, entity: str, since: datetime, scene: Scene) -> bool:
    """Whether a mark stood there before an instant: exporters show the last of its kind until the next."""
    try:
        frames = scene.senses.metrics.history(mark.spec, since - BEFORE[0], since - BEFORE[1], 60)
    except ToolError:
        return False
    seen = [
        mark.seen(float(value))
        for frame in frames
        for key, value in zip(frame.keys, frame.values, strict=True)
        if key.signal == mark.spec.name and _is_of(key.entity, entity, float(value))
    ]
    return bool(seen) and sum(seen) * 2 > len(seen)


def _is_of(entity: str, whole: str, value: float) -> bool:
    """Whether an entity is one, or one of those that a name with a slash at its end begins and that were there."""
    return entity == whole or (whole.endswith("/") and entity.startswith(whole) and np.isfinite(value))


def _bindings(entity: str) -> dict[str, str]:
    kind, *rest = entity.split("/")
    match kind:
        case "replica":
            return {"replica": rest[1]}
        case "node" | "gpu":
            return {"node": rest[0]}
        case _:
            return {}
