"""Shapes of rows and answers that tell faults of quality apart."""

import numpy as np
import pytest

from agent.analysts.shapes import LEAST, joint, off, ranking, stepped, unequal

RNG = np.random.default_rng(4)


def test_what_hangs_together_is_seen_to_fall_apart_though_each_looks_as_before() -> None:
    first = RNG.normal(size=3000)
    before = np.column_stack([first, 0.8 * first + 0.6 * RNG.normal(size=3000)])
    after = before.copy()
    after[:, 1] = RNG.permutation(after[:, 1])
    assert joint(before, after) == pytest.approx(0.8, abs=0.06)
    assert joint(before, before[:1500]) < 0.05
    assert joint(before, before[: LEAST - 1]) == 0.0  # too few to say


def test_a_column_that_stands_still_has_no_correlation_and_hides_no_other() -> None:
    rows = RNG.normal(size=(500, 3))
    stuck = rows.copy()
    stuck[:, 0] = 1.0
    assert joint(rows, stuck) < 0.3


def test_ranking_is_the_share_of_pairs_and_does_not_care_where_scores_lie() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0, np.nan])
    scores = np.array([0.1, 0.4, 0.3, 0.9, 0.0])
    assert ranking(scores, labels) == ranking(scores / 10 + 0.8, labels) == 0.75
    assert np.isnan(ranking(scores, np.ones(5)))
    assert off(scores, labels) == pytest.approx(0.425 - 0.5)
    assert off(scores, np.full(5, np.nan)) == 0.0


def test_the_half_that_is_served_worse_is_found() -> None:
    codes = RNG.integers(0, 6, 4000).astype(np.float64)
    right = np.where(codes >= 4, RNG.random(4000) < 0.5, RNG.random(4000) < 0.9)
    name, best, worst = unequal(("x", "c"), np.column_stack([RNG.normal(size=4000), codes]), right)
    assert (name, round(best, 1), round(worst, 1)) == ("c", 0.9, 0.5)
    assert unequal(("x",), RNG.normal(size=(4000, 1)), right) == ("no column", 0.0, 0.0)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (lambda t: np.where(t > 3600, 2.0, 0.0), True),
        (lambda t: np.clip((t - 3600) / 1200, 0, 1) * 2.5, False),  # comes slowly, and goes on after
        (np.zeros_like, False),
        (lambda t: np.where((t > 3600) & (t < 5400), 2.0, 0.0), False),  # gone again
    ],
)
def test_a_step_is_told_from_what_comes_slowly(shape: object, found: bool) -> None:
    at = np.arange(0, 7200, 2.0)
    assert stepped(at, RNG.normal(size=len(at)) + shape(at), 3600.0) is found  # type: ignore[operator]
    assert not stepped(at[:50], at[:50], 3600.0)  # too few rows
