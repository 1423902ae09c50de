"""The load to reckon with: how many replicas are kept busy, usually and at worst, for a while to come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PEAK = 3.9  # standard deviations above the trend; chosen in decision 30
USUAL = 0.5  # and of the other looks of the window in which the worst one falls
SURE = 2.0  # standard errors that a rise is above nothing


@dataclass(frozen=True, slots=True)
class Load:
    """Replicas kept busy."""

    now: float  # mean of what was looked at
    grown: float  # as its rise goes on
    usual: float
    peak: float

    def times(self, growth: float) -> "Load":
        """Return the load that is foretold to be so many times that of now, or what its own rise makes of it."""
        if growth <= 1:
            return self
        grown = max(self.grown, self.now * growth)
        return Load(
            self.now, grown, grown + growth * (self.usual - self.grown), grown + growth * (self.peak - self.grown)
        )


def load_ahead(busy: NDArray[np.float64], at: NDArray[np.float64], ahead: float) -> Load:
    """Return the load until ``ahead`` seconds from the last look. ``busy``: of each look, ``at``: its time, seconds.

    A rise goes on as far as it is sure; few looks count for as much less as Student's distribution is wider.

    >>> load_ahead(np.full(10, 2.0), np.arange(10.0), 600)
    Load(now=2.0, grown=2.0, usual=2.0, peak=2.0)
    """
    count, mean = len(busy), float(busy.mean())
    middle = at - at.mean()
    spread = float(middle @ middle)
    slope = float(middle @ busy) / spread if spread else 0.0
    rest = busy - mean - slope * middle
    free = max(count - 2, 3)
    noise = float(np.sqrt(rest @ rest / free) * np.sqrt(free / (free - 2)))
    sure = slope - SURE * noise / np.sqrt(spread) if spread else 0.0
    grown = max(mean + float(slope * middle[-1]) + float(max(sure, 0.0)) * ahead, mean)
    return Load(mean, grown, grown + USUAL * noise, max(grown + PEAK * noise, float(busy.max())))
