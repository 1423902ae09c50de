"""Page-Hinkley: the mean of a series moves away from what it was since the last change, and stays there.

Two sums of departures from the running mean, one for each direction; a change is where one has come further from its
extreme than the threshold. The threshold is in units of the series. It says what ``river.drift.PageHinkley`` says, at
the same values, for all series in one step. Source: Page, Continuous inspection schemes, Biometrika 41 (1954).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places
from agent.eyes.contract import Reading, Tick
from agent.eyes.loops import loops_for

THRESHOLD, DRIFT, KEPT, YOUNG = 50.0, 0.005, 1 - 0.0001, 30  # values; the defaults of most libraries
SIZE = 20_480  # series worked on together: few enough for the processor's cache
DRIFTS = np.array([[-DRIFT], [DRIFT]])
BEGIN = np.array([[0.0], [0.0], [0.0], [0.0], [np.inf], [-1.0]])  # values, mean, sums up and down, their extremes

Row = NDArray[np.float64]


class PageHinkley(Columns):
    """A statistic of 1 and more is a change; all that was known of the series is then forgotten.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(PageHinkley, [5.0, 6.0] * 100 + [15.0, 16.0] * 10, 1.0)
    205
    """

    words: ClassVar[tuple[str, ...]] = ("has moved away from its mean",)

    def __init__(self, series: int) -> None:
        begun = np.repeat(BEGIN, series, axis=1)
        self.of = {"sums": begun, "changed": np.zeros(series, np.bool_)}
        self._work = np.empty((2, SIZE))

    def update(self, tick: Tick) -> Reading:
        """Return how far the sums have come, in thresholds, where that is a change; 0 elsewhere."""
        sums, changed = self.of["sums"], self.of["changed"]
        score = np.zeros(len(changed), np.float32)
        if (swift := loops_for(len(changed), "agent.eyes.page_hinkley_loops")) is not None:
            self._begin(slice(None))
            swift.advance(sums, tick.value, changed, score)
            return Reading(score, np.zeros(len(changed), np.int8))
        parts = -(-len(changed) // SIZE)
        for part in range(parts):
            here = slice(len(changed) * part // parts, len(changed) * (part + 1) // parts)
            self._begin(here)
            far, off = self._work[:, : here.stop - here.start]
            np.copyto(off, tick.value[here])
            if _advance(sums[:, here], off, far):
                np.greater(far, THRESHOLD, out=changed[here])
                changed[here] &= sums[0, here] >= YOUNG
                (places,) = np.nonzero(changed[here])
                score[here.start + places] = np.maximum(far[places] / THRESHOLD, 1.0)
        return Reading(score, np.zeros(len(changed), np.int8))

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return the mean at the last change, before anything else is learned."""
        found: NDArray[np.float64] = self.of["sums"][1, places]
        return found

    def since(self, places: Places, tick: Tick) -> NDArray[np.float64]:
        """Return how many values ago the change began that was just told: by how fast the sum grows now."""
        known, mean, up, down, least, most = self.of["sums"][:, places]
        far = np.maximum(up - least, most - down)
        ago: NDArray[np.float64] = np.clip(far / np.maximum(np.abs(tick.value[places] - mean), 1e-300), 1.0, known)
        return ago

    def _begin(self, here: slice) -> None:
        """Forget the series that changed at the last value."""
        changed = self.of["changed"][here]
        if changed.any():
            (places,) = np.nonzero(changed)
            self.of["sums"][:, here][:, places] = BEGIN
            changed[places] = False


def _advance(sums: Row, off: Row, far: Row) -> bool:
    """Take a value from ``off``; True where the sums have come too far. Then ``far`` says how far."""
    known, mean, least, most = sums[0], sums[1], sums[4], sums[5]
    both = sums[2:4]
    known += 1.0
    off -= mean
    np.divide(off, known, out=far)
    mean += far
    off -= far
    both *= KEPT
    both += off
    both += DRIFTS
    np.minimum(least, both[0], out=least)
    np.maximum(most, both[1], out=most)
    np.subtract(both[0], least, out=far)
    np.subtract(most, both[1], out=off)
    if max(far.max(), off.max()) <= THRESHOLD:
        return False
    np.maximum(far, off, out=far)
    return True
