"""Clients that call a second time where a call fails."""

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.scenario import load_scenarios
from simulator.world.again import BUDGET, asked, second_tries
from simulator.world.world import World


@pytest.mark.parametrize("errors", [0.0, 0.0005, 0.1, 0.2, 0.6, 1.0])
def test_what_no_try_answers_is_what_both_tries_fail_or_what_is_beyond_the_budget(errors: float) -> None:
    share = np.array([errors])
    calls = 1000 * (1 + second_tries(share))
    good = calls * (1 - share)
    assert asked(calls, share) == pytest.approx(np.array([1000.0]))
    first, again = errors, min(errors, BUDGET)
    assert asked(calls, share) - good == pytest.approx(np.array([1000 * (first - again * (1 - errors))]))


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
