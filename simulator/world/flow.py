"""What one tick brings to, and takes from, the services."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.world.store import Floats

TTFT_SIGMA = 0.6  # of the logarithm of times to the first token, within a tick


@dataclass
class Load:
    """What comes in. Per service (S,) unless said otherwise."""

    seconds: float  # length of the tick
    arrivals: Floats
    prompt: Floats  # mean tokens per request
    output: Floats
    errors: Floats  # probability that an answer fails, from outside the replica
    delay: Floats  # seconds that dependencies add
    slow: Floats  # factor on service times
    clock: Floats  # per GPU: share of full speed
    jitter: Floats  # per row: standard normal
    noise: float  # sigma of latency noise
    tries: Floats  # calls that a client makes after one that failed, at most
    timeout: Floats  # seconds for the first token after which a client has gone


@dataclass
class Result:
    """What came of it, per service (S,)."""

    finished: Floats
    failed: Floats
    fast: Floats  # finished within the latency objective
    tokens: Floats
    delay: Floats  # mean seconds added for whoever depends on the service, above normal
    errors: Floats  # share of answers that failed

    def columns(self) -> tuple[Floats, ...]:
        """Return the arrays in order of declaration."""
        return (self.finished, self.failed, self.fast, self.tokens, self.delay, self.errors)

    @classmethod
    def empty(cls, count: int) -> "Result":
        """Return zeros."""
        return cls(*(np.zeros(count) for _ in range(6)))


def tally(groups: NDArray[np.intp], values: Floats, count: int) -> Floats:
    """Add values up by group, shape (count,)."""
    return np.bincount(groups, weights=values, minlength=count).astype(np.float64)


def normal_cdf(z: Floats) -> Floats:
    """Return the standard normal distribution function, within 2e-4.

    >>> float(normal_cdf(np.array([0.0]))[0])
    0.5
    """
    out: Floats = 0.5 * (1.0 + np.tanh(0.7978845608 * (z + 0.044715 * z**3)))
    return out


def lognormal_share(edges: Floats, mean: Floats, sigma: float) -> Floats:
    """Return P(x <= edge) of lognormals with the given means, shape (len(mean), len(edges) + 1), last column 1."""
    mu = np.log(np.maximum(mean, 1e-9)) - sigma * sigma / 2
    out = np.ones((len(mean), len(edges) + 1))
    out[:, :-1] = normal_cdf((np.log(edges)[None, :] - mu[:, None]) / sigma)
    return out


def in_time(mean: Floats, limit: Floats, sigma: float = TTFT_SIGMA) -> Floats:
    """Return the share of lognormal times with these means that is within the limit; 1 where there is none.

    >>> float(in_time(np.array([1.0]), np.array([np.inf]))[0])
    1.0
    """
    if not np.isfinite(limit).any():
        return np.ones_like(mean)
    mu = np.log(np.maximum(mean, 1e-9)) - sigma * sigma / 2
    return np.where(np.isfinite(limit), normal_cdf((np.log(np.maximum(limit, 1e-9)) - mu) / sigma), 1.0)
