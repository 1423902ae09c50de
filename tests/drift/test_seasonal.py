"""A night is compared with nights: what follows the day is no move, what moved is still one."""

import doctest

import numpy as np
import pytest

from agent.drift import seasonal
from agent.drift.compare import compare
from agent.drift.seasonal import matched
from tests.drift.tables import Rows
from tools.errors import Malformed

MONDAY = 1_767_571_200.0


def rows(name: str, days: float, seed: int, start: float = 0.0, shift: float = 0.0) -> Rows:
    """One row each half minute: a load that follows the day and rests at weekends, beside what does not."""
    at = np.asarray(MONDAY + 86400 * start + np.arange(int(days * 2880)) * 30.0, np.float64)
    rng, hour = np.random.default_rng(seed), at % 86400 / 3600
    weekend = (at // 86400 + 3) % 7 >= 5
    load = 10 + 5 * np.sin(hour / 24 * 2 * np.pi) - 4 * weekend + rng.normal(size=len(at)) + shift
    return Rows(name, load=load, plain=rng.normal(size=len(at)), seen_at=at)


def verdicts(reference: Rows, current: Rows, *, season: bool) -> dict[str, str]:
    against = matched(reference, current, "seen_at")[0] if season else reference
    return {move.feature: move.verdict for move in compare(against, current).moves}


def test_the_example_holds() -> None:
    assert doctest.testmod(seasonal) == (0, 1)


@pytest.mark.parametrize(("start", "days"), [(14.0, 0.25), (19.0, 1.0)])  # a night; a Saturday
def test_what_follows_the_day_is_no_move_and_a_real_one_is(start: float, days: float) -> None:
    reference, usual = rows("weeks", 14, 1), rows("now", days, 2, start)
    assert verdicts(reference, usual, season=False)["load"] == "moved"
    assert verdicts(reference, usual, season=True) == {"load": "same", "plain": "same"}
    assert verdicts(reference, rows("now", days, 3, start, shift=0.5), season=True)["load"] == "moved"


def test_it_says_what_was_compared_and_what_the_reference_does_not_know() -> None:
    night, words = matched(rows("weeks", 14, 1), rows("now", 0.25, 2, 14), "seen_at")
    assert night.rows == 10 * 6 * 120
    assert words == "compared with the 7,200 of 40,320 reference rows of the same 6 working-day hours"
    _, other = matched(rows("days", 5, 1), rows("now", 2, 2, 4), "seen_at")
    assert other.endswith("24 working-day hours and 24 weekend hours; 24 of these hours the reference does not know")


def test_no_common_hour_or_column_is_said() -> None:
    with pytest.raises(Malformed, match="no row of the 24 hours"):
        matched(rows("days", 5, 1), rows("now", 1, 2, 5), "seen_at")
    with pytest.raises(Malformed, match="no column 'when'"):
        matched(rows("days", 5, 1), rows("now", 1, 2, 5), "when")
