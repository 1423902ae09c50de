"""Medians: records of running medians, worked out only where one may leave its range.

The median of 97 values lies beyond an end of its range only where 49 of them do. How many lie beyond either end is
counted as values come and go, not at the ends as they are, but drawn in by all that they may fade before the next look:
who has no majority out there has certainly no record. What is kept for that can be worked out again, and is not saved.
"""

import numpy as np

from agent.eyes.columns import Places, Reals, State
from agent.eyes.records import HALF_FADED, Ages, empty_range, fade, many, median, strangeness

AHEAD = 128  # values for which counts at drawn-in ends hold
ROOM = np.float32(3 * AHEAD) * HALF_FADED  # three fades a value: one that is no rounding step may be rounded up to two
FULL = 4  # where one series in so many is in doubt, all are looked at: quicker than to pick them out


def empty_median(series: int, width: int) -> State:
    """Return the state of medians over ``width`` values: their range, and the counts."""
    return {f"{end}{width}": array for end, array in empty_range(series).items()} | {
        f"_upper{width}": np.full(series, -np.inf, np.float32),
        f"_lower{width}": np.full(series, np.inf, np.float32),
        f"_above{width}": np.full(series, width, np.uint8),
        f"_below{width}": np.full(series, width, np.uint8),
        f"_left{width}": np.ones(series, np.uint8),
        f"_oldest{width}": np.zeros(series, np.float32),
    }


class Medians:
    """Records of the medians over one width; the state lies in ``of``, whose owner saves it."""

    def __init__(self, of: State, width: int) -> None:
        self.low, self.high = of[f"low{width}"], of[f"high{width}"]
        self._upper, self._lower = of[f"_upper{width}"], of[f"_lower{width}"]
        self._above, self._below = of[f"_above{width}"], of[f"_below{width}"]
        self._left, self._oldest = of[f"_left{width}"], of[f"_oldest{width}"]
        self._half = width // 2

    def update(self, recent: Reals, age: Ages, value: tuple[Reals, Reals], least: np.float32) -> Reals:
        """Return the strangeness of the median of ``recent``, (width, series), against the range of such medians.

        That range counts as no less than the share ``least`` of the range of ``value``.
        """
        if not age.any():  # of a first value, every median is nought; in a new fleet that is all of them at once
            self.low[:] = self.high[:] = 0.0
            return np.zeros(len(age), np.float32)
        self._count(recent)
        (places,) = np.nonzero((np.maximum(self._above, self._below) > self._half) | (self._left == 0))
        score = np.zeros(len(age), np.float32)
        if not len(places):
            fade(self.low, self.high)
            return score
        near = recent if FULL * len(places) > len(age) else recent.take(places, axis=1)
        if near is recent:
            places = np.arange(len(age))
        doubtful = self._recount(near, places)
        places = places[doubtful]
        ends = self.low[places], self.high[places]
        fade(self.low, self.high)
        if len(places):
            floor = least * np.maximum(value[1][places] - value[0][places], np.float32(0.0))
            begun = age[places] - np.int32(len(recent) - 1)  # medians that do not begin before the series
            middle = median(near if len(places) == near.shape[1] else near.take(doubtful, axis=1))
            score[places] = strangeness(*ends, middle, begun, floor)
            self.low[places], self.high[places] = ends
            self._left[places] = 1  # a wider range fades faster: the drawn-in ends no longer hold
        return score

    def _count(self, recent: Reals) -> None:
        newest, oldest = recent[-1], self._oldest
        self._above += newest > self._upper
        self._above -= oldest > self._upper
        self._below += newest < self._lower
        self._below -= oldest < self._lower
        self._left -= np.uint8(1)
        oldest[:] = recent[0]

    def _recount(self, near: Reals, places: Places) -> Places:
        """Count anew at newly drawn ends; return which of them have more than half of the values beyond one."""
        low, high = self.low[places], self.high[places]
        room = np.maximum(high - low, np.float32(0.0)) * ROOM
        upper, lower = high - room, low + room
        above, below = many(near > upper), many(near < lower)
        self._upper[places], self._lower[places], self._above[places], self._below[places] = upper, lower, above, below
        self._left[places] = AHEAD
        (doubtful,) = np.nonzero(np.maximum(above, below) > self._half)
        return doubtful
