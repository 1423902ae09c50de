"""Climbs: columns that count up, told from their past alone, and the rates at which they do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.eyes.intake import BLANK

Reals = NDArray[np.float64]
LEAST = 20  # rises without a fall that a counter has shown, for each time it began again: chance does not do that
NEAR = 0.1  # of the highest count before: what falls to no more began again
DIGITS = 6  # of a rate: what a difference of large counts is good for


@dataclass(frozen=True, slots=True)
class Climb:
    """One column: at which rows it is known to be a counter, (rows,); rates per second, NaN where nothing is known."""

    known: NDArray[np.bool_]
    rates: Reals
    counter: bool = False  # at the last row that tells anything


def climb(at: Reals, values: Reals) -> Climb:
    """Return what was known of a column at each of its rows, which are in order of time.

    A count that falls to near nought has begun again: of how much it grew meanwhile nothing is known. One that falls
    to anything else is none, from then on.

    >>> counts = np.append(np.arange(1.0, 31.0), [2.0, 4.0, 3.0])
    >>> found = climb(60.0 * np.arange(33), counts)
    >>> found.known.nonzero()[0].tolist() == list(range(20, 32)), found.rates[[20, 30, 31]].round(3).tolist()
    (True, [0.017, nan, 0.033])
    """
    known, rates = np.zeros(len(at), bool), np.full(len(at), np.nan)
    places = np.flatnonzero(np.abs(values) < BLANK)
    places = places[np.append(True, np.diff(at[places]) > 0)[: len(places)]]  # of an instant the first value counts
    counts = values[places]
    if len(places) < 2 or counts[0] < 0:
        return Climb(known, rates)
    steps, here = np.diff(counts), places[1:]
    most = np.maximum.accumulate(counts)[:-1]  # of what restarts again and again, the last count is small itself
    anew = (steps < 0) & (counts[1:] >= 0) & (counts[1:] <= NEAR * most)
    none = np.logical_or.accumulate((steps < 0) & ~anew)
    known[here] = ~none & (np.cumsum(steps > 0) >= LEAST * np.maximum(np.cumsum(anew), 1))
    rates[here] = np.where(steps < 0, np.nan, _rounded(steps / np.diff(at[places])))
    return Climb(known, rates, bool(known[here[-1]]))


def _rounded(rates: Reals) -> Reals:
    """Return rates without the rounding errors of the counts, which would grow with them."""
    size = np.floor(np.log10(np.abs(rates), out=np.zeros_like(rates), where=rates != 0))
    scale = 10.0 ** (DIGITS - 1 - size)
    return np.round(rates * scale) / scale
