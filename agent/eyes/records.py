"""Records: by how much a value leaves everything that its series has been so far, as a share of that range."""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Reals, State

Ages = NDArray[np.int32]

FADE = np.float32(0.9999)  # of the range, per value: half of it is forgotten in 7,000 values
HALF_FADED = np.float32(0.5) * (1 - FADE)  # at either end
CAP = np.float32(20.0)  # ranges; more is not stranger
STEEP = np.float32(10.0)  # a record by a tenth of the range scores log 2
FLAT, FLAT_FROM = 0.24, 5.0  # first changes after so many (log) equal values, in proportion to their rarity
YOUNG = 30  # values before which nothing is a record
RANKS = range(9)
FEW = 64  # series, for which the network costs more than it saves
NETWORK = (  # of comparisons, after which the fifth of nine is their median (Devillard 1998)
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def empty_range(series: int) -> State:
    """Return the state: the lowest and highest value so far."""
    return {"low": np.full(series, np.inf, np.float32), "high": np.full(series, -np.inf, np.float32)}


def strangeness(low: Reals, high: Reals, value: Reals, age: Ages, floor: Reals | None = None) -> Reals:
    """Return log(1 + 10 x margin / range) for new records, 0 for others; widen and fade the range, in place.

    The range counts as no less than ``floor``. Where there is none, because nothing ever changed, a first change is as
    strange as the time without one was long: that of a rare event is no record, however high.

    >>> low, high, age = np.array([0.0], np.float32), np.array([10.0], np.float32), np.array([99])
    >>> [round(float(strangeness(low, high, np.array([x], np.float32), age)[0]), 2) for x in (5, 15, 15)]
    [0.0, 1.79, 0.0]
    >>> low, high, age = np.array([0.0], np.float32), np.array([0.0], np.float32), np.array([2880])
    >>> round(float(strangeness(low, high, np.array([1.0], np.float32), age)[0]), 2)
    0.71
    """
    score = np.zeros(len(value), np.float32)
    (beyond,) = np.nonzero((value > high) | (value < low))
    if len(beyond):
        records = beyond[(age[beyond] >= YOUNG) & (high[beyond] >= low[beyond])]
        least = None if floor is None else floor[records]
        score[records] = _margin(low[records], high[records], value[records], age[records], least)
    fade(low, high)
    np.minimum(low, value, out=low)
    np.maximum(high, value, out=high)
    return score


def _margin(low: Reals, high: Reals, value: Reals, age: Ages, floor: Reals | None) -> Reals:
    beyond, width = np.maximum(value - high, low - value), high - low
    if floor is not None:
        width = np.maximum(width, floor)
    shares = np.divide(beyond, width, out=np.full_like(beyond, CAP), where=width > beyond / CAP)
    found: Reals = np.log1p(STEEP * shares)
    (flat,) = np.nonzero(width <= 0)
    if len(flat):
        found[flat] = first_change(age[flat])
    return found


def median(recent: Reals) -> Reals:
    """Return the median over the first axis, of odd length; of nine by a network of comparisons."""
    width = len(recent)
    if width == 1:
        return np.array(recent[0])
    if width != len(RANKS) or recent.shape[1] < FEW:  # numbers that lie beside each other are sorted faster
        return np.array(np.partition(np.ascontiguousarray(recent.T), width // 2, axis=1)[:, width // 2])
    rows = list(recent.copy())
    for first, second in NETWORK:
        least = np.minimum(rows[first], rows[second])
        np.maximum(rows[first], rows[second], out=rows[second])
        rows[first] = least
    return np.array(rows[4])


def first_change(age: Ages) -> Reals:
    """Return how strange the first change of a series is after ``age`` equal values."""
    found: Reals = np.clip(FLAT * (np.log(np.maximum(age, 1)) - FLAT_FROM), 0.0, None).astype(np.float32)
    return found


def fade(low: Reals, high: Reals) -> None:
    """Forget a little of the range at either end, in place; nothing where there is no range yet."""
    shrink = high - low
    np.maximum(shrink, np.float32(0.0), out=shrink)
    shrink *= HALF_FADED
    low += shrink
    high -= shrink


def many(found: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return how many of the first axis hold, for less than 256 of them."""
    counts: NDArray[np.uint8] = found.view(np.uint8).sum(axis=0, dtype=np.uint8)
    return counts
