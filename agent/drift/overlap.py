"""How much each reference row counts for the current ones: density ratios, and what the reference does not know."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.grid import Floats

STEPS = 25
RIDGE = 1e-3
FAR = 0.999  # quantile of the reference's own odds beyond which a current row is unknown to it


@dataclass(frozen=True, slots=True)
class Overlap:
    """``weights`` (n,) of the reference rows, mean 1; ``effective``: how many unweighted rows they are worth;
    ``unknown``: share of the current rows where the reference has next to nothing; ``odds`` (m,) of the current."""

    weights: Floats
    effective: float
    unknown: float


def overlap(reference: Floats, current: Floats) -> Overlap:
    """Weigh the reference (n, F) so that it looks like current (m, F): a logistic ridge on values and their squares."""
    one, two = _prepared(reference, current)
    x = np.concatenate([one, two])
    y = np.concatenate([np.zeros(len(one)), np.ones(len(two))])
    logits = x @ _fitted(x, y)
    ours, theirs = logits[: len(one)], logits[len(one) :]
    limit = float(np.quantile(ours, FAR))
    weights = np.exp(np.minimum(ours, limit))
    weights *= len(weights) / max(float(weights.sum()), 1e-300)
    usual = 1 - FAR
    unknown = max(float((theirs > limit).mean()) - usual, 0.0)
    return Overlap(weights, float(weights.sum() ** 2 / (weights**2).sum()), unknown)


def _prepared(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Standardise by the reference, keep extremes within reach, nulls at nought with a column of their own."""
    known = np.where(np.isfinite(reference), reference, np.nan)
    any_known = np.isfinite(known).any(axis=0)
    middle = np.where(any_known, np.nanmedian(np.where(any_known, known, 0.0), axis=0), 0.0)
    spread = np.where(any_known, np.nanstd(np.where(any_known, known, 0.0), axis=0), 1.0)
    return tuple(_columns(side, middle, np.where(spread > 0, spread, 1.0)) for side in (reference, current))  # type: ignore[return-value]


def _columns(side: Floats, middle: Floats, spread: Floats) -> Floats:
    missing = ~np.isfinite(side)
    z = np.clip(np.where(missing, 0.0, (np.where(missing, 0.0, side) - middle) / spread), -6, 6)
    return np.column_stack([np.ones(len(side)), z, z**2, missing.astype(np.float64)])


def _fitted(x: Floats, y: NDArray[np.float64]) -> Floats:
    """Newton steps of a ridge-penalised logistic regression."""
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (p - y) / len(y) + RIDGE * weights
        bend = (x * (p * (1 - p) / len(y))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        step = np.linalg.solve(bend, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights
