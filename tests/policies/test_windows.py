"""Freeze windows by fixed instants, by week and by cron line: when they hold, until when, and which one is told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.freeze import Freeze
from policies.windows import frozen_by, is_frozen, outlook

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Freeze(why="office", cron="0 9 * * mon-fri", lasts=timedelta(hours=9), zone="Europe/Berlin")
NIGHTLY = Freeze(why="nightly", cron="30 22 * * *", lasts=timedelta(hours=8), zone="UTC")
MONDAY = datetime(2026, 3, 2, tzinfo=BERLIN)


def test_a_cron_window_holds_from_each_of_its_instants_for_so_long() -> None:
    for day, hour, minute, holds in (
        (0, 8, 59, False),
        (0, 9, 0, True),
        (0, 17, 59, True),
        (0, 18, 0, False),
        (5, 9, 0, False),
    ):
        assert OFFICE.holds_at(MONDAY + timedelta(days=day, hours=hour, minutes=minute)) is holds
    assert OFFICE.until(MONDAY + timedelta(hours=12)) == (MONDAY + timedelta(hours=18)).astimezone(UTC)


def test_it_runs_over_midnight() -> None:
    assert NIGHTLY.holds_at(datetime(2026, 3, 3, 6, 29, tzinfo=UTC))
    assert not NIGHTLY.holds_at(datetime(2026, 3, 3, 6, 30, tzinfo=UTC))
    assert NIGHTLY.opens(datetime(2026, 3, 3, 6, 30, tzinfo=UTC)) == datetime(2026, 3, 3, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(("day", "utc_hour"), [(27, 8), (30, 7)])  # summer time begins on Sunday 29 March 2026
def test_the_clock_on_the_wall_counts_when_summer_time_begins(day: int, utc_hour: int) -> None:
    opens = datetime(2026, 3, day, utc_hour, tzinfo=UTC)
    assert not OFFICE.holds_at(opens - timedelta(seconds=1))
    assert OFFICE.holds_at(opens)
    assert OFFICE.until(opens) == opens + timedelta(hours=9)


def test_a_weekly_window_has_a_zone_too() -> None:
    window = Freeze(why="weekend", weekly="fri 16:00 - mon 08:00", zone="Europe/Berlin")
    friday = datetime(2026, 3, 27, 15, 0, tzinfo=UTC)
    assert (window.holds_at(friday - timedelta(seconds=1)), window.holds_at(friday)) == (False, True)
    assert window.until(friday) == datetime(2026, 3, 30, 6, 0, tzinfo=UTC)  # an hour less: summer time began
    assert window.opens(friday - timedelta(days=1)) == friday


@pytest.mark.slow
@given(
    st.integers(0, 365 * 24 * 3600).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(
        ("0 9 * * mon-fri", "*/7 * * * *", "30 22 * * *", "0 0 1 * *", "15 8-17/3 * jan-jun *", "59 23 29 2 *")
    ),
    st.integers(1, 31 * 24 * 60),
)
def test_it_holds_exactly_where_some_instant_is_less_than_its_length_ago(
    now: datetime, cron: str, minutes: int
) -> None:
    """Against every minute looked at one by one, where that is not too many."""
    window = Freeze(why="x", cron=cron, lasts=timedelta(minutes=min(minutes, 3000)), zone="UTC")
    length = window.lasts or timedelta()
    minute = now.replace(second=0, microsecond=0)
    fires = [at for back in range(3001) if window.opens(at := minute - timedelta(minutes=back)) == at]
    recent = [at for at in fires if at + length > now]
    assert window.until(now) == (max(recent) + length if recent else None)


def test_of_several_open_windows_the_one_that_closes_last_is_told() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    fair = Freeze(why="fair", start=noon - timedelta(hours=1), end=noon + timedelta(days=2))
    assert frozen_by((OFFICE, fair, NIGHTLY), noon) == "a freeze window is open: fair, until 2026-03-04 12:00 UTC"
    assert frozen_by((OFFICE, NIGHTLY), noon) == "a freeze window is open: office, until 2026-03-02 17:00 UTC"
    assert frozen_by((NIGHTLY,), noon) == ""
    assert is_frozen((NIGHTLY, OFFICE), noon)


def test_the_outlook_says_when_a_window_opens_or_closes_or_that_it_is_over() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    over = Freeze(why="past", start=noon - timedelta(days=2), end=noon - timedelta(days=1))
    said = [outlook(window, noon) for window in (OFFICE, NIGHTLY, over)]
    assert said == ["open until 2026-03-02 17:00 UTC", "opens 2026-03-02 22:30 UTC", "never opens again"]
