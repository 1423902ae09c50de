"""Why a model got worse, once labels are in: its inputs moved, or what is right has changed."""

import numpy as np

from agent.drift.overlap import overlap
from agent.drift.performance import LEAST_EFFECTIVE, MOST_UNKNOWN, Scored
from config.frozen import Frozen

DRAWS = 200


class Cause(Frozen):
    """``change`` = ``by_inputs`` + ``by_concept`` of the mean outcome; 95 % intervals. ``known`` is false where the
    reference does not cover the current inputs: then only the change is certain."""

    change: float
    by_inputs: float
    by_inputs_low: float
    by_inputs_high: float
    by_concept: float
    by_concept_low: float
    by_concept_high: float
    known: bool

    @property
    def verdict(self) -> str:
        """``inputs``, ``concept``, ``both``, ``neither`` or ``cannot tell``."""
        if not self.known:
            return "cannot tell"
        inputs = self.by_inputs_high < 0 or self.by_inputs_low > 0
        concept = self.by_concept_high < 0 or self.by_concept_low > 0
        return {(True, True): "both", (True, False): "inputs", (False, True): "concept"}.get(
            (inputs, concept), "neither"
        )


def cause(reference: Scored, current: Scored, seed: int = 0) -> Cause | None:
    """Split the change of the mean outcome; None where fewer than 100 labels are known on either side."""
    sides = [np.isfinite(side.outcomes) & np.isfinite(side.scores) for side in (reference, current)]
    if min(int(kept.sum()) for kept in sides) < LEAST_EFFECTIVE:
        return None
    (x, y), (now_x, now_y) = (
        (np.column_stack([side.features, side.scores])[kept], side.outcomes[kept])
        for side, kept in zip((reference, current), sides, strict=True)
    )
    weighed = overlap(x, now_x)
    rng = np.random.default_rng(seed)
    lots, now_lots = rng.poisson(1.0, (DRAWS, len(y))), rng.poisson(1.0, (DRAWS, len(now_y)))
    lots[0], now_lots[0] = 1, 1
    was = lots @ y / np.maximum(lots.sum(axis=1), 1)
    moved = (lots * weighed.weights) @ y / np.maximum((lots * weighed.weights).sum(axis=1), 1e-300)
    now = now_lots @ now_y / np.maximum(now_lots.sum(axis=1), 1)
    inputs, concept = moved - was, now - moved
    # The weights follow the current rows that happened to come: their chance is in the part of the inputs too.
    half = 1.96 * float(np.sqrt(inputs.var() + now.var() + was.var()))
    other = 1.96 * float(concept.std())
    return Cause(
        change=float(now[0] - was[0]),
        by_inputs=float(inputs[0]),
        by_inputs_low=float(inputs[0]) - half,
        by_inputs_high=float(inputs[0]) + half,
        by_concept=float(concept[0]),
        by_concept_low=float(concept[0]) - other,
        by_concept_high=float(concept[0]) + other,
        known=weighed.unknown <= MOST_UNKNOWN and weighed.effective >= LEAST_EFFECTIVE,
    )
