"""Exact Kolmogorov-Smirnov and Wasserstein distances without sorting what need not be sorted.

Values are binned once on a fine grid with their counts and sums. In most bins the difference of the two distribution
functions cannot change sign, so that its area follows from counts and sums alone, and cannot hold the greatest
difference. The few other bins are sorted and walked. Where most bins are of that kind (crowded data), everything is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.grid import CHUNK, Floats, Grid, fit_grid

FINE = 1 << 16
SAMPLE = 4096
MUCH = 0.3  # of the rows in bins that must be walked: beyond it, sorting all is quicker


@dataclass(frozen=True, slots=True)
class Gaps:
    """Exact distances of two finite samples: ``ks`` in [0, 1], ``wasserstein`` in the feature's unit."""

    ks: float
    wasserstein: float


@dataclass(frozen=True, slots=True)
class _Side:
    """One sample on the fine grid: shares and mean offsets per bin, and each value's bin."""

    values: Floats
    codes: NDArray[np.uint16]
    share: Floats
    total: Floats
    whole: bool


def gaps(reference: Floats, current: Floats) -> Gaps:
    """Return the distances of two samples without nulls and infinities; NaN where either is empty.

    >>> gaps(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    Gaps(ks=1.0, wasserstein=2.0)
    """
    if not len(reference) or not len(current):
        return Gaps(np.nan, np.nan)
    if min(len(reference), len(current)) < FINE // 4:
        return walked(np.sort(reference), np.sort(current))
    strides = [max(len(side) // SAMPLE, 1) for side in (reference, current)]
    grid = fit_grid(np.concatenate([reference[:: strides[0]], current[:: strides[1]]]), FINE)
    one, two = _side(reference, grid), _side(current, grid)
    if one.whole and two.whole:
        level = np.abs(np.cumsum(two.share - one.share))
        return Gaps(float(level.max()), float(level.sum()))
    return _by_bins(one, two, grid)


def _side(values: Floats, grid: Grid) -> _Side:
    """Bin one sample; on a grid of whole numbers, stop summing as long as all values are whole."""
    codes = np.empty(len(values), np.uint16)
    counts, total = np.zeros(grid.bins, np.int64), np.zeros(grid.bins)
    room = np.empty(min(CHUNK, len(values)), np.int64)
    whole = grid.width == 1.0 and grid.scale == "linear" and _fits(values, grid)
    for start in range(0, len(values), CHUNK):
        piece = values[start : start + CHUNK]
        here = grid.codes(piece, room)
        codes[start : start + CHUNK] = here
        counts += np.bincount(here, minlength=grid.bins)
        if not whole:
            total += np.bincount(here, weights=piece, minlength=grid.bins)
    return _Side(values, codes, counts / len(values), total / len(values), whole)


def _fits(values: Floats, grid: Grid) -> bool:
    """Whether every value is a whole number inside the grid, so that a bin holds one value alone."""
    pieces = (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
    inside = grid.low < float(values.min()) and float(values.max()) < grid.low + grid.bins
    return inside and all(bool((piece == np.rint(piece)).all()) for piece in pieces)


def _by_bins(one: _Side, two: _Side, grid: Grid) -> Gaps:
    after = np.cumsum(two.share - one.share)
    before = np.concatenate([[0.0], after[:-1]])
    low, high = before - one.share, before + two.share
    ks = float(np.abs(after).max())
    unsure = (low < 0) & (high > 0) | (np.maximum(-low, high) > ks)
    unsure &= one.share + two.share > 0
    unsure[[0, -1]] = True  # the outer bins have no second edge
    if float((one.share + two.share)[unsure].sum()) / 2 > MUCH:
        return walked(np.sort(one.values), np.sort(two.values))
    edges = grid.edges()
    right, left = np.append(edges, np.nan), np.append(np.nan, edges)
    # The area under the difference inside a bin: what stood at its left edge, and each value's way to the right edge.
    inside = before * (right - left) + right * (two.share - one.share) - (two.total - one.total)
    area = float(np.abs(inside[~unsure]).sum())
    first, second = (np.sort(side.values[unsure[side.codes]]) for side in (one, two))
    starts, stops = np.flatnonzero(unsure)[1:], np.flatnonzero(unsure)[:-1]
    rest = _walk(
        [first, second, left[starts], right[stops]],
        [-1 / len(one.values), 1 / len(two.values), before[starts], -after[stops]],
    )
    return Gaps(max(ks, rest.ks), area + rest.wasserstein)


def _walk(values: list[Floats], steps: list[float | Floats]) -> Gaps:
    """Walk points in order, each a step of the difference; a closed stretch is skipped by stepping to nought."""
    points = np.concatenate(values)
    heights = np.concatenate([np.broadcast_to(step, len(part)) for part, step in zip(values, steps, strict=True)])
    order = np.argsort(points, kind="stable")
    return _gaps(points[order], np.cumsum(heights[order]))


def walked(reference: Floats, current: Floats) -> Gaps:
    """Return the distances of two sorted samples by merging them."""
    places = np.searchsorted(reference, current, side="right") + np.arange(len(current))
    steps = np.full(len(reference) + len(current), -1.0 / len(reference))
    steps[places] = 1.0 / len(current)
    values = np.empty(len(steps))
    ours = np.ones(len(steps), bool)
    ours[places] = False
    values[places], values[ours] = current, reference
    return _gaps(values, np.cumsum(steps))


def _gaps(points: Floats, level: Floats) -> Gaps:
    """Return both distances of a step function: its height after each tie, and its area."""
    level = np.abs(level)
    widths = np.diff(points)
    ends = np.append(widths > 0, True)
    return Gaps(float(level[ends].max(initial=0.0)), float(level[:-1] @ widths))
