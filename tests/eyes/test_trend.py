"""Creeping is told by the end of the third working day; rhythms, weekends, steps and bad hours are none."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.creeping import Creeping
from agent.detect import Watch
from agent.eyes.trend import Creep, Trend
from config.fleet import Cadence
from tests.agent.handmade import FLEET
from tests.agent.handmade import seen as observed
from tools.signal import Frame, SeriesKey

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STEP = 1800.0


def watched(values: NDArray[np.float64], start: datetime = MONDAY) -> list[tuple[int, Creep]]:
    """Return what was said, with the day (0: the first) that had just ended."""
    trend, said = Trend(1), []
    for place, value in enumerate(values):
        found = trend.update(start.timestamp() + STEP * place, np.array([value]))
        if found is not None:
            said.append((int(STEP * place // 86400) - 1, found))
    return said


def days(count: float) -> NDArray[np.float64]:
    return np.arange(int(count * 86400 / STEP)) * STEP / 86400


def rhythm(at: NDArray[np.float64], seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return 2.0 + np.sin(2 * np.pi * at) * 0.8 + 0.1 * rng.normal(size=len(at))


def creeping(said: list[tuple[int, Creep]]) -> list[int]:
    return [day for day, found in said if found.creeps[0]]


def test_what_creeps_is_told_at_the_end_of_the_third_working_day() -> None:
    at = days(5.1)
    said = watched(rhythm(at) * (1 + 0.08 * at))
    assert creeping(said) == [2, 3, 4]
    assert float(said[2][1].pace[0]) == pytest.approx(0.16, abs=0.06)
    assert [day for day, _ in said] == [0, 1, 2, 3, 4]


def test_a_weekend_is_neither_a_decline_nor_a_gap_in_the_count_of_days() -> None:
    at = days(8.1)
    weekend = (at >= 5) & (at < 7)
    assert not creeping(watched(rhythm(at) * np.where(weekend, 0.4, 1.0)))
    assert creeping(watched(rhythm(at) * (1 + 0.08 * at) * np.where(weekend, 0.4, 1.0))) == [2, 3, 4, 7]
    saturday = MONDAY + timedelta(days=5)
    assert not creeping(watched(rhythm(days(2.1)) * (1 + days(2.1)), saturday))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_a_rhythm_with_noise_does_not_creep(seed: int) -> None:
    assert not creeping(watched(rhythm(days(5.1), seed)))


def test_one_bad_day_a_step_or_a_gap_is_no_trend() -> None:
    at = days(6.1)
    usual = rhythm(at)
    bad = np.where((at >= 2) & (at < 3), 3 * usual, usual)
    assert not creeping(watched(bad))
    assert 2 not in creeping(watched(np.where(np.floor(at) == 1, np.nan, usual * (1 + 0.08 * at))))
    hours = np.where((at * 24) % 24 < 2, 9 * usual, usual)  # the same two hours of every day
    assert not creeping(watched(hours))


def moment(at: datetime, latency: float) -> object:
    keys = (SeriesKey("ttft_p95", "service/talk"),)
    found = observed(0, {("ttft_p95", "service/talk"): latency})
    return type(found)(at, Frame(at, keys, np.array([latency])), found.topology)


def test_a_forecast_says_when_the_promise_breaks_and_survives_a_restart() -> None:
    at = days(4.1)
    whole, first, heir = (Watch(FLEET, Cadence(tick=timedelta(seconds=STEP))) for _ in range(3))
    values = 0.9 + 0.25 * at + 0.2 * np.sin(2 * np.pi * at)
    told, kept = [], []
    for place, value in enumerate(values):
        seen = moment(MONDAY + timedelta(seconds=STEP * place), float(value))
        whole.update(seen)  # type: ignore[arg-type]
        told += [each for each in whole.departed if each.detector == "trend"]
        if place == 100:
            heir.restore(first.save())
        guard = first if place < 100 else heir
        guard.update(seen)  # type: ignore[arg-type]
        kept += [each for each in guard.departed if each.detector == "trend"]
    assert kept == told
    (first_told, *_) = told
    assert first_told.at == MONDAY + timedelta(days=3)
    assert first_told.tier == "daily"
    assert first_told.threshold == 2.0
    words = first_told.reason
    assert words.startswith("creeps up by 0.25 a day, reaches 2 in about ")
    left = float(words.split("about ")[1].split()[0])
    broken = next(when for when, value in zip(at, values, strict=False) if value > 1.6)
    assert math.isclose(left, (2.0 - first_told.value) / 0.25, abs_tol=0.6)
    assert 3 < broken + left < 7


def test_a_state_of_other_promises_is_refused() -> None:
    fewer = FLEET.model_copy(update={"services": FLEET.services[1:]})
    arrays, keys = Creeping(FLEET).state()
    with pytest.raises(ValueError, match="does not fit"):
        Creeping(fewer).restore(arrays, keys)
