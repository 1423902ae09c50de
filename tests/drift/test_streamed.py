"""Rules held to a stream: the same as to a batch of the window, however the rows come in pieces."""

import doctest
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drift import counted
from agent.drift.constraints import enforce, from_yaml
from agent.drift.rules import Constraints
from agent.drift.streamed import Enforcer
from tests.drift.tables import Rows

RULES = """
rows_at_least: 0
columns:
  age: {kind: number, nulls_at_most: 0.05, at_least: 0, at_most: 120}
  plan: {kind: text, values: [free, pro], unseen_at_most: 0.02}
  id: {kind: text, unique: true}
  seen_at: {kind: time, fresh_within: 10m}
"""
START = datetime(2026, 3, 2, tzinfo=UTC)


def constraints() -> Constraints:
    return from_yaml(RULES, "rules.yaml")


def values(first: int, last: int, bad: float) -> tuple[list[float], list[str | None], list[str | None], list[float]]:
    """Rows of a stream by number; a share of them breaks every rule but freshness."""
    numbers = range(first, last)
    wrong = np.random.default_rng(first).random(len(numbers)) < bad
    age = [(999.0 if number % 2 else np.nan) if each else 40.0 for number, each in zip(numbers, wrong, strict=True)]
    plan: list[str | None] = ["gone" if each else "free" for each in wrong]
    names: list[str | None] = ["twin" if each else str(number) for number, each in zip(numbers, wrong, strict=True)]
    return age, plan, names, [START.timestamp() + number for number in numbers]


def rows(first: int, last: int, *, bad: float = 0.0, size: int = 10_000) -> Rows:
    """Return rows made in pieces of a size, as one table."""
    age, plan, names, at = (
        [each for part in column for each in part]
        for column in zip(
            *(values(start, min(start + size, last), bad) for start in range(first, last, size)), strict=True
        )
    )
    return Rows("stream", age=np.array(age), plan=plan, id=names, seen_at=np.array(at))


def test_the_example_holds() -> None:
    assert doctest.testmod(counted) == (0, 5)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.sampled_from([0.0, 0.03, 0.3]))
def test_pieces_are_judged_as_the_batch_that_they_make_up(size: int, bad: float) -> None:
    guard, now = Enforcer(constraints(), window=10_000), START + timedelta(seconds=300)
    for first in range(0, 240, size):
        said = guard.update(rows(first, min(first + size, 240), bad=bad), now)
    batch = enforce(constraints(), rows(0, 240, bad=bad, size=size), now)
    assert [(fault.column, fault.kind, fault.share) for fault in said] == [
        (fault.column, fault.kind, fault.share) for fault in batch
    ]


def test_one_bad_row_in_a_small_piece_is_judged_over_the_window_and_told_once() -> None:
    guard = Enforcer(constraints(), window=1000)
    for first in range(0, 1000, 10):
        assert not guard.update(rows(first, first + 10))
    odd = Rows("stream", age=np.array([np.nan]), plan=["odd"], id=["1001"], seen_at=np.array([START.timestamp()]))
    assert not guard.update(odd)  # 1 in 1000 is allowed
    told = []
    for first in range(2000, 2400, 10):
        guard.update(rows(first, first + 10, bad=0.4))
        told += [(fault.column, fault.kind) for fault in guard.fresh]
    assert sorted(told) == [("age", "nulls"), ("age", "range"), ("id", "duplicates"), ("plan", "unseen")]


def test_what_is_over_is_forgotten_with_its_rows() -> None:
    guard = Enforcer(constraints(), window=100)
    assert guard.update(rows(0, 50, bad=0.5))
    said = [bool(guard.update(rows(first, first + 50))) for first in range(50, 300, 50)]
    assert said == [True, False, False, False, False]
    assert guard.rows == 100


def test_a_lost_column_and_a_stream_that_stops_are_said() -> None:
    guard = Enforcer(constraints())
    at = rows(0, 5).column("seen_at")
    (gone, *_) = guard.update(Rows("stream", plan=["free"] * 5, id=[*"abcde"], seen_at=at))
    assert (gone.column, gone.kind) == ("age", "missing column")
    late = guard.update(rows(5, 10), START + timedelta(hours=1))
    assert [(fault.column, fault.kind) for fault in late] == [("seen_at", "stale")]
