"""Trend: what creeps from working day to working day, at the same hours, and when it reaches a limit.

The hourly means of the last three whole working days are compared hour by hour (the seasonal Kendall test): a daily
rhythm, however strong, is no trend, and weekends are no decline. The pace is the median of the differences (Theil and
Sen), so that a bad hour is none either.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Reals

DAYS, HOURS, DAY = 3, 24, 86400.0
PAIRS = tuple((later, earlier) for later in range(DAYS) for earlier in range(later))
FEWEST = 18  # hours of a day that must be known
SURE = 0.7  # share of comparisons, less those that say the opposite; chosen on half of the simulator's services
PACE = 0.02  # of the mean, per day: what is slower is no hurry


@dataclass(frozen=True, slots=True)
class Creep:
    """Per series: whether it creeps, by how much a day, and the highest hour of the newest day."""

    creeps: NDArray[np.bool_]
    pace: Reals
    peak: Reals
    share: Reals


class Trend(Columns):
    """Hourly means of the last working days; ``update`` says something when a working day has ended, else None.

    >>> trend, told = Trend(2), []
    >>> for hour in range(24 * 6):  # from a Monday; a daily rhythm, and the same with 5 % more every day
    ...     rhythm = 10 + 4 * np.sin(hour / 24 * 2 * np.pi)
    ...     found = trend.update(1_767_571_200.0 + 3600 * hour, np.array([rhythm, rhythm + 0.5 * hour / 24]))
    ...     told += [] if found is None else [(hour // 24, found.creeps.tolist(), round(float(found.pace[1]), 2))]
    >>> told[-1]
    (5, [False, True], 0.5)
    """

    def __init__(self, series: int) -> None:
        self.of = {
            "means": np.full((DAYS + 1, HOURS, series), np.nan, np.float32),  # the newest day last, not over yet
            "sum": np.zeros(series),
            "count": np.zeros(series, np.int32),
            "day": np.full((DAYS + 1, series), -1, np.int32),  # since 1970, of each row; the same for every series
            "hour": np.full(series, -1, np.int64),  # since 1970, that is being summed up
        }

    def update(self, at: float, values: NDArray[np.float64]) -> Creep | None:
        """Take a reading of every series, NaN for NO DATA."""
        if not len(values):
            return None
        of, hour = self.of, int(at // 3600)
        before = int(of["hour"][0])
        found = self._close(before, hour) if hour > before >= 0 else None
        if hour >= before:
            there = np.isfinite(values)
            of["sum"] = of["sum"] + np.where(there, values, 0.0)
            of["count"] = of["count"] + there.astype(np.int32)
            of["hour"][:] = hour
        return found

    def _close(self, before: int, now: int) -> Creep | None:
        """Write the mean of an hour down; judge when its day is over."""
        of, day = self.of, before // HOURS
        if _works(day):
            if int(of["day"][-1, 0]) != day:
                of["means"] = np.concatenate([of["means"][1:], np.full_like(of["means"][:1], np.nan)])
                of["day"] = np.concatenate([of["day"][1:], np.full_like(of["day"][:1], day)])
            mean = np.divide(of["sum"], of["count"], out=np.full(len(of["sum"]), np.nan), where=of["count"] > 0)
            of["means"][-1, before % HOURS] = mean
        of["sum"], of["count"] = np.zeros_like(of["sum"]), np.zeros_like(of["count"])
        return self._judge() if _works(day) and now // HOURS != day else None

    def _judge(self) -> Creep:
        means, days = self.of["means"][1:], self.of["day"][1:, 0]
        known = np.isfinite(means)
        enough = (known.sum(axis=1) >= FEWEST).all(axis=0) & (days >= 0).all()
        gaps = np.stack([means[later] - means[earlier] for later, earlier in PAIRS])
        apart = np.array([max(1, int(days[later] - days[earlier])) for later, earlier in PAIRS], np.float32)
        signs, compared = np.nansum(np.sign(gaps), axis=(0, 1)), np.isfinite(gaps).sum(axis=(0, 1))
        share = np.where(compared > 0, signs / np.maximum(compared, 1), 0.0).astype(np.float32)
        pace = _median(np.where(np.isfinite(gaps), gaps / apart[:, None, None], np.nan).reshape(-1, gaps.shape[-1]))
        usual = np.abs(_median(means.reshape(-1, means.shape[-1])))
        peak = np.where(known[-1], means[-1], -np.inf).max(axis=0).astype(np.float32)
        creeps = enough & (np.abs(share) >= SURE) & (np.abs(pace) >= PACE * usual) & (np.sign(pace) == np.sign(share))
        return Creep(creeps, pace, peak, share)


def days_left(creep: Creep, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return after how many days the highest hour reaches a limit above it, at the present pace; infinite: never.

    >>> creep = Creep(np.array([True, True]), np.array([0.5, -1.0]), np.array([8.0, 8.0]), np.array([1.0, -1.0]))
    >>> days_left(creep, np.array([10.0, 10.0])).tolist()
    [4.0, inf]
    """
    rising = creep.creeps & (creep.pace > 0) & (creep.peak < limits)
    left = (limits - creep.peak) / np.where(rising, creep.pace, 1.0)
    found: NDArray[np.float64] = np.where(rising, left, np.inf)
    return found


def _works(day: int) -> bool:
    return (day + 3) % 7 < 5  # 1970 began on a Thursday


def _median(rows: Reals) -> Reals:
    """Return the median over the first axis of what is there; 0 where nothing is."""
    there = np.isfinite(rows)
    filled = np.sort(np.where(there, rows, np.inf), axis=0)
    count = there.sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    columns = np.arange(rows.shape[1])
    middle = (filled[low, columns] + filled[np.minimum(high, len(rows) - 1), columns]) / 2
    return np.where(count > 0, middle, 0.0).astype(np.float32)
