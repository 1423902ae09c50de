"""Counters: cumulative counts as rates; a count that falls has begun again at nought."""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns


class Counters(Columns):
    """Turns counts into rates per second.

    >>> counters = Counters(2)
    >>> for at, counts in ((0.0, [10.0, 5.0]), (10.0, [30.0, np.nan]), (20.0, [4.0, 25.0])):
    ...     print(counters.update(at, np.array(counts)).tolist())
    [nan, nan]
    [2.0, nan]
    [0.4, 1.0]
    """

    def __init__(self, series: int) -> None:
        self.of = {"count": np.full(series, np.nan), "at": np.full(series, -np.inf)}

    def update(self, at: float, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate since the last count of each series; NaN at its first, and where there is no count."""
        count, since = self.of["count"], self.of["at"]
        there = np.isfinite(counts) & (counts >= 0) & (at > since)
        with np.errstate(invalid="ignore", over="ignore"):
            grown = np.where(counts >= count, counts - count, counts)
            rates = np.where(there & np.isfinite(count), grown / (at - since), np.nan)
        count[there], since[there] = counts[there], at
        return rates
