"""How right answers are, read from the log of those whose labels are known: now, and beside what was usual."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent.judged import HOURS, LEAST, QUALITY_WINDOW, STEPPED, QualityReading, badly, fallen, stepped, wilson
from agent.lateness import Lateness
from config.fleet import Service
from tools.errors import ToolError
from tools.ports import InferenceLog

LUCK = 1e-6  # chance below which an observation is no luck


@dataclass(frozen=True, slots=True)
class Answers:
    """Labelled answers of one service, oldest first: POSIX seconds, and which were right."""

    at: NDArray[np.float64]
    right: NDArray[np.bool_]

    def newest(self, count: int) -> "Answers":
        """Return the newest of them, so many."""
        return Answers(self.at[-count:], self.right[-count:])


class Labelled:
    """Judges services by their newest labelled answers, however late labels come."""

    def __init__(self, log: InferenceLog) -> None:
        self._log = log
        self._late: dict[str, Lateness] = defaultdict(Lateness)

    def judge(self, service: Service, now: datetime) -> QualityReading | None:
        """Return how right its answers are; None where nothing is promised, or no label says how things are now."""
        target = next((each.target for each in service.objectives if each.signal == "accuracy"), None)
        if target is None:
            return None
        late = self._late[service.name]
        starts = sorted({late.since(now, QUALITY_WINDOW), now - late.reach}, reverse=True)
        found = (_newest(self._log, service.name, since, now) for since in starts)
        answers = next((each for each in found if each is not None), None)
        stands = late.take(now, datetime.fromtimestamp(float(answers.at[-1]), now.tzinfo) if answers else None)
        if answers is None or not stands:
            return None
        return _stepped(self._log, service, _lately(self._log, service.name, answers, now, target), target)


def accuracy(
    log: InferenceLog, service: str, since: datetime, now: datetime, version: str = ""
) -> QualityReading | None:
    """Return accuracy on the newest ``QUALITY_WINDOW`` of labelled answers since then, optionally of one version."""
    answers = _newest(log, service, since, now, version)
    return None if answers is None else _reading(log, service, answers, now)


def between(log: InferenceLog, service: str, since: datetime, until: datetime, version: str = "") -> Answers:
    """Return the labelled answers of some time, none where the log cannot be read."""
    try:
        rows = log.window(service, since, until, labelled=True, features=False)
    except ToolError:
        return Answers(np.empty(0), np.empty(0, np.bool_))
    known = np.isfinite(rows.labels)
    if version:
        known &= rows.version == version
    return Answers(rows.at[known], ((rows.scores >= 0.5) == (rows.labels >= 0.5))[known])


def _newest(log: InferenceLog, service: str, since: datetime, now: datetime, version: str = "") -> Answers | None:
    """Return the answers of the newest ``QUALITY_WINDOW`` that has any; None: there are none since then."""
    found = between(log, service, since, now, version)
    if not len(found.at):
        return None
    return found.newest(int((found.at > float(found.at[-1]) - QUALITY_WINDOW.total_seconds()).sum()))


def _reading(log: InferenceLog, service: str, answers: Answers, now: datetime) -> QualityReading:
    count, share = len(answers.right), float(answers.right.mean())
    low, high = wilson(share, count)
    echo = share == 1.0 and _too_good(log, service, count)
    return QualityReading(now, count, share, low, high, echo, datetime.fromtimestamp(float(answers.at[-1]), now.tzinfo))


def _lately(log: InferenceLog, service: str, answers: Answers, now: datetime, target: float) -> QualityReading:
    """Return the reading of all of them; where they are not surely below the target, ask whether accuracy fell.

    First of the newest stretch, beside all that was before the quarter of an hour; then of the whole of it, beside the
    hours that had not begun to fall.
    """
    reading = _reading(log, service, answers, now)
    newest = reading.newest_at or now
    if badly(answers.right, 1.0, target):
        before = between(log, service, newest - HOURS[0], newest - QUALITY_WINDOW).right
        usual = float(before.mean()) if len(before) >= LEAST else 0.0
        if count := badly(answers.right, usual, target):
            bad = answers.newest(count)
            began = datetime.fromtimestamp(float(bad.at[0]), now.tzinfo)
            return replace(_reading(log, service, bad, now), fell_from=usual, fell_at=began)
    if not reading.accuracy < target <= reading.high:
        return reading
    return fallen(reading, between(log, service, newest - HOURS[0], newest - HOURS[1]).right)


def _stepped(log: InferenceLog, service: Service, reading: QualityReading, target: float) -> QualityReading:
    """Look since when accuracy is down where it is, and whether it came down in one step."""
    if not reading.misses(target) or reading.newest_at is None:
        return reading
    rows = between(log, service.name, reading.newest_at - STEPPED, reading.at)
    at = stepped(rows.at, rows.right)
    return reading if at is None else replace(reading, stepped_at=datetime.fromtimestamp(at, reading.at.tzinfo))


def _too_good(log: InferenceLog, service: str, count: int) -> bool:
    """Whether so many right answers without a wrong one are no luck, by how well the model did when it was accepted."""
    try:
        rows = log.reference(service)
    except ToolError:
        return False
    known = np.isfinite(rows.labels)
    right = ((rows.scores >= 0.5) == (rows.labels >= 0.5))[known]
    return len(right) > 0 and float(right.mean()) ** count < LUCK
