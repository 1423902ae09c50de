"""A hundred service-weeks in which nothing is wrong: noisy, seasonal load of 20 signals each, a tick every 30 seconds.

The share of healthy values behind a threshold (``agent.eyes.budget.TAIL``) was measured with other seeds.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.eyes.budget import budget
from agent.eyes.engine import Eyes

SERVICES, SIGNALS, TICK, WEEK = 100, 20, 30.0, 7 * 86400.0
WORDS = "one false alert per service per month"
SEED = 11


def figures(services: int = SERVICES, weeks: float = 1.0) -> Mapping[str, float]:
    """Return false alerts, the number that the budget allows, and the threshold."""
    borne = budget(WORDS)
    eyes = Eyes(services * SIGNALS, borne.threshold(TICK, SIGNALS))
    rng, wander, alerts = np.random.default_rng(SEED), np.zeros(services * SIGNALS), 0
    for tick in range(int(weeks * WEEK / TICK)):
        at = 1_700_000_000.0 + tick * TICK
        values = load(at, rng, wander)
        alerts += len(eyes.update(at, values).alarms)
    allowed = services * weeks * 7 / borne.days * borne.alerts
    return {
        "quiet_fleet_service_weeks": services * weeks,
        "quiet_fleet_false_alerts": float(alerts),
        "quiet_fleet_false_alerts_allowed": round(allowed, 2),
        "quiet_fleet_threshold": round(eyes.threshold, 2),
    }


def load(at: float, rng: np.random.Generator, wander: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of a tick, signal by signal; ``wander`` is moved in place."""
    many = len(wander)
    signal = np.arange(many) % SIGNALS
    noise = rng.normal(size=many)
    wander *= 0.98
    wander += 0.2 * rng.normal(size=many)
    weekend = (at // 86400 + 3) % 7 >= 5
    traffic = (100 + 60 * np.sin(2 * np.pi * at / 86400 + signal)) * (0.6 if weekend else 1.0) * np.exp(0.1 * wander)
    counted = rng.poisson(np.maximum(traffic, 1))
    kinds = (
        counted / TICK,  # requests
        0.05 * np.exp(0.4 * noise + 0.1 * wander),  # a latency
        rng.binomial(np.maximum(counted, 1), 0.002) / np.maximum(counted, 1),  # an error ratio
        30 + traffic / 4 + 3 * noise,  # utilisation
        rng.poisson(0.01, many).astype(float),  # rare events
        65 + 5 * wander + noise,  # temperature
        np.full(many, 4.0),  # replicas
    )
    found: NDArray[np.float64] = np.choose(signal % len(kinds), kinds)
    return found
