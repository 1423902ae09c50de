"""Shapes of rows and answers: how features hang together, how scores rank, who is served worse, and steps in time."""

import numpy as np
from numpy.typing import NDArray

from agent.drift.exact import gaps

Table = NDArray[np.float64]

LEAST = 100  # rows
CODES = 24  # distinct whole values at most, of a column of codes
BESIDE, SETTLED = 240.0, 480.0  # seconds beside a release that are compared, and after which it has come in everywhere
STEP, STILL = 0.35, 0.2  # Kolmogorov-Smirnov distance of a step; of what stands still


def joint(before: Table, now: Table) -> float:
    """Return by how much a correlation between two columns of (n, d) and (m, d) moved, at most.

    >>> x = np.random.default_rng(0).normal(size=(4000, 1))
    >>> round(joint(np.hstack([x, x]), np.hstack([x, -x])), 6)
    2.0
    """
    apart = np.abs(_correlations(before) - _correlations(now))
    return float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0


def _correlations(table: Table) -> Table:
    whole = table[np.isfinite(table).all(axis=1)]
    if len(whole) < LEAST:
        return np.full((table.shape[1], table.shape[1]), np.nan)
    spread = whole.std(axis=0)
    z = (whole - whole.mean(axis=0)) / np.where(spread > 0, spread, np.nan)
    return np.asarray(z.T @ z / len(z))


def ranking(scores: Table, labels: Table) -> float:
    """Return the share of (positive, negative) pairs that the scores rank rightly; NaN where one class is absent."""
    known = np.isfinite(labels)
    order = np.argsort(scores[known], kind="stable")
    positive = labels[known][order] > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    places = np.flatnonzero(positive) + 1
    return float((places.sum() - ones * (ones + 1) / 2) / (ones * zeros))


def off(scores: Table, labels: Table) -> float:
    """Return the mean score less the share of positives, where labels are known; 0 where none is."""
    known = np.isfinite(labels)
    return float(scores[known].mean() - labels[known].mean()) if known.any() else 0.0


def unequal(names: tuple[str, ...], features: Table, right: NDArray[np.bool_]) -> tuple[str, float, float]:
    """Return the column of codes whose two halves are served most unequally, and the share of right answers in each."""
    found = ("no column", 0.0, 0.0)
    for place, name in enumerate(names):
        column = features[:, place]
        known = np.unique(column[np.isfinite(column)])
        if not 2 <= len(known) <= CODES or (known != np.rint(known)).any():
            continue
        for cut in known[1:]:
            upper, lower = right[column >= cut], right[column < cut]
            if min(len(upper), len(lower)) >= LEAST:
                best, worst = max(upper.mean(), lower.mean()), min(upper.mean(), lower.mean())
                found = max(found, (name, float(best), float(worst)), key=lambda each: each[1] - each[2])
    return found


def stepped(at: Table, column: Table, when: float) -> bool:
    """Whether a column moved in one step around an instant, and has stood still since."""
    before = column[(at > when - 2 * BESIDE) & (at <= when)]
    after = column[(at > when + SETTLED) & (at <= when + SETTLED + 2 * BESIDE)]
    lately = column[at > at[-1] - 2 * BESIDE]
    if min(len(before), len(after), len(lately)) < LEAST:
        return False
    return _apart(before, after) > STEP and _apart(after, lately) < STILL


def _apart(one: Table, two: Table) -> float:
    one, two = one[np.isfinite(one)], two[np.isfinite(two)]
    return gaps(one, two).ks if len(one) and len(two) else 0.0
