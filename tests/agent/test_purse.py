"""Money that is gone within a day is told at once; what can wait for a digest waits."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.case import Anomaly
from agent.detect import Watch
from agent.purse import Purses, urgent
from config.fleet import Cadence
from tests.agent.handmade import FLEET, START, TICK, seen

BUDGET, TALK = 10.0, "service/talk"
HOUR = round(timedelta(hours=1) / TICK)


def told(guard: Watch, first: int, ticks: int, spend: float) -> list[Anomaly]:
    """Return the alarms of the last of so many ticks."""
    return list([guard.update(seen(first + tick, {("spend", TALK): spend})) for tick in range(ticks)][-1])


def test_a_months_money_that_is_gone_within_a_day_is_immediate_and_says_so() -> None:
    guard = Watch(FLEET, Cadence(tick=TICK))
    told(guard, 0, HOUR, BUDGET)
    (alarm,) = told(guard, HOUR, HOUR, 40 * BUDGET)
    assert (alarm.signal, alarm.entity, alarm.detector, alarm.tier) == ("spend", TALK, "cost", "immediate")
    assert "40.0 times as fast as evenly: the month's money is gone in 17 h" in alarm.reason
    (slow,) = told(guard, 2 * HOUR, HOUR, 2 * BUDGET)
    assert slow.tier == "daily"


def test_nobody_who_does_not_want_it_is_woken() -> None:
    calm = FLEET.model_copy(
        update={"services": tuple(s.model_copy(update={"budget_gone_within": timedelta(0)}) for s in FLEET.services)}
    )
    assert {alarm.tier for alarm in told(Watch(calm, Cadence(tick=TICK)), 0, 2 * HOUR, 40 * BUDGET)} == {"daily"}


def test_a_burst_is_over_before_it_is_told() -> None:
    guard = Watch(FLEET, Cadence(tick=TICK))
    told(guard, 0, HOUR, BUDGET)
    tiers = {
        alarm.tier
        for tick in range(HOUR, 2 * HOUR)
        for alarm in guard.update(seen(tick, {("spend", TALK): (40 if tick < HOUR + 20 else 1) * BUDGET}))
    }
    assert "immediate" not in tiers


@pytest.mark.parametrize(
    ("day", "pace", "said"),
    [
        (1, 20.0, False),  # 36 h of it are left
        (16, 20.0, True),  # half of it is spent: 18 h
        (30, 1.5, False),  # a day of it is left, at the end of the month as planned
        (28, 2.0, False),  # too slow to wake anybody: two days are left, 36 h of money
        (31, 40.0, True),  # as planned until the last day, and then all at once
    ],
)
def test_what_is_left_of_the_month_counts(day: int, pace: float, said: bool) -> None:
    start, purses = datetime(2026, 3, day, tzinfo=UTC), Purses(["talk"], timedelta(minutes=1))
    for minute in range(90):
        at = start + timedelta(minutes=minute)
        found = purses.update(at, np.array([pace]))
    assert bool(urgent(found, at, np.array([24.0]))[0]) is said


def test_a_restart_and_another_service_change_nothing() -> None:
    whole, one = Purses(["a", "b"], TICK), Purses(["b"], TICK)
    rows = np.random.default_rng(0).gamma(2, 5, (300, 2))
    for tick in range(200):
        whole.update(START + tick * TICK, rows[tick])
    one.restore(*whole.state())
    for tick in range(200, 300):
        both, alone = whole.update(START + tick * TICK, rows[tick]), one.update(START + tick * TICK, rows[tick, 1:])
    np.testing.assert_allclose(both.hours[1:], alone.hours)
    np.testing.assert_allclose(both.pace[1:], alone.pace)
    with pytest.raises(ValueError, match="does not fit"):
        Purses(["b"], 2 * TICK).restore(*whole.state())


def test_a_new_month_begins_with_all_of_its_money_and_no_data_is_not_spent() -> None:
    purses = Purses(["talk"], timedelta(minutes=1))
    eve = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    left = [float(purses.update(eve + timedelta(minutes=m), np.array([40.0])).hours[0]) for m in range(90)]
    first = purses.update(datetime(2026, 4, 1, tzinfo=UTC), np.array([np.nan]))
    assert left[-1] == 0.0
    assert first.hours[0] == pytest.approx(720 / first.pace[0])
    assert first.pace[0] < 40.0
