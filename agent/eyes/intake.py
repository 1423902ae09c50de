"""Intake: which of the readings that came are new and usable, and how many were not, by reason."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

BLANK = 2.0**62  # exporters write the largest int64 where they have nothing


def usable(
    at: NDArray[np.float64], values: NDArray[np.float64], last_at: NDArray[np.float64], counts: Counter[str]
) -> NDArray[np.bool_]:
    """Return which readings may be looked at; count the others. NaN is NO DATA: neither good nor bad.

    >>> counts = Counter()
    >>> at, last = np.array([60.0, 60, 60, 60, 30]), np.array([30.0, 30, 30, 60, 60])
    >>> usable(at, np.array([1.0, np.nan, np.inf, 1.0, 1.0]), last, counts).tolist()
    [True, False, False, False, False]
    >>> sorted(counts.items())
    [('duplicate', 1), ('infinite', 1), ('no data', 1), ('out of order', 1)]
    """
    there = np.abs(values) < BLANK  # no NaN, no infinity
    fit: NDArray[np.bool_] = there & (at > last_at) & np.isfinite(at)
    (left_out,) = np.nonzero(~fit)
    if len(left_out):
        counts.update(_reasons(at[left_out], values[left_out], last_at[left_out], there[left_out]))
    return fit


def _reasons(
    at: NDArray[np.float64], values: NDArray[np.float64], last_at: NDArray[np.float64], there: NDArray[np.bool_]
) -> dict[str, int]:
    missing, infinite, timed = np.isnan(values), np.isinf(values), np.isfinite(at)
    found = {
        "no data": missing,
        "infinite": infinite,
        "blank": ~(there | missing | infinite),
        "no time": there & ~timed,
        "duplicate": there & timed & (at == last_at),
        "out of order": there & timed & (at < last_at),
    }
    return {reason: int(bad.sum()) for reason, bad in found.items() if bad.any()}
