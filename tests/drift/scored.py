"""A model's rows, with inputs or concept moved at will."""

import numpy as np

from agent.drift.performance import Scored

FEATURES = 5


def rows(rng: np.random.Generator, size: int, shift: float = 0.0, turn: float = 0.0, labels: float = 1.0) -> Scored:
    """Draw rows: ``shift`` moves the inputs, ``turn`` (0 to 1) what is right, ``labels`` is the share that is known.

    The model is imperfect on purpose: it sees neither the square nor all of the slope, so that its scores mislead.
    """
    x = rng.normal(size=(size, FEATURES))
    x[:, 0] += shift
    x[:, 1] *= 1 + shift / 2
    logit = 1.5 * x[:, 0] - x[:, 1] + 0.4 * x[:, 2] ** 2 - 0.4
    truth = rng.random(size) < 1 / (1 + np.exp(-(1 - 2 * turn) * logit))
    score = 1 / (1 + np.exp(-(1.2 * x[:, 0] - 0.8 * x[:, 1])))
    right = (truth == (score > 0.5)).astype(np.float64)
    return Scored(x, score, np.where(rng.random(size) < labels, right, np.nan))
