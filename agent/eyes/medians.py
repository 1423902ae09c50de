"""Medians: records of running medians, worked out only where one may leave its range.

The median of 97 values lies beyond an end of its range only where 49 of them do. How many lie beyond either end is
counted as values come and go, not at the ends as they are, but drawn in by all that they may fade before the next look:
who has no majority out there has certainly no record. What is kept for that can be worked out again, and is not saved.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Places, Reals, State
from agent.eyes.loops import loops_for
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


class View(NamedTuple):
    """What is remembered of the medians over one width, each (series,): their range, and the counts."""

    low: Reals
    high: Reals
    upper: Reals
    lower: Reals
    above: NDArray[np.uint8]
    below: NDArray[np.uint8]
    left: NDArray[np.uint8]
    oldest: Reals


class Medians:
    """Records of the medians over one width; the state lies in ``of``, whose owner saves it."""

    def __init__(self, of: State, width: int) -> None:
        ends, rest = [f"{end}{width}" for end in View._fields[:2]], [f"_{name}{width}" for name in View._fields[2:]]
        self._of = View(*(of[name] for name in (*ends, *rest)))
        self._half = width // 2

    def update(self, recent: Reals, age: Ages, value: tuple[Reals, Reals], least: np.float32) -> Reals:
        """Return the strangeness of the median of ``recent``, (width, series), against the range of such medians.

        That range counts as no less than the share ``least`` of the range of ``value``.
        """
        low, high = self._of.low, self._of.high
        if not age.any():  # of a first value, every median is nought; in a new fleet that is all of them at once
            low[:] = high[:] = 0.0
            return np.zeros(len(age), np.float32)
        loops = loops_for(len(age))
        places, middle = self._beyond(recent) if loops is None else loops.medians(recent, self._of)
        score, ends = np.zeros(len(age), np.float32), (low[places], high[places])
        fade(low, high)
        if len(places):
            floor = least * np.maximum(value[1][places] - value[0][places], np.float32(0.0))
            begun = age[places] - np.int32(len(recent) - 1)  # medians that do not begin before the series
            score[places] = strangeness(*ends, middle, begun, floor)
            low[places], high[places] = ends
            self._of.left[places] = 1  # a wider range fades faster: the drawn-in ends no longer hold
        return score

    def _beyond(self, recent: Reals) -> tuple[Places, Reals]:
        """Return the series whose median may be beyond the faded range, and their medians."""
        of = self._of
        self._count(recent)
        (places,) = np.nonzero((np.maximum(of.above, of.below) > self._half) | (of.left == 0))
        if not len(places):
            return places, np.empty(0, np.float32)
        near = recent if FULL * len(places) > recent.shape[1] else recent.take(places, axis=1)
        if near is recent:
            places = np.arange(recent.shape[1])
        doubtful = self._recount(near, places)
        return places[doubtful], median(near if len(doubtful) == near.shape[1] else near.take(doubtful, axis=1))

    def _count(self, recent: Reals) -> None:
        newest, (_, _, upper, lower, above, below, left, oldest) = recent[-1], self._of
        above += newest > upper
        above -= oldest > upper
        below += newest < lower
        below -= oldest < lower
        left -= np.uint8(1)
        oldest[:] = recent[0]

    def _recount(self, near: Reals, places: Places) -> Places:
        """Count anew at newly drawn ends; return which of them have more than half of the values beyond one."""
        of = self._of
        low, high = of.low[places], of.high[places]
        room = np.maximum(high - low, np.float32(0.0)) * ROOM
        upper, lower = high - room, low + room
        above, below = many(near > upper), many(near < lower)
        of.upper[places], of.lower[places], of.above[places], of.below[places] = upper, lower, above, below
        of.left[places] = AHEAD
        (doubtful,) = np.nonzero(np.maximum(above, below) > self._half)
        return doubtful
