"""Freeze windows: fixed instants, a stretch of every week, or a length of time from every instant of a cron line."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from config.duration import Duration
from config.frozen import Frozen

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = timedelta(days=7)
LONGEST = timedelta(days=31)  # from one instant of a cron line
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"


class Freeze(Frozen):
    """A window in which nothing is changed, not even with a person's yes: fixed instants, every week, or by cron.

    What was begun before is undone all the same where it fails: a half-done plan is worse than none.
    """

    why: str = Field(min_length=1, description="shown wherever the window forbids something")
    start: datetime | None = Field(default=None, description="first instant, with zone")
    end: datetime | None = Field(default=None, description="instant after the last, with zone")
    weekly: str = Field(
        default="",
        pattern=rf"^$|^{_DAY} \d\d:\d\d - {_DAY} \d\d:\d\d$",
        description="instead of start and end: 'fri 16:00 - mon 08:00', in zone",
    )
    cron: str = Field(
        default="",
        description="instead of both: 'minute hour day month weekday', e.g. '0 18 * * mon-fri'; weekdays by name",
    )
    lasts: Duration | None = Field(
        default=None, description="with cron: how long from each such instant, at most 31 days"
    )
    zone: str = Field(
        default="", description="time zone of weekly (left out: UTC) and of cron (required), e.g. Europe/Berlin or UTC"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        fixed = self.start is not None or self.end is not None
        if [fixed, bool(self.weekly), bool(self.cron)].count(True) != 1:
            raise ValueError("a freeze window has either start and end, or weekly, or cron")
        if self.start and self.end:
            _check_fixed(self.start, self.end)
        elif fixed:
            raise ValueError("a freeze window has both start and end")
        if self.weekly:
            _week_span(self.weekly)
        if (self.lasts is not None) != bool(self.cron):
            raise ValueError("lasts goes with cron, and cron with lasts")
        if self.zone or self.cron:
            _zone(self.zone)
        if self.cron and self.lasts is not None:
            _check_cron(self.cron, self.zone, self.lasts)
        return self

    def holds_at(self, now: datetime) -> bool:
        """Whether the window is open at an instant."""
        return self.until(now) is not None

    def until(self, now: datetime) -> datetime | None:
        """Return when the window that is open at an instant closes; None: it is not open."""
        if self.start and self.end:
            return self.end if self.start <= now < self.end else None
        if self.weekly:
            return self._weekly_until(now)
        opened = _last_fire(self.cron, self.zone, now, self.lasts or timedelta())
        return None if opened is None else opened + (self.lasts or timedelta())

    def opens(self, now: datetime) -> datetime | None:
        """Return when the window opens next, at or after an instant; None: never again."""
        if self.start:
            return self.start if self.start >= now else None
        if self.weekly:
            first, _ = _week_span(self.weekly)
            local = now.astimezone(_zone(self.zone))
            return (local + (first - _since_monday(local)) % _WEEK).astimezone(UTC)
        return _next_fire(self.cron, self.zone, now)

    def _weekly_until(self, now: datetime) -> datetime | None:
        first, length = _week_span(self.weekly)
        local = now.astimezone(_zone(self.zone))
        open_for = (_since_monday(local) - first) % _WEEK
        return (local + (length - open_for)).astimezone(UTC) if open_for < length else None


def _check_fixed(start: datetime, end: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a zone, e.g. 2026-12-24T00:00:00Z")
    if start >= end:
        raise ValueError("start is not before end")


def _check_cron(cron: str, zone: str, lasts: timedelta) -> None:
    if not timedelta(minutes=1) <= lasts <= LONGEST:
        raise ValueError(f"lasts is between a minute and {LONGEST.days} days")
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(f"cron {cron!r} has {len(fields)} fields, not 5: minute hour day month weekday")
    if any(letter.isdigit() for letter in fields[4].partition("/")[0]):
        raise ValueError(f"cron {cron!r}: write weekdays by name, mon to sun; what their numbers mean is disputed")
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(f"cron {cron!r}: a day of the month or a weekday, not both; make it two windows")
    try:
        trigger = _trigger(cron, zone)
    except ValueError as error:
        raise ValueError(f"cron {cron!r}: {error}") from None
    if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"cron {cron!r} never happens")


def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"no time zone is called {name!r}; e.g. Europe/Berlin, or UTC") from None


@lru_cache(maxsize=64)
def _trigger(cron: str, zone: str) -> Any:
    from apscheduler.triggers.cron import CronTrigger

    if not zone:
        raise ValueError("say in which time zone: zone: Europe/Berlin, or UTC")
    return CronTrigger.from_crontab(cron, timezone=_zone(zone))


def _next_fire(cron: str, zone: str, at: datetime) -> datetime | None:
    """Return the first instant of a cron line at or after another, in UTC."""
    found: datetime | None = _trigger(cron, zone).get_next_fire_time(None, at)
    return None if found is None else found.astimezone(UTC)


def _last_fire(cron: str, zone: str, now: datetime, lasts: timedelta) -> datetime | None:
    """Return the last instant of a cron line that is not after now, and less than ``lasts`` ago."""
    back = min(timedelta(minutes=1), lasts)
    while (found := _next_fire(cron, zone, now - back + timedelta(microseconds=1))) is None or found > now:
        if back >= lasts:
            return None
        back = min(2 * back, lasts)
    while (later := _next_fire(cron, zone, found + timedelta(seconds=1))) is not None and later <= now:
        found = later
    return found


def _since_monday(local: datetime) -> timedelta:
    return timedelta(days=local.weekday(), hours=local.hour, minutes=local.minute, seconds=local.second)


def _week_span(weekly: str) -> tuple[timedelta, timedelta]:
    """Return when in the week (from Monday 00:00) a window opens, and how long it stays open."""
    opens, closes = (_week_instant(part) for part in weekly.split(" - "))
    if opens == closes:
        raise ValueError("weekly opens and closes at one instant")
    return opens, (closes - opens) % _WEEK


def _week_instant(text: str) -> timedelta:
    day, clock = text.split()
    hour, minute = (int(part) for part in clock.split(":"))
    if hour > 23 or minute > 59:
        raise ValueError(f"{clock} is no time of day")
    return timedelta(days=_DAYS.index(day), hours=hour, minutes=minute)
