"""Gaussian: a value lies further from the mean of all before it than noise would in so many values.

The mean and the spread of a series are learned value by value, and never forgotten: after a shift of level they adapt
the more slowly the longer the series is known. It says what ``river.anomaly.GaussianScorer`` says, at the same values,
for all series in one step; its score is 2 x |CDF - 1/2|, ours the distance in standard deviations that it follows from.
Source: Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4 (1962).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places
from agent.eyes.contract import Reading, Tick

FAR, GRACE = 4.0, 100  # standard deviations: one value of noise in 16,000; values before the first is judged
SIZE = 20_480  # series worked on together

Row = NDArray[np.float64]


class Gaussian(Columns):
    """A statistic of 1 and more is a value too far away; it is learned from all the same.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Gaussian, [5.0, 6.0] * 100 + [7.0, 8.0], 1.0)
    201
    """

    words: ClassVar[tuple[str, ...]] = ("is far from its mean",)

    def __init__(self, series: int) -> None:
        # values seen; mean; sum of squared departures from it; the mean before the newest value
        self.of = {"sums": np.zeros((4, series))}
        self._work = np.empty((2, SIZE))

    def update(self, tick: Tick) -> Reading:
        """Return how far the value is from the mean of those before, in what is allowed, where too far; 0 elsewhere."""
        series, sums = len(tick.value), self.of["sums"]
        score, parts = np.zeros(series, np.float32), -(-series // SIZE)
        for part in range(parts):
            here = slice(series * part // parts, series * (part + 1) // parts)
            known, mean, spread, before = sums[:, here]
            off, work = self._work[:, : here.stop - here.start]
            np.copyto(before, mean)
            np.copyto(off, tick.value[here])
            off -= mean
            far = _far(known, spread, off, work)
            score[here.start + far] = _score(known[far], spread[far], off[far])
            known += 1.0
            np.divide(off, known, out=work)
            mean += work
            np.subtract(off, work, out=work)
            work *= off
            spread += work
        return Reading(score, np.zeros(series, np.int8))

    def expected(self, places: Places) -> Row:
        """Return the mean before the newest value."""
        found: Row = self.of["sums"][3, places]
        return found

    def since(self, places: Places, _: Tick) -> Row:
        """Return that it is the newest value that is too far away."""
        return np.ones(len(places))


def _far(known: Row, spread: Row, off: Row, work: Row) -> Places:
    """Return where a value is too far from the mean: its square times (known - 1) passes FAR^2 times the spread."""
    if not known.max() >= GRACE:
        return np.empty(0, np.intp)
    np.subtract(known, 1.0, out=work)
    work *= off
    work *= off
    work -= FAR**2 * spread
    found: Places = np.nonzero((work > 0.0) & (known >= GRACE))[0]
    return found


def _score(known: Row, spread: Row, off: Row) -> Row:
    """Return distances in what is allowed; finite where no value ever differed."""
    return np.clip(np.abs(off) / FAR / np.maximum(np.sqrt(spread / (known - 1)), 1e-30), 1.0, 1e30)
