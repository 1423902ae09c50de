"""Series that come and go, counters that begin again, objectives that burn: what a real fleet does to the eyes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.eyes.budget import Budget, budget
from agent.eyes.burn import Burn
from agent.eyes.counters import Counters
from agent.eyes.engine import Eyes
from agent.eyes.roster import Roster


def test_keys_may_come_in_any_order_and_stay_themselves() -> None:
    rng = np.random.default_rng(0)
    straight, mixed = Roster(Eyes(0, 3.0)), Roster(Eyes(0, 3.0))
    keys = tuple("abcdef")
    found: list[list[tuple[float, object]]] = [[], []]
    for minute in range(200):
        values = rng.normal(50, 3, 6)
        values[2] += 60 * (minute == 150)
        order = rng.permutation(6)
        for place, step in enumerate(
            (
                straight.update(60.0 * minute, keys, values),
                mixed.update(60.0 * minute, [keys[at] for at in order], values[order]),
            )
        ):
            roster = (straight, mixed)[place]
            found[place] += [(alarm.at, roster.keys[alarm.series]) for alarm in step.alarms]
    assert (9000.0, "c") in found[0]
    assert sorted(map(str, found[0])) == sorted(map(str, found[1]))


def test_a_flood_of_new_series_waits_and_raises_nothing() -> None:
    roster = Roster(Eyes(0, 6.0, most=3000), at_once=100)
    for minute in range(120):
        roster.update(60.0 * minute, ("a", "b"), np.array([1.0, 2.0 + minute % 2]))
    flood = tuple(str(place) for place in range(20_000))
    waiting = []
    for minute in range(120, 160):
        step = roster.update(60.0 * minute, flood, np.random.default_rng(minute).normal(size=20_000))
        waiting.append(step.refused["too many series"])
        assert not step.alarms
    assert waiting[0] == 20_000 - 100
    assert waiting[-1] >= 17_000
    assert roster.eyes.series == 3000


def test_the_row_of_a_series_long_gone_goes_to_another_as_if_new() -> None:
    roster = Roster(Eyes(0, 1.0), forget=10)
    for minute in range(200):
        roster.update(60.0 * minute, ("old", "kept"), np.array([1000.0 + minute % 3, 5.0]))
    for minute in range(200, 220):
        roster.update(60.0 * minute, ("kept",), np.array([5.0]))
    for minute in range(220, 260):
        assert not roster.update(60.0 * minute, ("kept", "new"), np.array([5.0, float(minute % 4)])).alarms
    assert roster.eyes.series == 2
    assert roster.keys == ["new", "kept"]


def test_a_series_told_twice_and_an_empty_scrape_are_counted() -> None:
    roster = Roster(Eyes(0, 1.0))
    assert roster.update(0.0, ("a", "a"), np.array([1.0, 2.0])).refused["series twice"] == 1
    assert dict(roster.update(60.0, (), np.empty(0)).refused) == {"no data": 1}


def test_silence_is_known() -> None:
    eyes = Eyes(2, 1.0)
    eyes.update(0.0, np.array([1.0, 2.0]))
    eyes.update(60.0, np.array([np.nan, 2.0]))
    assert eyes.silent(70.0, 60.0).tolist() == [0]


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40), st.integers(1, 39))
def test_a_counter_that_begins_again_never_goes_backwards(steps: list[float], reset: int) -> None:
    counters, total = Counters(1), 0.0
    for place, step in enumerate(steps):
        total = step if place == reset else total + step
        (rate,) = counters.update(10.0 * place, np.array([total]))
        if place:
            assert rate >= 0
            assert rate * 10 == pytest.approx(step, rel=1e-6, abs=1e-3) or place == reset


def burn(pattern: list[tuple[float, float]]) -> list[int]:
    found = Burn(np.array([0.999]), 60.0)
    return [
        minute
        for minute, (answers, bad) in enumerate(pattern)
        if found.update(np.array([answers]), np.array([bad])).alarms[0]
    ]


def test_a_fast_burn_is_told_within_minutes_and_ends_soon_after_its_cause() -> None:
    told = burn([(1000.0, 0.0)] * 60 + [(1000.0, 500.0)] * 10 + [(1000.0, 0.0)] * 60)
    assert told[0] - 60 <= 2
    assert told[-1] - 70 <= 30


def test_an_even_pace_and_one_bad_answer_at_night_are_borne() -> None:
    assert not burn([(1000.0, 1.0)] * 600)
    assert not burn([(1.0, 0.0)] * 300 + [(1.0, 1.0)] + [(1.0, 0.0)] * 60)


def test_no_data_adds_nothing_to_a_burn() -> None:
    assert not burn([(1000.0, 0.0)] * 60 + [(float("nan"), 500.0), (1000.0, float("nan"))] * 60)


def test_a_burn_goes_on_after_a_restart() -> None:
    first, second = Burn(np.array([0.999]), 60.0), Burn(np.array([0.999]), 60.0)
    for _ in range(400):
        first.update(np.array([100.0]), np.array([1.0]))
    second.restore(first.state())
    for _ in range(50):
        mine, other = (one.update(np.array([100.0]), np.array([3.0])) for one in (first, second))
        assert (mine.pace == other.pace).all()
    with pytest.raises(ValueError, match="does not fit"):
        Burn(np.array([0.9, 0.9]), 60.0).restore(first.state())


@pytest.mark.parametrize(
    "words",
    ["", "few", "one alert", "no false alert per service per month x", "one per week", "-1 alerts per series per day"],
)
def test_a_budget_that_cannot_be_read_says_how_to_say_it(words: str) -> None:
    with pytest.raises(ValueError, match="one false alert per service per month"):
        budget(words)


@pytest.mark.parametrize(
    ("words", "alerts", "days"),
    [
        ("at most one false alarm per series in 3 months", 1, 90),
        ("0.5 alerts per series per fortnight", 0.5, 14),
        ("One  false-alert per series every two weeks", 1, 14),
    ],
)
def test_a_budget_may_be_said_in_many_ways(words: str, alerts: float, days: float) -> None:
    assert (budget(words).alerts, budget(words).days) == (alerts, days)


@given(st.floats(0.01, 100), st.floats(1, 400), st.floats(1, 3600))
def test_a_tighter_budget_never_lowers_the_threshold(alerts: float, days: float, seconds: float) -> None:
    loose = Budget(alerts, days).threshold(seconds)
    assert Budget(alerts / 2, days).threshold(seconds) >= loose
    assert Budget(alerts, 2 * days).threshold(seconds) >= loose
    assert Budget(alerts, days, "service").threshold(seconds, 20) >= loose
