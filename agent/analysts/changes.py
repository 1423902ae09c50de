"""The changes analyst: who changed what, shortly before."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

from agent.analysts.alike import ill_alike
from agent.analysts.evidence import Notes, onset
from agent.analysts.marked import came_with
from agent.case import Evidence, Incident
from agent.observe import Scene
from tools.change import Change
from tools.errors import ToolError

OURS = "prunella"
PROVEN = timedelta(minutes=10)  # for which a change stood without harm: it is not what is wrong
ROLLED = ("release", "config")  # kinds of changes that make a new revision
LOOK_BACK = {
    "release": timedelta(minutes=20),
    "promotion": timedelta(hours=3),
    "scale": timedelta(hours=6),
    "config": timedelta(minutes=20),
}
LAG = timedelta(minutes=1)  # by which a change may come after the first sign, as far as clocks and looks can tell
UNSURE = {
    "promotion": timedelta(minutes=10)
}  # the same, where rows say when it began: a few of before are wrong by chance
KNOWN = timedelta(days=1)  # for which changes are asked for: by then every load has come once
SWINGING = timedelta(minutes=5)
FINDINGS = {
    "release": "recent_release",
    "promotion": "recent_promotion",
    "scale": "recent_scaling",
    "config": "recent_config",
}


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring the changes of the patient that others made before the onset."""
    notes = Notes("changes", incident, scene.now)
    service = scene.fleet.service(incident.service)
    since = onset(incident)
    told = _told(scene)
    if stuck := scene.observation.rollouts.get(service.name):
        notes.add("rollout_stuck", f"service/{service.name}", 2.5, stuck.words())
    if others := ill_alike(incident, scene):
        said = f"{', '.join(others)} came to fail as many requests in the same minutes"
        notes.add("others_alike", f"service/{service.name}", 2.5, said)
    if swings := _swings(service.name, scene, told("cluster") or ()):
        notes.add("autoscaler_swings", f"service/{service.name}", 2.5, swings)
    for kind, finding in FINDINGS.items():
        entity = f"model/{service.model}" if kind == "promotion" else f"service/{service.name}"
        if kind == "promotion" and not service.model:
            continue
        known = told("promotion" if kind == "promotion" else "cluster")
        if known is None:
            notes.add(finding, entity, 0.0, f"NO DATA on any {kind} of {service.name}")
            continue
        mine = [
            c for c in known if c.kind == kind and c.actor != OURS and c.entity in (entity, f"service/{service.name}")
        ]
        found = [c for c in mine if since - LOOK_BACK[kind] <= c.at <= since + UNSURE.get(kind, LAG)]
        older = [c for c in mine if c.at < since - LOOK_BACK[kind]]
        brought = came_with(older[-1], incident, scene) if kind in ROLLED and older and not found else ""
        if not found and not brought:
            # What it brought answers still: of so long ago it accuses nothing, and proves nothing innocent either.
            serves = kind == "promotion" and bool(older) and older[-1] == _newest(known, entity)
            ago = f", but one {_hours(since, older[-1])} h before, which answers still" if serves else ""
            text = f"no {kind} of {service.name} shortly before {since:%H:%M:%S}{ago}"
            notes.add(finding, entity, 0.0 if serves else -2.0, text)
            continue
        last = found[-1] if found else older[-1]
        rolled = [c for c in known if c.kind in ROLLED and c.entity == entity and c.actor != OURS and c.at <= last.at]
        good = unproven(rolled or found)
        minutes = max((since - last.at).total_seconds() / 60, 0.0)
        weight = 3.0 - 1.5 * min(minutes / (LOOK_BACK[kind].total_seconds() / 60), 1.0)
        text = f"{kind} {last.before} > {last.after} by {last.actor or 'somebody'}, {minutes:.0f} min before"
        said = f"; since then, and not before: {brought}" if brought else ""
        notes.add(finding, entity, weight, text + said, _bindings(last, good), last.at)
    return notes.done()


def unproven(changes: Sequence[Change]) -> str:
    """Return what stood before the last change and before those that had no time to prove themselves ahead of it.

    Oldest first. Where two releases come within minutes, either may have brought what is wrong.
    """
    last = changes[-1]
    for earlier in reversed(changes[:-1]):
        if last.at - earlier.at >= PROVEN or earlier.after != last.before:
            break
        last = earlier
    return last.before


def _swings(service: str, scene: Scene, known: Sequence[Change]) -> str:
    """Return how somebody took replicas away and gave them back within minutes, or the reverse; empty where not.

    Kubernetes' own autoscaler waits for five minutes before it takes anything away: sooner, it follows its own steps.
    """
    lately = [c for c in known if c.kind == "scale" and c.entity == f"service/{service}" and c.actor != OURS]
    steps = [(int(c.before), int(c.after)) for c in lately if c.at > scene.now - SWINGING and _counted(c)]
    if not any((one[1] - one[0]) * (two[1] - two[0]) < 0 for one, two in pairwise(steps)):
        return ""
    sizes = " > ".join(str(size) for size in (steps[0][0], *(after for _, after in steps)))
    return f"{lately[-1].actor or 'somebody'} changed the replicas back and forth within minutes: {sizes}"


def _counted(change: Change) -> bool:
    return change.before.isdigit() and change.after.isdigit()


def _newest(known: Sequence[Change], entity: str) -> Change | None:
    """Return the newest change of an entity, whoever made it: what stands now."""
    return next((change for change in reversed(known) if change.entity == entity), None)


def _hours(since: datetime, change: Change) -> int:
    return round((since - change.at).total_seconds() / 3600)


def _told(scene: Scene) -> Callable[[str], tuple[Change, ...] | None]:
    """Return what tells the changes of the last hours; None where they cannot be read, which is no news either way.

    Each source is asked once: who throttles us would answer a third of the questions, and the rest would be no data.
    """

    @cache
    def told(source: str) -> tuple[Change, ...] | None:
        try:
            port = scene.senses.registry if source == "promotion" else scene.senses.cluster
            return port.changes(scene.now - KNOWN)
        except ToolError:
            return None

    return told


def _bindings(change: Change, good: str) -> dict[str, str]:
    match change.kind:
        case "release" | "config":
            return {"good_revision": good}
        case "promotion":
            return {"good_version": change.before}
        case _:
            return {}
