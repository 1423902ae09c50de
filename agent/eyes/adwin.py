"""ADWIN: the newest part of a window has another mean than the rest, wherever one cuts it.

The window of a series grows until a cut is found, and begins anew there. Cuts lie where an exponential histogram has
its borders: these follow from the number of values alone, and what is kept is the sum of all values before each border,
which never changes. Checked every 32 values, as ``river.drift.ADWIN`` is, with the same answers. Made for values
between 0 and 1, such as the errors of a model. Source: Bifet, Gavalda, Learning from time-changing data with adaptive
windowing (SIAM SDM 2007).
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.adwin_loops import ROWS, Windows, add, check
from agent.eyes.columns import Columns, Places
from agent.eyes.contract import Reading, Tick, nothing


class Adwin(Columns):
    """A statistic of 1 and more is a change; the window of the series then begins anew.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Adwin, [0.0, 1.0] * 500 + [4.0, 7.0] * 50, 1.0)
    1023
    """

    words: ClassVar[tuple[str, ...]] = ("has another mean than before",)

    def __init__(self, series: int) -> None:
        windows = Windows(
            age=np.zeros(series, np.int32),
            total=np.zeros(series),
            spread=np.zeros(series),
            centre=np.zeros(series),
            sums=np.zeros((ROWS, series)),
            before=np.zeros(series),
            since=np.zeros(series, np.int32),
        )
        self.of = windows._asdict()

    def update(self, tick: Tick) -> Reading:
        """Return the difference of means in parts of what it may be, where that is a change; 0 elsewhere."""
        windows = Windows(**self.of)
        if not add(tick.value, windows):
            return nothing(len(windows.age))
        score = np.zeros(len(windows.age), np.float32)
        check(windows, score)
        return Reading(score, np.zeros(len(score), np.int8))

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return the mean before the last change."""
        found: NDArray[np.float64] = self.of["before"][places]
        return found

    def since(self, places: Places, _: Tick) -> NDArray[np.float64]:
        """Return how many values ago the last change began."""
        found: NDArray[np.float64] = self.of["since"][places].astype(np.float64)
        return found
