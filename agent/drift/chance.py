"""What chance alone would do: p-values that hold at every sample size, and their correction for many tests.

Tests on ranks need no assumption about shape, and their variance under "nothing moved" is known exactly, ties included.
Arrays are counts on common bins, shape (F, B), unless said otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tools.grid import Counts, Floats


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank statistics per feature, (F,): ``above`` = P(current > reference), ties half; ``wider`` > 0 where current
    lies further out. ``p`` is the smaller p-value of both, doubled."""

    above: Floats
    above_error: Floats
    wider: Floats
    p: Floats


def ranks(reference: Counts, current: Counts) -> Ranks:
    """Compare place (Wilcoxon) and spread (Mood) of two samples by their pooled ranks."""
    pooled = (reference + current).astype(np.float64)
    total = np.maximum(pooled.sum(axis=1, keepdims=True), 1.0)
    rank = (np.cumsum(pooled, axis=1) - pooled / 2) / total
    place, place_error = _contrast(rank, reference, current, total[:, 0])
    wide, wide_error = _contrast((rank - 0.5) ** 2, reference, current, total[:, 0])
    p = np.minimum(two_sided(place, place_error), two_sided(wide, wide_error))
    return Ranks(0.5 + place, place_error, wide, np.minimum(2 * p, 1.0))


def _contrast(score: Floats, reference: Counts, current: Counts, total: Floats) -> tuple[Floats, Floats]:
    """Return current's mean score less reference's, and its standard error when both are draws of one urn."""
    n, m = np.maximum(reference.sum(axis=1), 1), np.maximum(current.sum(axis=1), 1)
    gap = (score * current).sum(axis=1) / m - (score * reference).sum(axis=1) / n
    pooled = reference + current
    mean = (score * pooled).sum(axis=1) / total
    variance = ((score - mean[:, None]) ** 2 * pooled).sum(axis=1) / np.maximum(total - 1, 1)
    return gap, np.sqrt(variance * (1 / n + 1 / m))


def two_sided(gap: Floats, error: Floats) -> Floats:
    """Return the normal two-sided p-value; 1 where nothing varies."""
    from scipy.special import ndtr

    return np.asarray(np.where(error > 0, 2 * ndtr(-np.abs(gap) / np.maximum(error, 1e-300)), 1.0), np.float64)


def kolmogorov_p(ks: Floats, n: Counts, m: Counts) -> Floats:
    """Return the asymptotic p-value of a two-sample Kolmogorov-Smirnov distance; too large where values tie."""
    from scipy.special import kolmogorov

    size = np.sqrt(n / (n + m).clip(1) * m)
    return np.asarray(kolmogorov(ks * (size + 0.12 + 0.11 / np.maximum(size, 1e-9))), np.float64)


def chi_square_p(reference: Counts, current: Counts, least: float = 5.0) -> tuple[Floats, Floats]:
    """Return Pearson's statistic and p-value; bins where fewer than ``least`` are expected are put together."""
    from scipy.special import chdtrc

    n, m = reference.sum(axis=1, keepdims=True), current.sum(axis=1, keepdims=True)
    pooled = reference + current
    thin = pooled * np.minimum(n, m) / np.maximum(n + m, 1) < least
    one = np.column_stack([np.where(thin, 0, reference), np.where(thin, reference, 0).sum(axis=1)])
    two = np.column_stack([np.where(thin, 0, current), np.where(thin, current, 0).sum(axis=1)])
    expected = (one + two) * m / np.maximum(n + m, 1)
    other = (one + two) * n / np.maximum(n + m, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(one + two > 0, (two - expected) ** 2 / expected + (one - other) ** 2 / other, 0.0)
    statistic = np.nan_to_num(terms.sum(axis=1))
    freedom = ((one + two) > 0).sum(axis=1) - 1
    return statistic, np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistic), 1.0)


def rate_p(before: ArrayLike, n: ArrayLike, after: ArrayLike, m: ArrayLike) -> NDArray[np.float64]:
    """Return the p-value that ``before`` of ``n`` and ``after`` of ``m`` are of one rate, given their sum.

    Binomial, which is never too small here; the rarer of the two outcomes is counted.

    >>> float(rate_p(0, 1000, 0, 1000))
    1.0
    >>> float(rate_p(0, 1000, 20, 1000)) < 1e-5
    True
    """
    from scipy.special import betainc

    n, m = np.asarray(n, np.float64), np.asarray(m, np.float64)
    one, two = np.asarray(before, np.float64), np.asarray(after, np.float64)
    common = one + two > (n + m) / 2
    one, two = np.where(common, n - one, one), np.where(common, m - two, two)
    share = m / np.maximum(n + m, 1)
    low = np.where(one > 0, betainc(np.maximum(one, 1), two + 1, 1 - share), 1.0)  # P(count <= two)
    high = np.where(two > 0, betainc(np.maximum(two, 1), one + 1, share), 1.0)  # P(count >= two)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(low, high)), np.float64)


def adjusted(p: Floats) -> Floats:
    """Return Benjamini-Hochberg q-values: report those <= a, and in expectation at most a share a of them is false.

    Where nothing moved at all, the chance that anything is reported is at most a.

    >>> adjusted(np.array([0.01, 0.5, 0.02])).round(3).tolist()
    [0.03, 0.5, 0.03]
    """
    if not len(p):
        return p
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found
