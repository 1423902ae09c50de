"""Distances between two sketches, for all features at once, each with a bound on what binning can hide.

Arrays are (F, B) counts. Notation: p, q are the shares per bin; d is the difference of the cumulative shares.
"""

from dataclasses import dataclass

import numpy as np

from agent.drift.sketch import Sketch, corners
from tools.grid import Counts, Floats

FEW = 0.5  # added to every quantile bin before a ratio is taken, so that an empty bin costs something finite


@dataclass(frozen=True, slots=True)
class Distances:
    """Per feature, float64 (F,). ``*_high`` bound the exact value from above; the lower bounds are the values.

    ``wasserstein`` is in the feature's own unit; ``psi`` and ``jensen_shannon`` (base 2, square root) are over
    quantile bins of the reference; ``missing`` are the shares of nulls, reference minus current reversed.
    """

    ks: Floats
    ks_high: Floats
    wasserstein: Floats
    wasserstein_error: Floats
    psi: Floats
    jensen_shannon: Floats


def shares(counts: Counts) -> Floats:
    """Return counts as shares of their row; a row of nothing stays nothing."""
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), np.float64)


def distances(reference: Sketch, current: Sketch, quantiles: int = 10) -> Distances:
    """Return every distance of two sketches on the same grids."""
    p, q = shares(reference.counts), shares(current.counts)
    after = np.cumsum(q - p, axis=1)
    before = np.concatenate([np.zeros((len(after), 1)), after[:, :-1]], axis=1)
    highest = np.maximum(np.abs(before + q), np.abs(before - p)).max(axis=1)
    size, error = _area(before, after, p, q, np.diff(corners(reference, current), axis=1))
    one, two = folded(reference.counts, current.counts, quantiles)
    ks = np.abs(after).max(axis=1)
    return Distances(ks, np.maximum(highest, ks), size, error, psi(one, two), jensen_shannon(one, two))


def _area(before: Floats, after: Floats, p: Floats, q: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Return the area between two distribution functions, and how far off it can be.

    Inside a bin both functions run from known corner to known corner, upwards only; whatever their path, the
    difference stays within [before - p, before + q]. In between, straight lines are assumed.
    """
    most = np.maximum(np.abs(before + q), np.abs(before - p))
    least = np.maximum(np.maximum(before - p, -(before + q)), 0.0)
    left, right = np.abs(before), np.abs(after)
    crossed = (left**2 + right**2) / np.maximum(2 * (left + right), 1e-300)
    middle = np.clip(np.where(before * after < 0, crossed, (left + right) / 2), least, most)
    slack = np.maximum(most - middle, middle - least)
    return (middle * widths).sum(axis=1), (slack * widths).sum(axis=1)


def folded(reference: Counts, current: Counts, quantiles: int) -> tuple[Counts, Counts]:
    """Fold bins into about equally filled ones of the reference, at most ``quantiles``, all features at once.

    The cuts are bin edges, so the folded counts are exact; shape (F, quantiles).
    """
    total = np.maximum(reference.sum(axis=1, keepdims=True), 1)
    middle = np.cumsum(reference, axis=1) - reference / 2
    group = np.minimum((middle / total * quantiles).astype(np.int64), quantiles - 1)
    flat = group + quantiles * np.arange(len(reference))[:, None]
    size, shape = quantiles * len(reference), (len(reference), quantiles)
    return (
        np.bincount(flat.ravel(), weights=reference.ravel(), minlength=size).reshape(shape).astype(np.int64),
        np.bincount(flat.ravel(), weights=current.ravel(), minlength=size).reshape(shape).astype(np.int64),
    )


def psi(reference: Counts, current: Counts) -> Floats:
    """Return the population stability index of folded counts; empty bins of both sides are left out.

    >>> round(float(psi(np.array([[50, 50]]), np.array([[90, 10]]))[0]), 2)
    0.85
    """
    used = (reference + current) > 0
    kinds = used.sum(axis=1, keepdims=True)
    p = np.where(used, reference + FEW, 0) / (reference.sum(axis=1, keepdims=True) + FEW * kinds).clip(1e-9)
    q = np.where(used, current + FEW, 0) / (current.sum(axis=1, keepdims=True) + FEW * kinds).clip(1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(used, (q - p) * np.log(q / p), 0.0)
    return np.asarray(terms.sum(axis=1), np.float64)


def jensen_shannon(reference: Counts, current: Counts) -> Floats:
    """Return the Jensen-Shannon distance (0: alike, 1: nothing in common) of folded counts."""
    p, q = shares(reference), shares(current)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / middle), 0.0)
        right = np.where(q > 0, q * np.log2(q / middle), 0.0)
    return np.asarray(np.sqrt(((left + right).sum(axis=1) / 2).clip(0.0, 1.0)), np.float64)
