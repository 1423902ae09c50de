"""The marks analyst: what exporters say about one cause by themselves, read only for the patient at hand."""

from collections.abc import Collection
from datetime import datetime, timedelta
from math import log

import numpy as np

from agent.analysts.changes import LOOK_BACK, OURS, ROLLED
from agent.analysts.evidence import Notes, onset
from agent.analysts.marked import is_old, shown, stale, usualness
from agent.case import Evidence, Incident
from agent.observe import Scene
from agent.rollouts import DOWN
from tools.errors import ToolError
from tools.marks import Mark

CLEAR = 2.5  # weight of a mark that is never there otherwise
LEAST = 0.2  # weight below which a mark is not worth a word
SEEN = 0.9  # chance that a cause shows its mark
STOOD = 0.5  # weight of a mark that was there before a release that came right before the first sign


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring every mark of the patient, its replicas, and the machines beneath; no news where nothing can be read."""
    notes = Notes("marks", incident, scene.now)
    try:
        seen = shown(incident, scene)
    except ToolError:
        return ()
    since = onset(incident)
    released = _released(incident.service, scene, since)
    for mark, readings in seen.items():
        young = _young(scene) if mark.starting else frozenset[str]()
        fresh = {e: v for e, v in readings.items() if e not in young and not stale(mark, e, since, scene)}
        if where := _shared(fresh, incident.service, scene):
            whole, value = f"replica/{incident.service}/", next(iter(fresh.values()))
            weight, more = _weighed(mark, (whole, value), (since, released), scene)
            if weight >= LEAST:
                notes.add(mark.finding, f"service/{incident.service}", weight, f"{mark.spec.about}: {where}{more}")
            continue
        for entity, value in fresh.items():
            text = f"{mark.spec.about}: {value:.4g}" if np.isfinite(value) else f"{mark.spec.about}: NO DATA"
            weight, more = _weighed(mark, (entity, value), (since, released), scene)
            if weight >= LEAST:
                notes.add(mark.finding, entity, weight, text + more, _bindings(entity))
    return notes.done()


def _young(scene: Scene) -> frozenset[str]:
    """Return the replicas whose start may still be on show, ready or not: a rate tells of the last minutes."""
    begun = (each for each in scene.observation.topology.replicas if scene.now - each.started_at < DOWN)
    return frozenset(f"replica/{each.service}/{each.name}" for each in begun)


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


def _weighed(
    mark: Mark, found: tuple[str, float], when: tuple[datetime, datetime | None], scene: Scene
) -> tuple[float, str]:
    """Return how much a mark says, and why little; ``found``: where and how far, ``when``: first sign, release.

    What an exporter often shows there anyway is no ground: the weight is the logarithm of how much likelier the mark is
    with its cause than on any other day. A release makes new replicas: those before them are asked.
    """
    (entity, value), (since, released) = found, when
    whole = f"{entity.rpartition('/')[0]}/" if entity.startswith("replica/") else entity
    usual = usualness(mark, whole, value, since, scene)
    weight = min(CLEAR, log(SEEN / usual)) if usual else CLEAR
    if released is not None and weight > STOOD and is_old(mark, whole, released, scene):
        return STOOD, ", as before the last release, when nothing was wrong"
    return weight, "" if weight == CLEAR else f", as in {usual:.0%} of the days before"


def _bindings(entity: str) -> dict[str, str]:
    kind, *rest = entity.split("/")
    match kind:
        case "replica":
            return {"replica": rest[1]}
        case "node" | "gpu":
            return {"node": rest[0]}
        case _:
            return {}
