"""How the times of a replica grow with its use, and what a histogram then shows.

- An **engine** that batches (language) is an M/G/c queue whose slots share one processor. By Little's law an answer
  takes ``running / arrivals`` now, and ``compute in use / cache in use`` times that at saturation, when every slot is
  taken. A step takes a time that grows linearly with the batch, so the reciprocal of an answer's time falls linearly
  with use between the two. Prompts delay each other by ``1 / (1 - use by prompts)``. The wait for a slot is
  Sakasegawa's approximation (1977).
- Any other **server** is an M/G/1 queue per replica (Pollaczek-Khinchine): the wait grows with ``use / (1 - use)``,
  by as much as its own readings show, and at most as if its requests varied by ``VARIATION``.
- A **quantile** is read off a histogram: linear inside a bucket, so that a time that passes an edge by little is shown
  as much longer. Times are taken as lognormal with ``SPREAD``, so the 95th percentile is ``SKEW`` times the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.5  # of the logarithm of a time
Z95 = 1.645
SKEW = exp(Z95 * SPREAD - SPREAD**2 / 2)  # 2.0
VARIATION = 0.7  # of the work of one request to a server: standard deviation over mean, where readings do not say less
WAIT = (1 + VARIATION**2) / 2  # by which a server's time grows with ``use / (1 - use)``
LEAST_WAIT = 0.05
MOST_LEARNED = 0.95  # use beyond which a reading teaches nothing more
LOOKS = 4  # that a reading looks back over
FEW = 12  # readings; fewer teach nothing
MOST_PROMPTS = 0.95  # of the use, that prompts make at most
LEAST = 0.05  # of a processor, that is left for a prompt at least


@dataclass(frozen=True, slots=True)
class Burst:
    """A moment of one replica: its use, and how many times as long as usual the requests are."""

    use: float
    longer: float = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """A replica that answers one request after the other."""

    use: float  # now
    wait: float = WAIT

    def then(self, signal: str, seconds: float, burst: Burst) -> float:
        """Return what a mean time becomes."""
        del signal
        return seconds * (1 + self._waiting(burst.use)) / (1 + self._waiting(self.use))

    def _waiting(self, use: float) -> float:
        return self.wait * use / (1 - use)


@dataclass(frozen=True, slots=True)
class Engine:
    """A replica that answers many requests at once. Times in seconds, as they are now."""

    use: float
    arrivals: float  # per second
    answer: float  # for which a request holds its slot
    token: float  # between two tokens of one answer
    slots: float
    most: float  # an answer's time at saturation over that of now

    def then(self, signal: str, seconds: float, burst: Burst) -> float:
        """Return what the 95th percentile of a time becomes."""
        wait = SKEW * self.wait(burst.use)
        if signal == "ttft_p95":
            return seconds * self._first(seconds / SKEW, burst) + wait
        return seconds * self.stretch(burst.use) * burst.longer + wait

    def stretch(self, use: float) -> float:
        """Return an answer's time over that of now."""
        return 1 / (1 - (1 - 1 / self.most) * max(0.0, use - self.use) / (1 - self.use))

    def wait(self, use: float) -> float:
        """Return the mean wait for a slot."""
        held = self.most * self.answer
        return held * float(use ** (sqrt(2 * (self.slots + 1)) - 1)) / (self.slots * (1 - use))

    def _first(self, mean: float, burst: Burst) -> float:
        """Return the time to the first token over that of now: the prompt's own work, delayed by other prompts'."""
        shown = max(mean - self.token, 0.0)
        alone = min(shown / (1 + self.arrivals * shown), MOST_PROMPTS * self.use / self.arrivals)
        then = self.arrivals * burst.use / self.use
        crowded = alone * burst.longer / max(1 - then * alone, LEAST) + self.token * self.stretch(burst.use)
        return crowded / (alone / (1 - self.arrivals * alone) + self.token)


def wait_shown(uses: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    """Return by how much a server's time grows with ``use / (1 - use)``, as its readings show; at most ``WAIT``.

    ``uses`` and ``seconds``: at every look, oldest first, NaN for NO DATA. The slope of a line through them, four of
    its errors up: two, and twice over since readings overlap. Few readings, or none at different uses, show nothing.
    """
    if len(uses) < LOOKS + FEW:
        return WAIT
    filled = np.clip(uses, 0.0, MOST_LEARNED)
    loads = np.convolve(filled / (1 - filled), np.full(LOOKS, 1 / LOOKS), "valid")
    known = np.isfinite(seconds[LOOKS - 1 :])
    return _wait(loads[known], seconds[LOOKS - 1 :][known]) if known.sum() >= FEW else WAIT


def _wait(loads: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    middle = loads - loads.mean()
    spread = float(middle @ middle)
    if spread < 1e-9:
        return WAIT
    slope = float(middle @ seconds) / spread
    rest = seconds - seconds.mean() - slope * middle
    most = slope + 4 * float(np.sqrt(rest @ rest / (len(rest) - 2) / spread))
    idle = float(seconds.mean() - most * loads.mean())  # the time of a server that nobody else asks
    return min(max(most / idle, LEAST_WAIT), WAIT) if idle > 0 else WAIT


def shown(times: Sequence[float], shares: Sequence[float], edges: Sequence[float]) -> float:
    """Return the 95th percentile that a histogram shows. ``shares`` of the answers have each percentile of ``times``.

    >>> round(shown([0.9], [1.0], [0.5, 1.0, 2.5]), 2), round(shown([1.1], [1.0], [0.5, 1.0, 2.5]), 2)
    (0.97, 1.48)
    """
    if not edges:
        return max(times)
    bounds = np.array(edges)
    below = np.sum([share * _cdf(bounds, time) for time, share in zip(times, shares, strict=True)], axis=0)
    place = int(np.searchsorted(below, 0.95))
    if place == len(bounds):
        return inf
    low, floor = (float(below[place - 1]), float(bounds[place - 1])) if place else (0.0, 0.0)
    inside = max(float(below[place]) - low, 1e-12)
    return floor + (float(bounds[place]) - floor) * (0.95 - low) / inside


def behind(reading: float, edges: Sequence[float]) -> float:
    """Return the percentile of which a histogram shows ``reading``: the inverse of ``shown``.

    >>> round(behind(1.48, [0.5, 1.0, 2.5]), 2)
    1.1
    """
    low, high = reading / 4, reading * 2
    for _ in range(40 if edges else 0):
        middle = sqrt(low * high)
        low, high = (middle, high) if shown([middle], [1.0], edges) < reading else (low, middle)
    return high if edges else reading


def _cdf(bounds: NDArray[np.float64], percentile: float) -> NDArray[np.float64]:
    """Return how many are within the bounds, of lognormal times with this 95th percentile."""
    z = np.log(bounds / max(percentile, 1e-9)) / SPREAD + Z95
    share: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.7978845608 * (z + 0.044715 * z**3)))
    return share
