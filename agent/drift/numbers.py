"""How numeric features moved: distances, effect with interval, p-value, words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.drift.chance import Ranks, chi_square_p, kolmogorov_p, ranks
from agent.drift.distance import Distances, distances, folded
from agent.drift.finding import Measures, Picture
from agent.drift.sketch import Sketch, corners
from tools.grid import Counts, Floats

QUARTERS = (0.25, 0.5, 0.75)
NORMAL_SPREAD = 1.349  # interquartile range of a standard normal
OUTSIDE = 0.01  # of the rows in the outer bins, beyond which a bin's middle says too little
SURE = 1.36  # Kolmogorov's 95 % point


@dataclass(frozen=True, slots=True)
class NumberMoves:
    """All numeric features of two sketches, arrays (F,)."""

    distances: Distances
    ranks: Ranks
    chi_square: Floats
    p: Floats
    error: Floats
    scaled: Floats
    quarters: tuple[Floats, Floats]  # (F, 3) each


def compare_numbers(reference: Sketch, current: Sketch) -> NumberMoves:
    """Compare two sketches on the same grids; exact distances may be put in afterwards by ``with_exact``."""
    apart = distances(reference, current)
    statistic, chi_p = chi_square_p(*folded(reference.counts, current.counts, 10))
    ranked = ranks(reference.counts, current.counts)
    n, m = reference.finite, current.finite
    error = SURE * np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    smallest = np.minimum(np.minimum(ranked.p, chi_p), kolmogorov_p(apart.ks, n, m))
    edges = corners(reference, current)
    quarters = quantiles(reference.counts, edges), quantiles(current.counts, edges)
    scale = (quarters[0][:, 2] - quarters[0][:, 0]) / NORMAL_SPREAD
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(scale > 0, apart.wasserstein / scale, np.nan)
    return NumberMoves(apart, ranked, statistic, np.minimum(3 * smallest, 1.0), error, scaled, quarters)


def with_exact(moves: NumberMoves, ks: Floats, wasserstein: Floats) -> NumberMoves:
    """Put exact distances in the place of those of the sketch, which bounded them."""
    nought = np.zeros(len(ks))
    old = moves.distances.wasserstein
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(old > 0, moves.scaled / old * wasserstein, np.where(wasserstein > 0, np.nan, 0.0))
    apart = replace(moves.distances, ks=ks, ks_high=ks, wasserstein=wasserstein, wasserstein_error=nought)
    return replace(moves, distances=apart, scaled=scaled)


def with_sampled(
    moves: NumberMoves, sides: tuple[Sketch, Sketch], drawn: Sequence[tuple[Floats, Floats] | None]
) -> NumberMoves:
    """Take the quartiles of rows drawn of a feature where many of its values lie in the open outer bins.

    There the sketch knows no more than that they lie beyond the range of the reference.
    """
    quarters = tuple(np.array(side) for side in moves.quarters)
    for which, sketch in enumerate(sides):
        outer = (sketch.counts[:, 0] + sketch.counts[:, -1]) / np.maximum(sketch.counts.sum(axis=1), 1)
        for at in np.flatnonzero(outer > OUTSIDE).tolist():
            pair = drawn[at]
            if pair is not None and len(pair[which]):
                quarters[which][at] = np.quantile(pair[which], QUARTERS)
    return replace(moves, quarters=(quarters[0], quarters[1]))


def quantiles(counts: Counts, edges: Floats) -> Floats:
    """Return the quartiles of each feature, shape (F, 3), taking values to lie evenly within their bin."""
    total = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    found = np.empty((len(counts), len(QUARTERS)))
    for place, quarter in enumerate(QUARTERS):
        at = (total < quarter - 1e-12).sum(axis=1).clip(0, counts.shape[1] - 1)
        rows = np.arange(len(counts))
        before = np.where(at > 0, total[rows, np.maximum(at - 1, 0)], 0.0)
        part = (quarter - before) / np.maximum(total[rows, at] - before, 1e-300)
        left, right = edges[rows, at], edges[rows, at + 1]
        found[:, place] = left + np.clip(part, 0, 1) * (right - left)
    return found


def picture(reference: Sketch, current: Sketch, at: int, bins: int = 32) -> Picture | None:
    """Return both sides in few equal bins over the bulk of both; None where there is nothing to draw."""
    edges = corners(reference, current)[at]
    sides = [side.counts[at] / max(int(side.counts[at].sum()), 1) for side in (reference, current)]
    total = [np.concatenate([[0.0], np.cumsum(side)]) for side in sides]
    seen = np.flatnonzero((np.maximum(*total) > 0.002) & (np.minimum(*total) < 0.998))
    low, high = (
        float(edges[max(seen[0] - 1, 0)]) if len(seen) else 0.0,
        float(edges[seen[-1] + 1]) if len(seen) else 0.0,
    )
    if not 0 < high - low < np.inf:
        return None
    cuts = np.linspace(low, high, bins + 1)
    one, two = (np.diff(np.interp(cuts, edges, side)) for side in total)
    return Picture(low=low, high=high, before=tuple(np.round(one, 6).tolist()), after=tuple(np.round(two, 6).tolist()))


def measures(moves: NumberMoves, at: int) -> Measures:
    """Return the distances of one feature as a value."""
    apart = moves.distances
    scaled = float(moves.scaled[at])
    return Measures(
        ks=float(apart.ks[at]),
        ks_error=float(apart.ks_high[at] - apart.ks[at]),
        wasserstein=float(np.nan_to_num(apart.wasserstein[at])),
        wasserstein_error=float(np.nan_to_num(apart.wasserstein_error[at])),
        wasserstein_scaled=scaled if np.isfinite(scaled) else None,
        psi=float(apart.psi[at]),
        jensen_shannon=float(apart.jensen_shannon[at]),
        chi_square=float(moves.chi_square[at]),
    )


def words(moves: NumberMoves, at: int) -> str:
    """Say how a feature moved, in its own unit."""
    (low, middle, high), (low_now, middle_now, high_now) = (side[at] for side in moves.quarters)
    text = f"median {middle:.4g} -> {middle_now:.4g}"
    if high > low:
        text += f" ({(middle_now - middle) / ((high - low) / NORMAL_SPREAD):+.2f} spreads)"
        ratio = (high_now - low_now) / (high - low)
        if abs(ratio - 1) >= 0.05:
            text += f", spread x {ratio:.3g}"
    return text
