"""A version that somebody has just promoted, tried on answers that others gave: its own labels come too late for it.

Labels come, say, twenty minutes after an answer. Those of the last quarter of an hour before a promotion are known when
it happens, and say at once what the new version would have answered.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agent.judged import QUALITY_WINDOW, QualityReading, wilson
from config.fleet import Service
from tools.change import Change
from tools.errors import ToolError
from tools.ports import Registry

OURS = "prunella"  # who promotes what was tried before it got traffic
REMEMBERED = timedelta(hours=8)  # promotions looked at, where labels are not later than that

Readings = Mapping[str, QualityReading]


class Tried:
    """Reads the registry; where it cannot score a version anew, nothing is known, and readings stay what they are."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def instead(self, services: Sequence[Service], judged: Readings, now: datetime) -> Readings:
        """Return the readings, those of a version that was tried and found wanting in the place of its forerunner's."""
        late = max((reading.late for reading in judged.values()), default=timedelta(0))
        try:
            promoted = self._registry.changes(now - max(REMEMBERED, late + 2 * QUALITY_WINDOW)) if judged else ()
        except ToolError:
            return judged
        return {**judged, **dict(self._wanting(services, judged, promoted, now))}

    def _wanting(
        self, services: Sequence[Service], judged: Readings, promoted: Sequence[Change], now: datetime
    ) -> list[tuple[str, QualityReading]]:
        found = []
        for service in services:
            reading = judged.get(service.name)
            target = next((each.target for each in service.objectives if each.signal == "accuracy"), None)
            mine = [change for change in promoted if service.model and change.entity == f"model/{service.model}"]
            if reading is None or target is None or not any(_unknown(change, reading) for change in mine):
                continue
            if worse := self._tried(service, reading, (mine, target), now):
                found.append((service.name, worse))
        return found

    def _tried(
        self, service: Service, reading: QualityReading, asked: tuple[Sequence[Change], float], now: datetime
    ) -> QualityReading | None:
        """Return how right the promoted version is on those rows, where it surely breaks a promise that was kept.

        Where the version before fails on them as well, the rows are what is wrong, and the new one may be the cure.
        """
        (promoted, target), newest = asked, reading.newest_at or reading.at
        try:
            champion = self._registry.model(service.model).aliases.get("champion", "")
            change = next((each for each in reversed(promoted) if each.after == champion), None)
            if change is None or not _unknown(change, reading):
                return None
            rows = self._registry.compare(service.name, change.before, change.after, newest - QUALITY_WINDOW, now)
        except ToolError:
            return None
        share, before = (rows.accuracy.get(version, float("nan")) for version in (change.after, change.before))
        low, high = wilson(share, rows.rows)
        if not (rows.gain_high < 0 and high < target <= before):
            return None
        return QualityReading(reading.at, rows.rows, share, low, high, False, reading.newest_at, change.at)


def _unknown(change: Change, reading: QualityReading) -> bool:
    """Whether labelled answers are not all of the version that others put in the place of another."""
    newest = reading.newest_at or reading.at
    return change.actor != OURS and bool(change.before and change.after) and newest - QUALITY_WINDOW < change.at
