"""What users got, and what it cost, by figures that can be reckoned by hand."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.course import costs, course
from simulator.record import FLOWS, Record, Track
from simulator.world.ledger import Happened
from simulator.world.world import World
from tests.drill.schemes import roll_back, schemed
from tools.action import Action, SetReplicas

pytestmark = pytest.mark.slow


def and_two_more_elsewhere(world: World, happened: Happened) -> list[Action]:
    other = next(name for name in ("fraud", "credit") if name != happened.service)
    deployment = world.cluster.topology().deployment(other)
    assert deployment is not None
    return [*roll_back(world, happened), SetReplicas(service=other, replicas=deployment.replicas + 2)]


@pytest.fixture(scope="module")
def cured() -> Record:
    return schemed("bad_rollout_errors", roll_back)


def flowing(record: Record, before: float, after: float, name: str) -> Record:
    """The record, with so much of one flow in each tick of every service, before and after the onset."""
    onset = record.happened.onset_at
    assert onset is not None
    pace = np.where(record.acting.times <= onset.timestamp(), before, after)

    def changed(track: Track) -> Track:
        flow = track.flow.copy()
        flow[:, FLOWS.index(name)] = np.cumsum(pace)[:, None]
        return replace(track, flow=flow)

    return replace(record, acting=changed(record.acting), idle=changed(record.idle))


def test_the_course_begins_ten_minutes_before_the_onset_and_counts_every_request_of_the_patients(cured: Record) -> None:
    onset = cured.happened.onset_at
    told = course(cured)
    assert onset is not None
    assert told is not None
    columns = [i for i, service in enumerate(cured.fleet.services) if service.name in cured.patients]
    asked = cured.acting.flow[:, FLOWS.index("requests"), columns].sum(axis=1)
    before = asked[cured.acting.times <= onset.timestamp() - 600.0][-1]
    assert sum(told["requests"]) == pytest.approx(asked[-1] - before, abs=len(told["requests"]))
    assert told["well"][:5] == [1.0] * 5
    assert min(told["well"][5:8]) < 1.0  # the five minutes until it is rolled back
    assert told["well"][-1] == 1.0
    assert min(g / q for g, q in zip(told["good"], told["requests"], strict=True)) < 0.98


def test_what_acts_cost_is_money_beyond_the_same_time_with_nobody_there(cured: Record) -> None:
    dearer = schemed("bad_rollout_errors", and_two_more_elsewhere)
    one, two = costs(cured)["money_acts"], costs(dearer)["money_acts"]
    assert one is not None
    assert two is not None
    assert abs(one) < 1.0
    hours = (dearer.acting.times[-1] - dearer.effects[0].at.timestamp()) / 3600
    assert 1.0 < (two - one) / (2 * hours) < 6.0  # a GPU's hour, by the lists of clouds


def test_what_the_incident_cost_is_money_beyond_the_usual_pace(cured: Record) -> None:
    onset = cured.happened.onset_at
    assert onset is not None
    ticks = int((cured.acting.times > onset.timestamp()).sum())
    assert costs(flowing(cured, 1.0, 3.0, "money"))["money_incident"] == 2.0 * ticks * len(cured.patients)
    assert costs(flowing(cured, 1.0, 1.0, "money"))["money_incident"] == 0.0
    assert costs(flowing(cured, 2.0, 1.0, "money"))["money_incident"] == -1.0 * ticks * len(cured.patients)
    late = cured.acting.times > onset.timestamp() - 300.0  # of five minutes nobody can tell what is usual

    def cut(track: Track) -> Track:
        names = ("times", "held", "within", "ready", "flow", "restored")
        return Track(*(getattr(track, name)[late] for name in names))

    assert costs(replace(cured, acting=cut(cured.acting), idle=cut(cured.idle)))["money_incident"] is None


def test_where_nothing_is_wrong_there_is_neither(cured: Record) -> None:
    still = replace(cured, acting=replace(cured.acting, flow=np.empty((0, len(FLOWS), 8))))
    assert course(still) is None
    assert costs(still) == {"money_acts": None, "money_incident": None}
