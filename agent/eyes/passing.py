"""Passing: rows shown in order of time to those who watch them, and what each had to say."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.eyes.climbs import Climb
from agent.eyes.engine import Alarm, Step

Reals = NDArray[np.float64]
PROGRESS = 1000  # rows between two words of how far it is


class Watcher(Protocol):
    """What rows are shown to."""

    def update(self, at: float, values: Reals) -> Step:
        """Take a reading of every series."""
        ...


@dataclass(slots=True)
class Told:
    """What a watcher says of ``values``, (rows, series), which are in order of time."""

    watcher: Watcher
    values: Reals
    scores: NDArray[np.float32] = field(init=False)
    alarms: list[Alarm] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.scores = np.zeros(self.values.shape, np.float32)

    def take(self, row: int, at: float) -> None:
        """Show the watcher one more row."""
        step = self.watcher.update(at, self.values[row])
        self.scores[row] = step.scores
        self.alarms += step.alarms
        self.refused.update(step.refused)

    def of(self, place: int) -> list[Alarm]:
        """Return the alarms of one series."""
        return [alarm for alarm in self.alarms if alarm.series == place]


def show(told: Sequence[Told], at: Reals, progress: Callable[[int, int], None]) -> None:
    """Show every row to every watcher."""
    for row, now in enumerate(at.tolist()):
        for each in told:
            each.take(row, now)
        if row % PROGRESS == 0:
            progress(row, len(at))


def by_rate(
    level: tuple[NDArray[np.float32], list[Alarm]],
    rate: tuple[NDArray[np.float32], list[Alarm]],
    at: Reals,
    found: Climb,
) -> tuple[NDArray[np.float32], list[Alarm]]:
    """Return scores and alarms of one series: those of its rate at the rows where it was known to count up."""
    counted = set(at[found.known].tolist())
    kept = [alarm for alarm in level[1] if alarm.at not in counted]
    kept += [replace(one, reason=f"has a rate that {one.reason}") for one in rate[1] if one.at in counted]
    return np.where(found.known, rate[0], level[0]), sorted(kept, key=lambda alarm: alarm.at)
