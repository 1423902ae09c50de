"""How good the model is now, before the labels are in: an estimate with an interval, or "cannot tell" with a reason.

The estimate holds where only the inputs moved (covariate shift): the share of right answers among rows of one score and
one neighbourhood stays what it was. Labels that have arrived check exactly that; where they contradict it, the concept
moved, and no estimate is given. Works on any outcome per row: 1 for right and 0 for wrong, or an absolute error.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.drift.overlap import overlap
from config.frozen import Frozen
from tools.grid import Counts, Floats

BINS = 20  # of the score, equally filled in the reference
DRAWS = 100  # of the bootstrap
SURE = 1.96
BROKEN = 0.01  # p-value of the arrived labels under the assumption, beneath which it is given up
ALONG = 0.8  # of that p-value spent on a turn along the score, the rest on single bins
CHECKED = 100  # labels that must have arrived for a check
LEAST_EFFECTIVE = 100.0  # rows that the weighted reference must be worth
MOST_UNKNOWN = 0.10  # share of current rows that the reference does not know

Standing = Literal["checked", "unchecked", "cannot tell"]


class Estimate(Frozen):
    """Mean outcome of the current rows. ``standing``: whether arrived labels agreed, were too few, or contradicted."""

    standing: Standing
    value: float | None
    low: float | None
    high: float | None
    before: float  # the same in the reference
    labels: int  # that have arrived
    text: str

    @property
    def worse(self) -> bool:
        """Whether the outcome (higher is better) is surely below what it was."""
        return self.high is not None and self.high < self.before


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of a model: ``features`` (n, F), ``scores`` (n,) that it gave, ``outcomes`` (n,), NaN until known."""

    features: Floats
    scores: Floats
    outcomes: Floats


def estimate(reference: Scored, current: Scored, seed: int = 0) -> Estimate:
    """Estimate the mean outcome of ``current``; the reference's outcomes must be known (unknown rows are left out)."""
    known = np.isfinite(reference.outcomes) & np.isfinite(reference.scores)
    reference = _only(reference, known)
    current = _only(current, np.isfinite(current.scores))
    arrived = int(np.isfinite(current.outcomes).sum())
    before = float(reference.outcomes.mean()) if len(reference.outcomes) else 0.0
    if min(len(reference.scores), len(current.scores)) < LEAST_EFFECTIVE:
        return _silent(before, arrived, "too few rows")
    weighed = overlap(_with_score(reference), _with_score(current))
    if weighed.unknown > MOST_UNKNOWN:
        return _silent(before, arrived, f"the reference does not know {weighed.unknown:.0%} of the rows")
    if weighed.effective < LEAST_EFFECTIVE:
        return _silent(before, arrived, f"the reference is worth {weighed.effective:.0f} rows like these")
    return _estimate(reference, current, weighed.weights, seed)


def _only(side: Scored, kept: NDArray[np.bool_]) -> Scored:
    return Scored(side.features[kept], side.scores[kept], side.outcomes[kept])


def _with_score(side: Scored) -> Floats:
    return np.column_stack([side.features, side.scores])


def _silent(before: float, arrived: int, why: str) -> Estimate:
    return Estimate(
        standing="cannot tell",
        value=None,
        low=None,
        high=None,
        before=before,
        labels=arrived,
        text=f"cannot tell how good the model is now: {why}",
    )


def _estimate(reference: Scored, current: Scored, weights: Floats, seed: int) -> Estimate:
    edges = np.unique(np.quantile(reference.scores, np.arange(1, BINS) / BINS))
    bins = len(edges) + 1
    was, now = (np.searchsorted(edges, side.scores, side="right") for side in (reference, current))
    inside = (was[:, None] == np.arange(bins)).astype(np.float64)
    lots = np.random.default_rng(seed).poisson(1.0, (DRAWS, len(was))).astype(np.float64)
    lots[0] = 1.0  # the first draw is the reference as it is
    expected = _expected(inside, lots * weights, reference.outcomes)
    share = np.bincount(now, minlength=bins) / len(now)
    drawn = expected @ share
    value = float(drawn[0])
    off = weights * (reference.outcomes - expected[0][was]) ** 2
    spread = (off @ inside) / np.maximum(weights @ inside, 1e-9)  # variance of the outcomes of a bin
    noise = float((spread * share).sum()) / len(now)  # of the outcomes still to come
    error = SURE * float(np.sqrt(drawn[1:].var() + noise))
    return _checked(current, now, expected, spread, (value, error, float(reference.outcomes.mean())))


def _expected(inside: Floats, weights: Floats, outcomes: Floats) -> Floats:
    """Return the weighted mean outcome per draw and bin, pulled a little to the draw's mean where rows are few.

    ``inside`` (n, bins) is 1 where a row lies in a bin; ``weights`` (draws, n).
    """
    overall = (weights @ outcomes) / np.maximum(weights.sum(axis=1), 1e-300)
    return np.asarray((weights @ (inside * outcomes[:, None]) + overall[:, None]) / (weights @ inside + 1.0))


def _checked(
    current: Scored,
    bins: Counts,
    expected: Floats,
    spread: Floats,
    found: tuple[float, float, float],
) -> Estimate:
    """Hold the estimate against the labels that have arrived."""
    value, error, before = found
    known = np.isfinite(current.outcomes)
    arrived = int(known.sum())
    standing: Standing = "unchecked"
    if arrived >= CHECKED:
        p = _contradiction(current.outcomes[known], bins[known], expected, spread)
        if p < BROKEN:
            seen = float(current.outcomes[known].mean())
            why = f"{arrived} labels say {seen:.3f} where {value:.3f} was expected: what is right has itself changed"
            return _silent(before, arrived, why)
        standing = "checked"
    note = f"{arrived} labels agree" if standing == "checked" else "no label has checked it"
    return Estimate(
        standing=standing,
        value=value,
        low=value - error,
        high=value + error,
        before=before,
        labels=arrived,
        text=f"{value:.3f} ({value - error:.3f} to {value + error:.3f}), was {before:.3f}; {note}",
    )


def _contradiction(outcomes: Floats, bins: Counts, expected: Floats, spread: Floats) -> float:
    """Return the p-value of arrived outcomes, the reference's own doubt included.

    Most of it is spent on what a concept does when it turns: outcomes lie elsewhere, the more so the surer the model
    was. The rest goes to single bins (Bonferroni).
    """
    from agent.drift.chance import two_sided

    size = len(spread)
    count = np.bincount(bins, minlength=size).astype(np.float64)
    seen = np.bincount(bins, weights=outcomes, minlength=size)
    used = count >= 10
    gap = np.where(used, seen / np.maximum(count, 1) - expected[0], 0.0)
    each = two_sided(gap, np.sqrt(np.maximum(spread, 1e-4) / np.maximum(count, 1) + expected[1:].var(axis=0)))
    single = float(each.min()) * max(int(used.sum()), 1)
    return min(1.0, _turned(seen - count * expected[0], count, expected, spread) / ALONG, single / (1 - ALONG))


def _turned(surplus: Floats, count: Floats, expected: Floats, spread: Floats) -> float:
    """Return the p-value of surpluses per bin, in their place and along what was expected: chi-square of two."""
    share = count / count.sum()
    along = np.column_stack([np.ones(len(share)), expected[0] - expected[0] @ share])
    found = surplus @ along / count.sum()
    noise = along.T @ (along * (share * spread)[:, None]) / count.sum()
    doubt = np.cov((expected[1:] * share) @ along, rowvar=False)
    return float(np.exp(-0.5 * found @ np.linalg.pinv(noise + doubt, hermitian=True) @ found))
