"""What falls is looked at more closely, and since when it is down is read from the labels themselves."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.judged import QUALITY_WINDOW, Falls, QualityReading, stepped
from tests.agent.handmade import START

EVERY = timedelta(minutes=5)


def reading(at: datetime, share: float) -> QualityReading:
    return QualityReading(at, 1900, share, share - 0.015, share + 0.015)


def test_who_surely_fell_is_looked_at_until_all_answers_are_newer() -> None:
    falls, at = Falls(), START
    for share in (0.9, 0.89, 0.9):
        falls.note({"a": reading(at, share), "b": None}, at)
        assert falls.names == frozenset()
        at += EVERY
    fell = at
    while at <= fell + QUALITY_WINDOW:
        falls.note({"a": reading(at, 0.85)}, at)
        assert falls.names == {"a"}
        at += EVERY
    falls.note({"a": reading(at, 0.85)}, at)
    assert falls.names == frozenset()


def test_a_fall_that_was_none_or_is_not_known_any_more_is_over() -> None:
    for after in (reading(START + EVERY * 2, 0.9), None):
        falls = Falls()
        falls.note({"a": reading(START, 0.9)}, START)
        falls.note({"a": reading(START + EVERY, 0.85)}, START + EVERY)
        assert falls.names == {"a"}
        falls.note({"a": after}, START + EVERY * 2)
        assert falls.names == frozenset()


def answers(*shares: float, each: int = 600) -> Any:
    """Return so many answers at each share of right ones."""
    rng = np.random.default_rng(7)
    return np.concatenate([rng.random(each) < share for share in shares])


@pytest.mark.parametrize("after", [0.5, 0.7])
def test_a_step_down_is_found_where_it_was(after: float) -> None:
    right = answers(0.9, 0.9, 0.9, after)
    at = stepped(0.5 * np.arange(len(right), dtype=np.float64), right)
    assert at is not None
    assert abs(at - 900) < 15


@pytest.mark.parametrize(
    "right",
    [
        answers(0.9, 0.9),
        answers(0.6, 0.9),
        answers(0.9, 0.88),
        answers(*np.linspace(0.95, 0.5, 12)),
        np.concatenate([answers(0.9, 0.9), answers(0.72, 0.66, each=300)]),
        answers(0.9)[:200],
    ],
    ids=["nothing", "better", "a trifle", "little by little", "a fall that goes on", "few"],
)
def test_what_did_not_fall_in_one_step_has_no_such_instant(right: Any) -> None:
    assert stepped(0.5 * np.arange(len(right), dtype=np.float64), right) is None
