"""Calibration of scores, and gaps between groups, with intervals. Scores in [0, 1]; outcomes 0 or 1, NaN unknown."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from config.frozen import Frozen
from tools.grid import Floats
from tools.tables import Labels

BINS = 15
FEW = 50  # rows of a group


class Calibration(Frozen):
    """``error``: mean distance of promised and seen shares (expected calibration error), the part due to chance taken
    out; ``lean``: promised less seen over all rows, > 0 is too confident, with its 95 % interval."""

    rows: int
    error: float
    lean: float
    lean_low: float
    lean_high: float
    brier: float


def calibration(scores: Floats, outcomes: Floats) -> Calibration | None:
    """Hold scores against outcomes; None where fewer than 50 outcomes are known."""
    known = np.isfinite(scores) & np.isfinite(outcomes)
    s, y = scores[known], outcomes[known]
    if len(s) < FEW:
        return None
    edges = np.unique(np.quantile(s, np.arange(1, BINS) / BINS))
    bins = np.searchsorted(edges, s, side="right")
    n = np.bincount(bins, minlength=len(edges) + 1)
    promised, seen = (np.bincount(bins, weights=side, minlength=len(n)) / np.maximum(n, 1) for side in (s, y))
    noise = promised * (1 - promised) / np.maximum(n, 1)
    excess = np.sqrt(np.maximum((promised - seen) ** 2 - noise, 0.0))
    lean = float((s - y).mean())
    half = 1.96 * float((s - y).std()) / np.sqrt(len(s))
    return Calibration(
        rows=len(s),
        error=float((excess * n).sum() / len(s)),
        lean=lean,
        lean_low=lean - half,
        lean_high=lean + half,
        brier=float(((s - y) ** 2).mean()),
    )


class Gap(Frozen):
    """Rate of one group less that of all other rows, with an interval that holds for all groups at once."""

    group: str
    rows: int
    rate: float
    others: float
    gap: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether chance does not explain the gap."""
        return self.low > 0 or self.high < 0


def gaps_between(groups: Labels, outcomes: Floats, level: float = 0.05) -> tuple[Gap, ...]:
    """Compare each group with the rest; widest sure gap first. Groups of fewer than 50 known outcomes are left out."""
    from scipy.special import ndtri

    known = np.isfinite(outcomes) & (groups.codes >= 0)
    codes, y = groups.codes[known], outcomes[known]
    n = np.bincount(codes, minlength=len(groups.names))
    hits = np.bincount(codes, weights=y, minlength=len(groups.names))
    large = np.flatnonzero((n >= FEW) & (n <= len(y) - FEW))
    sure = float(ndtri(1 - level / 2 / max(len(large), 1)))
    found = [_gap(groups.names[at], (hits[at], n[at]), (hits.sum() - hits[at], len(y) - n[at]), sure) for at in large]
    return tuple(sorted(found, key=lambda gap: (not gap.sure, -abs(gap.gap), gap.group)))


def _gap(name: str, ours: tuple[float, int], theirs: tuple[float, int], sure: float) -> Gap:
    """Newcombe's interval for a difference of two shares, from the Wilson intervals of both."""
    (p, low, high), (q, q_low, q_high) = _wilson(*ours, sure), _wilson(*theirs, sure)
    return Gap(
        group=name,
        rows=int(ours[1]),
        rate=p,
        others=q,
        gap=p - q,
        low=p - q - float(np.hypot(p - low, q_high - q)),
        high=p - q + float(np.hypot(high - p, q - q_low)),
    )


def _wilson(hits: float, n: int, sure: float) -> tuple[float, float, float]:
    p, z = hits / n, sure**2 / n
    middle, half = (p + z / 2) / (1 + z), np.sqrt(p * (1 - p) * z + z**2 / 4) / (1 + z)
    return float(p), float(middle - half), float(middle + half)


def rate_changes(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> tuple[Gap, ...]:
    """Compare named rates (hits, rows) of two windows: refusals, corrections, toxic answers; only names in both."""
    from scipy.special import ndtri

    names = [name for name in before if name in after and min(before[name][1], after[name][1]) >= FEW]
    sure = float(ndtri(1 - 0.025 / max(len(names), 1)))
    return tuple(_gap(name, after[name], before[name], sure) for name in names)


def same(groups: Labels, kept: NDArray[np.bool_]) -> Labels:
    """Return the groups of some rows alone: for rates among rows with a condition, such as true positives."""
    return Labels(np.where(kept, groups.codes, -1).astype(np.int32), groups.names)
