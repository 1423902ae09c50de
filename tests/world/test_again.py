"""Clients that call again where a call fails, and the overload that those without a budget keep up.

Bronson et al. (HotOS 2021) and Huang et al. (OSDI 2022): a trigger ends, the failure does not; it ends with load that
is shed, capacity that is added, or tries that are limited.
"""

from datetime import datetime, timedelta

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.scenario import load_scenarios
from simulator.world.again import BUDGET, asked, further_tries
from simulator.world.body import Knobs
from simulator.world.world import World


@pytest.mark.parametrize("errors", [0.0, 0.0005, 0.1, 0.2, 0.6, 1.0])
def test_what_no_try_answers_is_what_both_tries_fail_or_what_is_beyond_the_budget(errors: float) -> None:
    share = np.array([errors])
    calls = 1000 * (1 + further_tries(share))
    good = calls * (1 - share)
    assert asked(calls, further_tries(share)) == pytest.approx(np.array([1000.0]))
    first, again = errors, min(errors, BUDGET)
    assert asked(calls, further_tries(share)) - good == pytest.approx(np.array([1000 * (first - again * (1 - errors))]))


def test_failing_calls_come_again_as_load_and_what_fails_every_day_does_not(fleet: Fleet) -> None:
    world = World(fleet, seed=4, scenario=load_scenarios()["bad_rollout_errors"])
    happened = world.ledger.happened
    assert happened is not None
    assert happened.onset_at is not None
    while world.clock.now() < happened.onset_at:
        world.advance(30.0)
    ledger = world.ledger
    assert (ledger.repeated < 0.001 * ledger.arrived).all()
    before, first = ledger.repeated.copy(), ledger.arrived.copy()
    for _ in range(20):
        world.advance(30.0)
    share = (ledger.repeated - before) / (ledger.arrived - first)
    ill = ledger.services.index(happened.service)
    assert 0.05 < share[ill] <= BUDGET
    assert (np.delete(share, ill) < 0.001).all()
    assert (ledger.requests <= ledger.calls).all()
    assert ledger.good_requests.sum() / ledger.requests.sum() > ledger.good_requests.sum() / ledger.calls.sum()


TRIGGER = timedelta(seconds=240)


def storm(fleet: Fleet, **given: float) -> World:
    """Return a world a quarter of an hour after the trigger of a storm; ``given`` is another policy of clients."""
    scenario = load_scenarios()["retry_storm"]
    clients = scenario.mutations[0]
    params = {**clients.params, **given}
    changed = scenario.model_copy(
        update={"mutations": (clients.model_copy(update={"params": params}), *scenario.mutations[1:])}
    )
    world = World(fleet, seed=1, scenario=changed)
    _until(world, _onset(world) + TRIGGER + timedelta(minutes=15))
    return world


def _onset(world: World) -> datetime:
    happened = world.ledger.happened
    assert happened is not None
    assert happened.onset_at is not None
    return happened.onset_at


def _until(world: World, at: datetime) -> None:
    while world.clock.now() < at:
        world.advance(30.0)


def goodput(world: World, minutes: float = 5.0) -> float:
    """Return answers in time for each first call of the patient, over the next minutes."""
    ledger, place = world.ledger, _place(world)
    good, first = ledger.good_requests[place], ledger.arrived[place]
    _until(world, world.clock.now() + timedelta(minutes=minutes))
    return float((ledger.good_requests[place] - good) / (ledger.arrived[place] - first))


def _place(world: World) -> int:
    happened = world.ledger.happened
    assert happened is not None
    return world.ledger.services.index(happened.service)


def test_without_a_budget_the_overload_outlasts_its_trigger_by_an_hour(fleet: Fleet) -> None:
    world = storm(fleet)
    assert goodput(world) < 0.1
    assert goodput(world, minutes=60) < 0.1
    views, place = world.body.store.views, _place(world)
    again, calls = (views[f"envoy_cluster_upstream_rq_{name}"][place, 0] for name in ("retry", "total"))
    assert 0.35 < again / calls < 0.8


@pytest.mark.parametrize("given", [{"budget": BUDGET}, {"tries": 1.0}, {"timeout": 60.0}])
def test_with_a_budget_or_few_tries_or_patience_there_is_no_storm(fleet: Fleet, given: dict[str, float]) -> None:
    assert goodput(storm(fleet, **given)) > 0.95


def test_limited_tries_end_it(fleet: Fleet) -> None:
    world = storm(fleet)
    world.mend([0])
    _until(world, world.clock.now() + timedelta(minutes=5))
    assert goodput(world) > 0.97


def test_capacity_ends_it_and_may_go_again(fleet: Fleet) -> None:
    world = storm(fleet)
    happened = world.ledger.happened
    assert happened is not None
    workload = world.body.pods.workloads[happened.service]
    before, workload.wanted = workload.wanted, 8
    _until(world, world.clock.now() + timedelta(minutes=8))
    assert goodput(world) > 0.97
    workload.wanted = before
    _until(world, world.clock.now() + timedelta(minutes=5))
    assert goodput(world) > 0.97  # the same size as under the storm: the other stable state


def test_shed_load_ends_it(fleet: Fleet) -> None:
    world = storm(fleet)
    place, usual = _place(world), world.body.weather.arrivals
    weight = np.ones(len(world.ledger.services))
    weight[place] = 0.3

    def shed(*args: object) -> np.ndarray:
        return np.round(usual(*args) * weight)  # type: ignore[arg-type]

    world.body.weather.arrivals = shed  # type: ignore[method-assign,assignment]
    _until(world, world.clock.now() + timedelta(minutes=5))
    world.body.weather.arrivals = usual  # type: ignore[method-assign]
    assert goodput(world) > 0.97


def test_a_backoff_spreads_what_comes_again(fleet: Fleet) -> None:
    at_once, later = (Knobs(len(fleet.services), 0) for _ in range(2))
    later.backoff[:] = 60.0
    ill, well = np.full(len(fleet.services), 0.15), np.zeros(len(fleet.services))
    callers = World(fleet).body.clients
    assert callers.more(ill, well, at_once, 30.0) == pytest.approx(0.15)
    callers.more(well, well, at_once, 30.0)
    first = callers.more(ill, well, later, 30.0)
    assert first == pytest.approx(0.15 * (1 - np.exp(-0.5)))
    assert (callers.more(ill, well, later, 30.0) > first).all()
