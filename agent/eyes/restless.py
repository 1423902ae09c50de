"""Restlessness: how much a series moves from value to value, whatever its level."""

from typing import ClassVar

import numpy as np

from agent.eyes.columns import Columns
from agent.eyes.contract import Reading, Tick
from agent.eyes.records import empty_range, strangeness

STEPS = 48
WEIGHT = np.float32(1.5)  # chosen on half of NAB


class Restless(Columns):
    """Records of the mean absolute step over the last 48 values, in both directions.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Restless, [5.0, 6.0] * 100 + [5.0, 9.0] * 20, 0.5)
    201
    """

    words: ClassVar[tuple[str, ...]] = ("moves more, or less, than it ever did",)

    def __init__(self, series: int) -> None:
        self.of = empty_range(series)

    def update(self, tick: Tick) -> Reading:
        """Return the records of the mean step."""
        recent = tick.recent[-STEPS - 1 :]
        moved = recent[1:] - recent[:-1]
        steps = np.abs(moved, out=moved).sum(axis=0) / np.clip(tick.age, 1, STEPS).astype(np.float32)
        score = WEIGHT * strangeness(self.of["low"], self.of["high"], steps, tick.age)
        return Reading(score, np.zeros(len(score), np.int8))
