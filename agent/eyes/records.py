"""Records: by how much a value leaves everything that its series has been so far, as a share of that range."""

import numpy as np

from agent.eyes.columns import Reals, State

FADE = np.float32(0.9999)  # of the range, per value: half of it is forgotten in 7,000 values
CAP = np.float32(20.0)  # ranges; more is not stranger
STEEP = np.float32(10.0)  # a record by a tenth of the range scores log 2
YOUNG = 30  # values before which nothing is a record


def empty_range(series: int) -> State:
    """Return the state: the lowest and highest value so far."""
    return {"low": np.full(series, np.inf, np.float32), "high": np.full(series, -np.inf, np.float32)}


def strangeness(low: Reals, high: Reals, value: Reals, settled: "np.typing.NDArray[np.bool_]") -> Reals:
    """Return log(1 + 10 x margin / range) for new records, 0 for others; widen and fade the range, in place.

    >>> low, high = np.array([0.0], np.float32), np.array([10.0], np.float32)
    >>> [round(float(strangeness(low, high, np.array([x], np.float32), np.array([True]))[0]), 2) for x in (5, 15, 15)]
    [0.0, 1.79, 0.0]
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        width = high - low
        beyond = np.maximum(value - high, low - value)
        margin = np.where(beyond > 0, np.minimum(beyond / width, CAP), np.float32(0.0))
        np.multiply(margin, settled, out=margin)
        score: Reals = np.log1p(STEEP * np.nan_to_num(margin, nan=0.0, posinf=float(CAP)))
        shrink = (width * (1 - FADE) / 2).astype(np.float32)
        shrink[~np.isfinite(shrink)] = 0.0
    np.minimum(low + shrink, value, out=low)
    np.maximum(high - shrink, value, out=high)
    return score
