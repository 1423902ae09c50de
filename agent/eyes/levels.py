"""Levels: a series leaves the range in which it has been, for a moment or for a while.

The value and its medians over 9, 49 and 97 values each keep their own range: a spike is a record of the value alone, a
shift of level one of the medians too.
"""

from typing import ClassVar

import numpy as np

from agent.eyes.columns import Columns, Reals
from agent.eyes.contract import Reading, Tick
from agent.eyes.medians import Medians, empty_median
from agent.eyes.records import empty_range, strangeness

SCALES = ((1, 1.0), (9, 1.0), (49, 1.5), (97, 0.5))  # values of the median, weight; chosen on half of NAB

LEAST = np.float32(0.1)  # of the range of the values, which the range of a median counts as at least


class Levels(Columns):
    """Records of the value and of its running medians.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Levels, [5.0, 6.0] * 100 + [20.0] + [5.0, 6.0] * 10, 2.0)
    200
    """

    words: ClassVar[tuple[str, ...]] = ("is beyond all it has been", "has settled at a level it never had")

    def __init__(self, series: int) -> None:
        self.of = {f"{end}1": array for end, array in empty_range(series).items()}
        for width, _ in SCALES[1:]:
            self.of |= empty_median(series, width)

    def update(self, tick: Tick) -> Reading:
        """Return the sum of the records of all scales."""
        value = self.of["low1"], self.of["high1"]
        medians = [
            np.float32(weight) * Medians(self.of, width).update(tick.recent[-width:], tick.age, value, LEAST)
            for width, weight in SCALES[1:]
        ]
        now = np.float32(SCALES[0][1]) * strangeness(*value, tick.value, tick.age) + medians[0]
        total: Reals = now + medians[1] + medians[2]
        return Reading(total, (now < total - now).astype(np.int8))
