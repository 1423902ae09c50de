"""Rollouts that stand still: nothing of the current revision becomes ready.

While the one before goes on serving, no promise is broken, so no objective shows it; where nothing serves, nothing is
measured either. The cluster shows both: after Kubernetes' own deadline, and sooner where a new container cannot start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.case import Anomaly
from tools.errors import ToolError
from tools.marks import CANNOT_START, MARKS
from tools.ports import Metrics
from tools.topology import Replica, Topology

PROGRESS = timedelta(minutes=10)  # for which nothing new became ready; Kubernetes' default deadline of a rollout
SOON = timedelta(minutes=2)  # the same, where a new container says that it cannot start
FAILING = (
    *CANNOT_START,
    *(mark for mark in MARKS if mark.finding in ("crash_looping", "image_missing", "init_failing")),
)
DOWN = timedelta(minutes=3)  # the same, where nothing else serves: more than a replica takes to load again
LOOKS = 4  # in a row at which it stands still: a clock may have jumped
ROLLOUT = "rollout"  # name of the signal, and of the detector


@dataclass(frozen=True, slots=True)
class Stuck:
    """A rollout that stands still."""

    revision: str
    since: datetime  # when the oldest of the replicas that are not ready was started
    waiting: int
    serving: int  # replicas of other revisions
    why: str = ""  # what a new container says

    def words(self) -> str:
        """Return it as a sentence."""
        said = f"none of {self.waiting} replicas of revision {self.revision} is ready since {self.since:%H:%M:%S}"
        return f"{said}{', ' if self.why else ''}{self.why}; {self.serving or 'none'} of another serve"

    def is_due(self, now: datetime) -> bool:
        """Whether it has lasted so long that no look at containers is needed."""
        return now - self.since >= (PROGRESS if self.serving else DOWN)


Rollouts = Mapping[str, Stuck]


def stuck_rollouts(topology: Topology, metrics: Metrics, now: datetime) -> Rollouts:
    """Return the rollouts that stand still, by service. Only where one is late, containers are looked at."""
    current = {each.service: each.current for each in topology.deployments}
    waiting: dict[str, list[Replica]] = {}
    for replica in topology.replicas:
        if not replica.ready and replica.revision == current.get(replica.service):
            waiting.setdefault(replica.service, []).append(replica)
    found = {name: _late(name, new, topology, now) for name, new in waiting.items()}
    late = {name: stuck for name, stuck in found.items() if stuck is not None}
    young = [name for name, stuck in late.items() if not stuck.is_due(now)]
    failing = _failing(metrics, now, {name: waiting[name] for name in young}) if young else {}
    return {
        name: Stuck(stuck.revision, stuck.since, stuck.waiting, stuck.serving, failing.get(name, ""))
        for name, stuck in late.items()
        if name not in young or name in failing
    }


def _late(service: str, new: list[Replica], topology: Topology, now: datetime) -> Stuck | None:
    """Return a rollout of which nothing is ready yet; None: something is, or it is just begun."""
    others, revision = [each for each in topology.of(service) if each.ready], new[0].revision
    if any(each.revision == revision for each in others):
        return None
    since = min(each.started_at for each in new)
    return Stuck(revision, since, len(new), len(others)) if now - since >= SOON else None


def _failing(metrics: Metrics, now: datetime, new: Mapping[str, list[Replica]]) -> dict[str, str]:
    """Return why new containers cannot start, by service; nothing where it cannot be read."""
    try:
        frame = metrics.read(tuple(mark.spec for mark in FAILING), now)
    except ToolError:
        return {}
    entities = {f"replica/{name}/{each.name}": name for name, replicas in new.items() for each in replicas}
    marks = {mark.spec.name: mark for mark in FAILING}
    return {
        entities[key.entity]: marks[key.signal].spec.about
        for key, value in zip(frame.keys, frame.values, strict=True)
        if key.entity in entities and key.signal in marks and marks[key.signal].seen(float(value))
    }


def rollout_alarms(rollouts: Rollouts, now: datetime) -> list[Anomaly]:
    """Return an alarm for each rollout that stands still; it wakes nobody while others serve."""
    return [
        Anomaly(
            at=now,
            onset_at=stuck.since,
            signal=ROLLOUT,
            entity=f"service/{service}",
            value=float(stuck.waiting),
            expected=0.0,
            threshold=0.0,
            score=2.0,
            detector=ROLLOUT,
            tier="daily" if stuck.serving else "immediate",
            reason=stuck.words(),
        )
        for service, stuck in sorted(rollouts.items())
    ]
