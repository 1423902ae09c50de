"""Estimated performance: how often its interval holds the truth, and how often it keeps silent when it must."""

from collections.abc import Mapping

import numpy as np

from agent.drift.performance import Scored, estimate
from tests.drift.scored import rows

SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


def figures(trials: int = 120) -> Mapping[str, float]:
    """Return shares of trials: covered (of those answered), answered, silent under a moved concept; and a baseline.

    The baseline, which does nothing, quotes the reference's own performance with its 95 % interval.
    """
    held, answered, naive = 0, 0, 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        reference, current = rows(rng, 5000), rows(rng, 3000, SHIFTS[trial % len(SHIFTS)])
        truth = float(current.outcomes.mean())
        found = estimate(reference, Scored(current.features, current.scores, np.full(3000, np.nan)))
        if found.low is not None and found.high is not None:
            answered += 1
            held += found.low <= truth <= found.high
        usual = float(reference.outcomes.mean())
        naive += abs(truth - usual) <= 1.96 * np.sqrt(usual * (1 - usual) * (1 / 5000 + 1 / 3000))
    return {
        "performance_interval_holds": held / max(answered, 1),
        "performance_answered": answered / trials,
        "performance_interval_holds_baseline": float(naive) / trials,
        "performance_silent_on_concept_drift": _silent(trials // 2, 0.2),
        "performance_silent_without_concept_drift": _silent(trials // 2, 0.0),
    }


def _silent(trials: int, turn: float) -> float:
    """Return how often no estimate is given when one label in ten has arrived."""
    silent = 0
    for trial in range(trials):
        rng = np.random.default_rng(10_000 + trial)
        found = estimate(rows(rng, 5000), rows(rng, 3000, SHIFTS[trial % 3], turn=turn, labels=0.1))
        silent += found.standing == "cannot tell"
    return silent / trials
