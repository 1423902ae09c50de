"""A rollout that stands still is seen by the cluster alone, laid to the release, and over when all of it runs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.analysts import changes
from agent.casebook import Case
from agent.correlate import correlate
from agent.diagnose import diagnose
from agent.rollouts import Rollouts, rollout_alarms, stuck_rollouts
from agent.verify import rolled_out
from playbooks.faults import shipped_faults
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.world.world import World
from tests.agent.handmade import FLEET, START, TALK, Records, case_of, evidence, incident, scene, seen
from tests.agent.play import ONSET, Metrics, Play, closed
from tools.change import Change
from tools.errors import Transient
from tools.signal import Frame, SeriesKey, SignalSpec
from tools.topology import Deployment, Replica, Revision, Topology

TALKING = Deployment(
    service="talk",
    replicas=2,
    ready=2,
    current="3",
    revisions=tuple(Revision(number=number, created_at=START) for number in ("2", "3")),
)


def replica(name: str, revision: str, *, ready: bool = True) -> Replica:
    return Replica(name=name, service="talk", node="n1", ready=ready, revision=revision, started_at=START)


OLD = (replica("talk-a", "2"), replica("talk-b", "2"))
NEW = replica("talk-c", "3", ready=False)


def cluster(*replicas: Replica) -> Topology:
    return Topology(at=START, deployments=(TALKING,), replicas=replicas, nodes=())


class Marks:
    """Metrics of containers that wait, or none at all."""

    def __init__(self, waits: bool = False, fails: bool = False) -> None:
        self.waits, self.fails, self.reads = waits, fails, 0

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        self.reads += 1
        if self.fails:
            raise Transient("503")
        keys = tuple(SeriesKey(spec.name, f"replica/talk/{each}") for spec in specs for each in ("talk-a", "talk-c"))
        waiting = [self.waits and key.entity.endswith("-c") and key.signal == "crash_looping" for key in keys]
        return Frame(at, keys, np.array(waiting, np.float64))


def stuck(minutes: float, *replicas: Replica, marks: Marks | None = None) -> Rollouts:
    shown: Any = marks or Marks()
    return stuck_rollouts(cluster(*replicas), shown, START + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("minutes", "waits", "told"), [(1, True, False), (3, True, True), (9, False, False), (10, False, True)]
)
def test_a_rollout_is_stuck_after_the_deadline_and_sooner_where_a_container_cannot_start(
    minutes: float, waits: bool, told: bool
) -> None:
    found = stuck(minutes, *OLD, NEW, marks=Marks(waits))
    assert bool(found) is told
    assert ("CrashLoopBackOff" in found["talk"].words() if found else False) is (told and waits)


def test_what_comes_up_in_part_or_is_no_rollout_is_not_stuck() -> None:
    assert not stuck(60, *OLD, NEW, replica("talk-d", "3"))  # some of it is ready
    assert not stuck(2.5, NEW)  # a single replica that loads again
    assert not stuck(60, *(each.model_copy(update={"revision": "3"}) for each in OLD), NEW)  # scaling, not rolling


def test_where_nothing_serves_somebody_is_woken() -> None:
    (alarm,) = rollout_alarms(stuck(5, NEW), START + timedelta(minutes=5))
    assert (alarm.tier, alarm.entity) == ("immediate", TALK)
    assert "none of another serve" in alarm.reason


def test_containers_are_looked_at_only_where_something_is_late() -> None:
    marks = Marks()
    stuck(60, *OLD, marks=marks)
    stuck(1, *OLD, NEW, marks=marks)
    stuck(60, *OLD, NEW, marks=marks)
    assert marks.reads == 0
    assert not stuck(5, *OLD, NEW, marks=Marks(fails=True))  # not known: the deadline decides


def test_a_stuck_rollout_is_an_incident_by_itself_and_wakes_nobody() -> None:
    (alarm,) = rollout_alarms(stuck(12, *OLD, NEW), START + timedelta(minutes=12))
    (found,) = correlate((alarm,), (), FLEET, cluster(*OLD, NEW), START + timedelta(minutes=12))
    assert (found.service, found.tier, alarm.onset_at) == ("talk", "daily", START)
    assert "none of 1 replicas of revision 3 is ready" in alarm.reason


def told(*more: Any) -> tuple[str, bool]:
    records = Records()
    at = START - timedelta(minutes=1)
    records.happened = (Change(id="c", at=at, kind="release", entity=TALK, actor="ci", before="2", after="3", text=""),)
    look = seen(24, {}, where=cluster(*OLD, NEW))
    alarms = rollout_alarms(stuck(12, *OLD, NEW), look.at)
    about = incident(*alarms)
    shown = scene(replace(look, rollouts=stuck(12, *OLD, NEW)), records=records)
    found = diagnose(about, (*changes.examine(about, shown), *more), shipped_faults())
    return found.hypotheses[0].fault, found.resolved


def test_it_is_laid_to_the_release_and_to_what_its_containers_show() -> None:
    assert told() == ("rollout_stuck", True)
    assert told(evidence("crash_looping", 2.5, "replica/talk/talk-c")) == ("pod_crash_loop", True)


def test_it_is_over_when_everything_that_runs_is_of_the_current_revision() -> None:
    service = FLEET.service("talk")
    about = incident(*rollout_alarms(stuck(12, *OLD, NEW), START))
    case = Case(incident=about)

    def state(*replicas: Replica, of: Case = case) -> str:
        return rolled_out(scene(seen(24, {}, where=cluster(*replicas))), service, of)

    assert state(*OLD, NEW) == "broken"
    assert state(*OLD) == "broken"  # the current revision is still the new one
    assert state(*(each.model_copy(update={"revision": "3"}) for each in OLD)) == "holds"
    assert state(*OLD, NEW, of=case_of()) == "holds"  # a case about something else


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marks", "down", "seed", "fault", "ended"),
    [
        ({"crash_looping": 1.0}, 1.0, 1, "pod_crash_loop", ("recovered", "daily", 1)),
        ({}, 1.0, 1, "rollout_stuck", ("recovered", "daily", 1)),  # it stands still, and the one before serves on
        ({}, 1.0, 2, "rollout_stuck", ("recovered", "daily", 1)),
        # Ready for an instant each, so that the one before goes: nothing serves, so no promise is measured.
        ({}, 0.99, 1, "rollout_stuck", ("recovered", "immediate", 1)),
    ],
)
def test_a_release_that_never_starts_is_seen_though_no_objective_shows_it(
    marks: dict[str, float], down: float, seed: int, fault: str, ended: tuple[str, str, int]
) -> None:
    play, script = Play("pod_crash_loop"), load_scenarios()["pod_crash_loop"]
    (release,) = script.mutations
    release = release.model_copy(update={"params": {"down": down}, "marks": marks})
    script = script.model_copy(update={"mutations": (release,), "onset": (ONSET, ONSET)})
    play.world = World(demo_fleet(), seed=seed, scenario=script)
    play.metrics, play.actuator = Metrics(play.world), play.world.actuator
    play.until(closed)
    case = play.case
    assert (case.phase, case.incident.tier, play.deeds) == ended
    assert case.plan is not None
    assert (case.plan.playbook, case.plan.fault) == ("rollback_release", fault)
    if not play.deeds:
        return
    topology = play.world.cluster.topology()
    current = topology.deployment(case.incident.service).current  # type: ignore[union-attr]
    assert {(each.ready, each.revision) for each in topology.of(case.incident.service)} == {(True, current)}
