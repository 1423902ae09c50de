"""Columns that count up are told from their past alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.eyes.climbs import climb
from agent.eyes.passing import Reals


def minutes(rows: int) -> Reals:
    return np.arange(0.0, 60.0 * rows, 60.0)


@given(st.lists(st.floats(0, 1e6), min_size=30, max_size=80), st.integers(1, 79))
def test_what_comes_later_changes_nothing(values: list[float], part: int) -> None:
    steps = np.array(values)
    counts = np.where(np.arange(len(steps)) % 23 == 22, 0.0, np.cumsum(steps))
    whole, begun = (climb(minutes(len(each)), each) for each in (counts, counts[:part]))
    np.testing.assert_array_equal(whole.known[:part], begun.known)
    np.testing.assert_array_equal(whole.rates[:part], begun.rates)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("noise", np.random.default_rng(0).normal(50, 3, 900)),
        ("a walk", np.abs(np.random.default_rng(0).normal(0, 1, 900).cumsum())),
        ("rare spikes", np.where(np.arange(900) % 7 == 0, 5.0, 0.0)),
        ("a switch", (np.arange(900) % 50 < 25) * 1.0),
        ("a debt that grows", -np.arange(900.0)[::-1]),
        ("a constant", np.full(900, 3.0)),
    ],
)
def test_what_does_not_count_up_is_no_counter(name: str, values: Reals) -> None:
    assert not climb(minutes(900), values).known.any(), name


def test_a_column_that_falls_by_a_part_is_none_from_then_on() -> None:
    filled = np.append(np.arange(100.0), np.arange(40.0, 140.0))
    found = climb(minutes(200), filled)
    assert found.known[50]
    assert not found.known[100:].any()
    assert not found.counter


def test_a_counter_of_what_restarts_twice_in_three_samples_stays_one() -> None:
    counts = np.concatenate([np.arange(0.0, 4000.0, 40.0), [40.0, 80.0, 120.0], np.arange(40.0, 4000.0, 40.0)])
    found = climb(minutes(len(counts)), counts)
    assert found.known[30:].all()
    assert found.counter
    assert np.isnan(found.rates[[0, 100, 103]]).all()


def test_rounding_errors_of_a_long_count_are_no_change_of_rate() -> None:
    found = climb(minutes(20_000), np.full(20_000, 0.1).cumsum())
    assert len(np.unique(found.rates[1:])) == 1


def test_values_that_are_none_and_second_ones_of_an_instant_are_passed_over() -> None:
    at, counts = minutes(100), np.arange(0.0, 500.0, 5.0)
    counts[[40, 60]] = np.nan, 2.0**63
    at[80] = at[79]
    found = climb(at, counts)
    assert np.isnan(found.rates[[0, 40, 60, 80]]).all()
    assert found.known[41]
    assert found.rates[np.isfinite(found.rates)] == pytest.approx(5 / 60)
