"""What is usual at an hour: learned from what came, judged by what came after, and kept by the journal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.observe import Observation
from agent.usual import HOUR, KIND, LEAST_LOOKS, MARGIN, SUBJECT, Usual
from tests.agent.handmade import FLEET, TALK, seen
from tools.memory_journal import MemoryJournal

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def rate_of(at: datetime) -> float:
    """Twice as much from eight to eighteen; half of that at weekends."""
    return (4.0 if 8 <= at.hour < 18 else 2.0) * (0.5 if at.weekday() >= 5 else 1.0)


def look(at: datetime, rate: float) -> Observation:
    """One look at talk."""
    return replace(seen(0, {("requests", TALK): rate}), at=at)


def lived(journal: MemoryJournal, days: float, since: datetime = MONDAY) -> Usual:
    """Return what is known after so many days, looked at every two minutes."""
    usual, step = Usual(journal, FLEET), timedelta(minutes=2)
    for number in range(round(days * 720) + 1):
        usual.update(look(since + step * number, rate_of(since + step * number)))
    return usual


def test_before_a_day_has_passed_nothing_is_foretold() -> None:
    usual = lived(MemoryJournal(), 0.5)
    assert usual.growth("talk", 2.0, MONDAY + timedelta(hours=12), timedelta(hours=2)) is None
    assert usual.confidence("talk") == 0.0


def test_the_morning_is_foretold_from_the_hours_before_it() -> None:
    usual, night = lived(MemoryJournal(), 1.5), MONDAY + timedelta(days=1)
    assert usual.growth("talk", 2.0, night + HOUR * 3, timedelta(hours=2)) == pytest.approx(1 + MARGIN)
    assert usual.growth("talk", 2.0, night + HOUR * 7, timedelta(hours=2)) == pytest.approx(2 * (1 + MARGIN))
    assert usual.growth("talk", 1.0, night + HOUR * 3, timedelta(hours=2)) == pytest.approx(2 * (1 + MARGIN))


def test_a_weekend_that_was_never_seen_is_taken_for_working_days() -> None:
    usual, saturday = lived(MemoryJournal(), 2), MONDAY + timedelta(days=5)
    assert usual.peak("talk", saturday + HOUR * 9, saturday + HOUR * 10) == pytest.approx(4.0)


def test_a_working_day_is_never_taken_for_a_weekend() -> None:
    usual = lived(MemoryJournal(), 2, MONDAY + timedelta(days=5))
    assert usual.peak("talk", MONDAY + timedelta(days=7), MONDAY + timedelta(days=7, hours=1)) is None


def test_what_comes_as_foretold_earns_confidence_and_what_does_not_loses_it() -> None:
    steady, journal = lived(MemoryJournal(), 3), MemoryJournal()
    lived(journal, 2)
    surged = Usual(journal, FLEET)
    for number in range(0, 1440, 2):
        at = MONDAY + timedelta(days=2, minutes=number)
        surged.update(look(at, 2 * rate_of(at)))
    assert steady.confidence("talk") > 0.9
    assert surged.confidence("talk") < 0.7


def test_the_journal_alone_brings_it_back() -> None:
    journal = MemoryJournal()
    usual, again = lived(journal, 2.2), Usual(journal, FLEET)
    assert len(journal.entries(subject=SUBJECT, kinds=(KIND,))) == 52
    for hour in range(24):
        at = MONDAY + timedelta(days=2, hours=hour)
        assert again.peak("talk", at, at + HOUR) == usual.peak("talk", at, at + HOUR)
    assert again.confidence("talk") == usual.confidence("talk")


def test_an_hour_of_few_looks_teaches_nothing() -> None:
    journal = MemoryJournal()
    usual = Usual(journal, FLEET)
    for number in range(LEAST_LOOKS - 1):
        usual.update(look(MONDAY + timedelta(seconds=30 * number), 2.0))
    usual.update(look(MONDAY + HOUR, 2.0))
    assert not journal.entries(subject=SUBJECT)
