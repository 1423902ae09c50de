"""The autoscaler against the algorithm of the Kubernetes documentation, and in a world whose load comes and goes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from config.fleet import Fleet, Service, ServiceKind
from simulator.episode import demo_fleet
from simulator.modifiers import modified
from simulator.scenario import load_scenarios
from simulator.world.autoscaler import Autoscaler, Measured, recommended
from simulator.world.script import Mutation, Scenario
from simulator.world.world import World
from tests.world.conftest import Play

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


def replicas_over(play: Play, name: str, minutes: int) -> tuple[World, list[int], list[bool]]:
    """Return the world, and per tick since the onset the wanted replicas of the patient, and whether it is well."""
    world = play(name, 0, 0)
    happened = world.ledger.happened
    assert happened is not None
    sizes, held = [], []
    for _ in range(2 * minutes):
        world.advance(30.0)
        sizes.append(world.body.pods.workloads[happened.service].wanted)
        held.append(world.ledger.objectives_hold(happened.service))
    return world, sizes, held


def series(world: World, name: str) -> dict[str, float]:
    """Return what kube-state-metrics shows of autoscalers, by service that has one."""
    column = world.body.store.views[f"kube_horizontalpodautoscaler_{name}"][:, 0]
    return {service: float(column[i]) for service, i in world.body.index.items() if np.isfinite(column[i])}


def test_one_that_looks_at_the_queue_and_waits_for_nothing_goes_up_and_down_and_its_cold_starts_hurt(
    play: Play,
) -> None:
    world, sizes, held = replicas_over(play, "autoscaler_thrash", 30)
    steps = [after - before for before, after in pairwise(sizes) if after != before]
    assert sum(one * two < 0 for one, two in pairwise(steps)) >= 8
    assert sum(held) < 0.6 * len(held)
    assert not world.body.ails  # nothing else is wrong
    assert not world.body.knobs.errors.any()
    happened = world.ledger.happened
    assert happened is not None
    assert set(series(world, "status_desired_replicas")) == {happened.service}
    world.mend(range(1))
    for _ in range(20):
        world.advance(30.0)
    assert world.ledger.objectives_hold(happened.service)
    assert not series(world, "spec_min_replicas")


def test_one_without_a_measure_does_not_follow_the_load_and_says_so(play: Play) -> None:
    world, sizes, held = replicas_over(play, "autoscaler_missing_requests", 30)
    assert len(set(sizes)) == 1
    assert not any(held[30:])
    happened = world.ledger.happened
    assert happened is not None
    assert series(world, "status_condition") == {happened.service: 1.0}
    deployment = world.cluster.topology().deployment(happened.service)
    assert deployment is not None
    assert "hpa" not in deployment.owners  # it writes nothing


def test_one_with_a_high_floor_goes_there_and_stays(play: Play) -> None:
    world, sizes, _ = replicas_over(play, "autoscaler_floor_too_high", 30)
    happened = world.ledger.happened
    assert happened is not None
    (floor,) = series(world, "spec_min_replicas").values()
    assert set(sizes[1:]) == {int(floor)}
    assert floor > 5


def test_what_an_autoscaler_did_for_a_moment_is_taken_back_with_it(play: Play) -> None:
    scenario = load_scenarios()["autoscaler_thrash"]
    world = World(demo_fleet(), scenario=modified(scenario, ("recovered_before_alert",)))
    before = {name: workload.wanted for name, workload in world.body.pods.workloads.items()}
    for _ in range(240):
        world.advance(30.0)
    assert {name: workload.wanted for name, workload in world.body.pods.workloads.items()} == before
