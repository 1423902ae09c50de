"""Performance before the labels: right where inputs moved, silent where the concept did."""

import numpy as np
import pytest

from agent.drift.overlap import overlap
from agent.drift.performance import Scored, estimate
from tests.drift.scored import rows


def hidden(side: Scored, labels: float, rng: np.random.Generator) -> Scored:
    known = rng.random(len(side.outcomes)) < labels
    return Scored(side.features, side.scores, np.where(known, side.outcomes, np.nan))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_interval_holds_the_truth_nine_times_in_ten(shift: float) -> None:
    held, trials = 0, 12
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        current = rows(rng, 3000, shift)
        found = estimate(rows(rng, 5000), hidden(current, 0.0, rng))
        assert found.standing == "unchecked"
        assert found.low is not None
        assert found.high is not None
        held += found.low <= current.outcomes.mean() <= found.high
    assert held >= 0.9 * trials - 2  # two standard deviations of chance


def test_a_moved_concept_is_not_estimated() -> None:
    rng = np.random.default_rng(1)
    found = estimate(rows(rng, 5000), hidden(rows(rng, 3000, 0.5, turn=0.3), 0.1, rng))
    assert found.standing == "cannot tell"
    assert found.value is None
    assert "what is right has itself changed" in found.text


@pytest.mark.slow
def test_arrived_labels_check_the_estimate() -> None:
    rng = np.random.default_rng(1)
    found = estimate(rows(rng, 5000), hidden(rows(rng, 3000, 0.5), 0.1, rng))
    assert found.standing == "checked"
    assert found.labels == pytest.approx(300, abs=60)


def test_inputs_that_the_reference_never_saw_are_not_judged() -> None:
    rng = np.random.default_rng(1)
    assert estimate(rows(rng, 5000), rows(rng, 3000, 8.0, labels=0)).standing == "cannot tell"


def test_few_rows_are_not_judged_and_bad_numbers_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    assert estimate(rows(rng, 50), rows(rng, 3000)).standing == "cannot tell"
    empty = Scored(np.empty((0, 5)), np.empty(0), np.empty(0))
    assert estimate(rows(rng, 5000), empty).standing == "cannot tell"
    bad = rows(rng, 3000, labels=0)
    bad.features[::7] = np.nan
    bad.features[1::7] = np.inf
    bad.scores[2::7] = np.nan
    assert estimate(rows(rng, 5000), bad).labels == 0


def test_weights_make_the_reference_look_like_now() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(5000, 3)), rng.normal(0.5, 1, size=(5000, 3))
    found = overlap(one, two)
    assert np.abs((found.weights[:, None] * one).mean(axis=0) - 0.5).max() < 0.1
    assert found.unknown < 0.05
    assert 100 < found.effective < 5000


@pytest.mark.slow
def test_a_concept_turned_by_a_fifth_is_mostly_noticed_on_three_hundred_labels() -> None:
    silent = {0.0: 0, 0.2: 0}
    for turn in silent:
        for seed in range(15):
            rng = np.random.default_rng(50_000 + seed)
            found = estimate(rows(rng, 5000), rows(rng, 3000, 0.25, turn=turn, labels=0.1))
            silent[turn] += found.standing == "cannot tell"
    assert silent[0.2] >= 12
    assert silent[0.0] <= 1
