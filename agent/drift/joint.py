"""Joint drift: what changed between features though none of them need have moved by itself.

Every feature is first put on normal scores of its own side, which takes its own move out; what is left is dependence.
All of it works on samples of rows, float64 (rows, F), and on embeddings as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.drift.chance import two_sided
from agent.drift.finding import Joint, Verdict
from tools.grid import Floats

FEATURES = 64  # random Fourier features of the kernel's mean embedding
MOST_PAIRS = 20  # features whose products a classifier is given; beyond it, the first so many by variance
LEAST_AREA = 0.03  # above one half, of the area under the curve: less is not worth a sentence
LEAST_CORRELATION = 0.1
FEW = 500  # rows on either side


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two clouds of points lie apart: a statistic, its p-value under "alike"."""

    statistic: float
    p: float


def normal_scores(values: Floats, seed: int) -> Floats:
    """Put each column on normal scores by rank, ties broken by lot, nulls lowest.

    Both sides then have the same margins, exactly, whatever the columns held: what a feature did alone leaves no trace.
    """
    from scipy.special import ndtri

    lots = np.random.default_rng(seed).random(values.shape)
    known = np.where(np.isfinite(values), values, -np.inf)
    scores = ndtri((np.arange(len(values)) + 0.5) / max(len(values), 1))
    found = np.empty(values.shape)
    for at in range(values.shape[1]):
        found[np.lexsort((lots[:, at], known[:, at])), at] = scores
    return found


def mean_embedding(first: Floats, second: Floats, seed: int) -> Apart:
    """Compare the mean embeddings of a Gaussian kernel (MMD by random features), normalised by their covariance.

    With J features the statistic is chi-square with J degrees under "alike". Width of the kernel: median distance.
    """
    from scipy.special import chdtrc

    rng = np.random.default_rng(seed)
    both = np.concatenate([first, second])
    pairs = both[rng.integers(0, len(both), (1000, 2))]
    width = float(np.median(np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1))) or 1.0
    waves = rng.normal(size=(both.shape[1], FEATURES // 2)) / width
    one, two = (np.concatenate([np.cos(side @ waves), np.sin(side @ waves)], axis=1) for side in (first, second))
    gap = two.mean(axis=0) - one.mean(axis=0)
    spread = np.cov(one.T) / len(one) + np.cov(two.T) / len(two)
    values, vectors = np.linalg.eigh(spread)
    kept = values > values.max() * 1e-4
    statistic = float(((gap @ vectors[:, kept]) ** 2 / values[kept]).sum())
    return Apart(statistic, float(chdtrc(int(kept.sum()), statistic)))


def classifier(first: Floats, second: Floats, seed: int) -> Apart:
    """Let a classifier tell the sides apart: fitted on one half, judged on the other by the area under its curve.

    A ridge on the features, their squares and products: it sees place, spread and correlation.
    """
    rng = np.random.default_rng(seed)
    both = np.concatenate([first, second])
    target = np.concatenate([np.full(len(first), -1.0 / len(first)), np.full(len(second), 1.0 / len(second))])
    order = rng.permutation(len(both))
    fit, judged = order[::2], order[1::2]
    seen = _products(both)
    mean, scale = seen[fit].mean(axis=0), seen[fit].std(axis=0) + 1e-9
    x = (seen - mean) / scale
    weights = np.linalg.solve(
        x[fit].T @ x[fit] + len(fit) * 0.01 * np.eye(x.shape[1]), x[fit].T @ (target[fit] * len(fit))
    )
    return area((x[judged] @ weights), target[judged] > 0)


def _products(values: Floats) -> Floats:
    kept = values[:, np.argsort(-values.var(axis=0))[:MOST_PAIRS]]
    left, right = np.triu_indices(kept.shape[1])
    return np.concatenate([values, kept[:, left] * kept[:, right]], axis=1)


def area(score: Floats, positive: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> Apart:
    """Return the area under the curve with its Wilcoxon p-value (two-sided, ties half)."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - counts / 2 + 0.5)[place]
    m, total = int(positive.sum()), len(score)
    n = total - m
    if not n or not m:
        return Apart(0.5, 1.0)
    found = (float(rank[positive].sum()) - m * (m + 1) / 2) / (n * m)
    error = np.sqrt(float(rank.var()) * total / (total - 1) * (1 / n + 1 / m)) / total
    return Apart(found, float(two_sided(np.array(found - 0.5), np.array(error))))


def correlations(first: Floats, second: Floats) -> tuple[tuple[int, int], float, float, float]:
    """Return the pair of columns whose correlation changed most surely: places, before, after, p for all pairs."""
    one, two = (np.clip(np.nan_to_num(_correlation(side)), -0.9999, 0.9999) for side in (first, second))
    z = np.arctanh(two) - np.arctanh(one)
    error = np.sqrt(1.06 / (len(first) - 3) + 1.06 / (len(second) - 3))
    left, right = np.triu_indices(len(one), 1)
    if not len(left):
        return (0, 0), 0.0, 0.0, 1.0
    best = int(np.argmax(np.abs(z[left, right])))
    pair = (int(left[best]), int(right[best]))
    p = float(two_sided(z[pair], np.array(error))) * len(left)
    return pair, float(one[pair]), float(two[pair]), min(p, 1.0)


def _correlation(values: Floats) -> Floats:
    centred = values - values.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred.T @ centred / np.maximum(np.outer(size, size), 1e-12), np.float64)


def joint_moves(first: Floats, second: Floats, names: Sequence[str], alpha: float, seed: int) -> tuple[Joint, ...]:
    """Test the dependence between columns three ways; ``alpha`` is spent on all three together."""
    if min(len(first), len(second)) < FEW or first.shape[1] < 2:
        return ()
    one, two = normal_scores(first, seed), normal_scores(second, seed + 1)
    pair, before, after, p = correlations(one, two)
    told, cloud = classifier(one, two, seed), mean_embedding(one, two, seed)
    a, b = names[pair[0]], names[pair[1]]
    words = f"the correlation of {a} and {b} went from {before:.2f} to {after:.2f}"
    level = alpha / 3
    return (
        judged("correlation", after - before, p, level, abs(after - before) >= LEAST_CORRELATION, words),
        judged(
            "classifier",
            told.statistic,
            told.p,
            level,
            told.statistic - 0.5 >= LEAST_AREA,
            f"a classifier tells the sides apart by dependence alone with an area of {told.statistic:.3f}",
        ),
        judged(
            "mmd",
            cloud.statistic,
            cloud.p,
            level,
            cloud.p <= level and told.statistic - 0.5 >= LEAST_AREA,
            f"the mean embeddings of the dependence lie apart (statistic {cloud.statistic:.0f}, {FEATURES} expected)",
        ),
    )


def judged(test: str, statistic: float, p: float, level: float, enough: bool, text: str) -> Joint:
    """Return a test with its verdict: moved where chance does not explain it and it is enough to matter."""
    verdict: Verdict = "same" if p > level else "moved" if enough else "slight"
    return Joint(test=test, verdict=verdict, statistic=statistic, p=p, text=text)


def embeddings_moved(first: Floats, second: Floats, alpha: float, seed: int) -> tuple[Joint, ...]:
    """Compare two clouds of embeddings, (rows, dimensions) each, on their leading directions."""
    sides = leading(first, second)
    if sides is None:
        return ()
    told, cloud = classifier(*sides, seed), mean_embedding(*sides, seed)
    enough = told.statistic - 0.5 >= LEAST_AREA
    text = f"a classifier tells the embeddings apart with an area of {told.statistic:.3f}"
    mmd = f"the mean embeddings lie apart (statistic {cloud.statistic:.0f}, {FEATURES} expected)"
    return (
        judged("classifier", told.statistic, told.p, alpha / 2, enough, text),
        judged("mmd", cloud.statistic, cloud.p, alpha / 2, enough, mmd),
    )


def leading(first: Floats, second: Floats) -> tuple[Floats, Floats] | None:
    """Return two clouds on the directions in which both together vary most; None where points are too few."""
    if min(len(first), len(second)) < FEW or not first.shape[1]:
        return None
    both = np.concatenate([first, second])
    centred = both - both.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    flat = centred @ vectors[:, ::-1][:, :MOST_PAIRS]
    return flat[: len(first)], flat[len(first) :]
