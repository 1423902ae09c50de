"""Runs one detector over one list of values: what doctests and the contract suite use."""

from collections.abc import Callable, Sequence

import numpy as np

from agent.eyes.columns import Reals
from agent.eyes.contract import WIDTH, Detector, Tick

STEP = 300.0  # seconds between two values
START = 1_700_006_400.0  # a Wednesday, 00:00 UTC


def statistics(kind: Callable[[int], Detector], values: Sequence[float]) -> Reals:
    """Return what the detector says of each value in turn, float32, (values,)."""
    detector, recent = kind(1), np.zeros((WIDTH, 1), np.float32)
    said = np.empty(len(values), np.float32)
    for age, value in enumerate(values):
        recent = np.roll(recent, -1, axis=0)
        recent[-1, 0] = value - values[0]
        tick = Tick(recent, np.array([age], np.int32), np.array([START + STEP * age]))
        said[age] = detector.update(tick).statistic[0]
    return said


def first_alarm(
    kind: Callable[[int], Detector], values: Sequence[float], threshold: float, after: int = 0
) -> int | None:
    """Return the place of the first value, not before ``after``, at which the statistic reaches the threshold."""
    (found,) = np.nonzero(statistics(kind, values)[after:] >= threshold)
    return after + int(found[0]) if len(found) else None
