"""The autoscaler against the algorithm of the Kubernetes documentation, and in a world whose load comes and goes."""

from datetime import UTC, datetime, timedelta

import pytest

from config.fleet import Fleet, Service, ServiceKind
from simulator.world.autoscaler import Autoscaler, Measured, recommended
from simulator.world.script import Mutation, Scenario
from simulator.world.world import World

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAN = float("nan")


def pods(*values: float, unready: int = 0) -> list[Measured]:
    return [Measured(value) for value in values] + [Measured(NAN, ready=False)] * unready


@pytest.mark.parametrize(
    ("current", "seen", "target", "wanted"),
    [
        (1, pods(200.0), 100.0, 2),  # the documentation's: 200 at a target of 100 doubles
        (4, pods(*[50.0] * 4), 100.0, 2),  # and 50 halves
        (3, pods(*[0.65] * 3), 0.6, 3),  # 1.083: within the tolerance of 0.1
        (3, pods(*[0.55] * 3), 0.6, 3),
        (10, pods(*[0.661] * 10), 0.6, 12),  # 1.102: outside, and rounded up
        (10, pods(*[0.539] * 10), 0.6, 9),
        (4, pods(0.9, 0.9, 0.9, unready=1), 0.6, 5),  # the unready one counts with 0: 0.675 / 0.6 x 4
        (4, pods(0.7, 0.7, 0.7, unready=1), 0.6, 4),  # ... which turns the direction round: nothing
        (4, pods(0.3, 0.3, unready=2), 0.6, 1),  # on the way down the unready are left out
        (4, pods(0.3, 0.3, NAN, NAN), 0.6, 3),  # no measurement counts with the target on the way down
        (4, pods(1.5, 1.5, NAN, NAN), 0.6, 5),  # and with 0 on the way up
        (4, pods(NAN, NAN, NAN, NAN), 0.6, 4),  # nothing is known: nothing is done
    ],
)
def test_the_recommendation_is_the_documented_one(
    current: int, seen: list[Measured], target: float, wanted: int
) -> None:
    assert recommended(current, seen, target) == wanted


def test_the_way_down_waits_for_five_minutes_and_the_way_up_does_not() -> None:
    scaler = Autoscaler(0.6, 1, 20)
    assert scaler.decide(AT, 4, pods(*[0.9] * 4)) == 6
    for seconds in range(15, 300, 15):
        assert scaler.decide(AT + timedelta(seconds=seconds), 6, pods(*[0.2] * 6)) == 6
    assert scaler.decide(AT + timedelta(seconds=315), 6, pods(*[0.2] * 6)) == 2


def test_limits_and_the_pace_of_the_way_up_hold() -> None:
    assert Autoscaler(0.1, 1, 50).decide(AT, 2, pods(1.0, 1.0)) == 6  # 4 more, though 20 were called for
    assert Autoscaler(0.1, 1, 50).decide(AT, 10, pods(*[1.0] * 10)) == 20  # 100 % more
    assert Autoscaler(0.1, 1, 5).decide(AT, 3, pods(*[1.0] * 3)) == 5
    assert Autoscaler(0.9, 3, 5).decide(AT, 3, pods(*[0.0] * 3)) == 3


def test_in_a_world_replicas_follow_the_load_and_somebody_else_is_seen_to_write() -> None:
    surge = Mutation(what="traffic", params={"factor": 2.5}, at=600.0, duration=1800.0)
    scaler = Mutation(what="autoscaler", params={"target": 0.5, "low": 2.0, "high": 8.0})
    scenario = Scenario(
        id="one", layer="quiet", about="one", target=("fraud",), onset=(0.0, 0.0), mutations=(scaler, surge)
    )
    service = Service(name="fraud", kind=ServiceKind.TABULAR)
    world = World(Fleet(services=(service,)), scenario=scenario)
    sizes = []
    for _ in range(160):
        world.advance(30.0)
        sizes.append(next(d for d in world.cluster.topology().deployments if d.service == "fraud").replicas)
    assert max(sizes[22:80]) > sizes[15]
    assert sizes[-1] < max(sizes)
    found = next(d for d in world.cluster.topology().deployments if d.service == "fraud")
    assert "hpa" in found.owners
    changes = [change for change in world.cluster.changes(AT - timedelta(days=999)) if change.kind == "scale"]
    assert {change.actor for change in changes} == {"hpa"}
