"""Restlessness: how much a series moves from value to value, whatever its level."""

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places, Reals
from agent.eyes.contract import Reading, Tick
from agent.eyes.loops import loops_for
from agent.eyes.records import HALF_FADED, empty_range, fade, strangeness

STEPS = 48
AHEAD = 64  # values after which the running sum is made anew
NEAR = 1e-5  # of the sum, by which the mean may differ that is worked out in 32 bits; and by what rounding adds
ROUNDING = 1e-12  # of the greatest sum since then
ROOM = np.float32(3) * HALF_FADED  # by which the range may shrink with a value, and then some
WEIGHT = np.float32(1.5)  # chosen on half of NAB


class Sums(NamedTuple):
    """What is remembered of the steps, each (series,): the range of their means, their sum, its greatest."""

    low: Reals
    high: Reals
    total: NDArray[np.float64]
    most: NDArray[np.float64]
    left: NDArray[np.uint8]


class Restless(Columns):
    """Records of the mean absolute step over the last 48 values, in both directions.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Restless, [5.0, 6.0] * 100 + [5.0, 9.0] * 20, 0.5)
    201
    """

    words: ClassVar[tuple[str, ...]] = ("moves more, or less, than it ever did",)

    def __init__(self, series: int) -> None:
        self.of = empty_range(series) | {
            "_sum": np.zeros(series),
            "_most": np.zeros(series),
            "_left": np.ones(series, np.uint8),
        }

    def update(self, tick: Tick) -> Reading:
        """Return the records of the mean step: worked out where the running sum says that it may be one."""
        low, high = self.of["low"], self.of["high"]
        count = np.clip(tick.age, 1, STEPS)
        places = self._doubtful(tick.recent, count)
        ends = low[places], high[places]
        fade(low, high)
        score = np.zeros(len(count), np.float32)
        if len(places):
            many: Reals = count[places].astype(np.float32)
            mean = self._moved(tick.recent, places) / many
            score[places] = WEIGHT * strangeness(*ends, mean, tick.age[places])
            low[places], high[places] = ends
        return Reading(score, np.zeros(len(score), np.int8))

    def _doubtful(self, recent: Reals, count: NDArray[np.int32]) -> Places:
        """Add the newest step to the sum, take the oldest off; return where the mean may leave its range."""
        of = Sums(*(self.of[name] for name in ("low", "high", "_sum", "_most", "_left")))
        loops = loops_for(len(count))
        if loops is not None:
            found: Places = loops.steps(recent, of, count)
            return found
        low, high, total, most, left = of
        total += np.abs(recent[-1] - recent[-2])
        total -= np.abs(recent[-STEPS - 1] - recent[-STEPS - 2])
        np.maximum(most, total, out=most)
        left -= np.uint8(1)
        slack = NEAR * total + ROUNDING * most
        shrink = np.maximum(high - low, np.float32(0.0)) * ROOM
        over = total + slack > (high - shrink) * count
        (places,) = np.nonzero(over | (total - slack < (low + shrink) * count) | (left == 0))
        return places

    def _moved(self, recent: Reals, places: Places) -> Reals:
        """Return the sums of steps, row after row however many series there are, and begin the running ones anew."""
        near = recent[-STEPS - 1 :].take(places if len(places) > 1 else np.repeat(places, 2), axis=1)
        moved = near[1:] - near[:-1]
        found: Reals = np.abs(moved, out=moved).sum(axis=0)[: len(places)]
        exact = moved.sum(axis=0, dtype=np.float64)[: len(places)]
        self.of["_sum"][places] = self.of["_most"][places] = exact
        self.of["_left"][places] = AHEAD
        return found
