"""Measures what ``agent.eyes.budget.TAIL`` says: how often healthy series look how strange; again after new views.

``python -m tests.bench.healthy_tail`` prints, per threshold, the log of the share of values whose news reach it.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from agent.eyes.engine import Eyes

SERIES, STEP, DAYS, SEED = 40, 300.0, 7, 1  # of each kind; seconds
THRESHOLDS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def healthy(seed: int) -> NDArray[np.float64]:
    """Return ten kinds of noise in which nothing is wrong, (values, 10 x SERIES)."""
    rng, length = np.random.default_rng(seed), int(DAYS * 86400 / STEP)
    at = np.arange(length)[:, None] * STEP
    day, working = 2 * np.pi * at / 86400, np.where((at // 86400 + 3) % 7 >= 5, 0.6, 1.0)
    shape = (length, SERIES)
    noise, wander = rng.normal(size=shape), rng.normal(size=shape)
    for step in range(1, length):
        wander[step] += 0.95 * wander[step - 1]
    kinds = (
        noise,
        (100 + 50 * np.sin(day)) * working + 5 * noise,
        (100 + 60 * np.sin(day)) * working * np.exp(0.1 * noise),
        np.exp(0.5 * noise),
        np.exp(noise),
        rng.poisson(3, shape).astype(float),
        rng.poisson(0.02, shape).astype(float),
        wander,
        rng.binomial(200, 0.01, shape) / 200,
        rng.standard_t(3, shape),
    )
    return np.concatenate(kinds, axis=1)


def tail(seed: int = SEED) -> dict[float, float]:
    """Return the log share of the values from the second day on that reach each threshold."""
    values = healthy(seed)
    eyes = Eyes(values.shape[1], threshold=np.inf)
    news = np.array([eyes.update(1.7e9 + STEP * step, row).scores for step, row in enumerate(values)])
    known = news[int(86400 / STEP) :]
    return {least: float(np.log(max((known >= least).mean(), 1e-12))) for least in THRESHOLDS}


if __name__ == "__main__":
    sys.stdout.write("".join(f"{least:4.0f} {share:7.2f}\n" for least, share in tail().items()))
