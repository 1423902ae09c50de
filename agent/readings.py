"""The newest readings of one service that a proof of capacity rests on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.capacity import measures_of, ready_of, use_of
from agent.observe import Observation, Scene
from config.fleet import Service
from tools.signal import USUAL_WINDOW

READINGS = 60  # the newest that are looked at
HALF = 0.5  # of a burst comes of longer requests, where nothing says how much
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """What was seen of one service, oldest first; only looks at which its load was known."""

    service: Service
    looked: tuple[Observation, ...]

    @cached_property
    def busy(self) -> Floats:
        """Replicas kept busy at each look."""
        name = self.service.name
        return np.array([(use_of(seen, self.service) or 0.0) * ready_of(seen, name) for seen in self.looked])

    @cached_property
    def at(self) -> Floats:
        """Time of each look, in seconds before the newest."""
        return np.array([(seen.at - self.looked[-1].at).total_seconds() for seen in self.looked])

    @property
    def look_share(self) -> float:
        """One look's share of the window that a reading looks back over."""
        steps = np.diff(self.at)
        return min(1.0, float(np.median(steps)) / USUAL_WINDOW) if len(steps) else 1.0

    def of(self, signal: str) -> Floats:
        """Return the known values of a signal."""
        entity = f"service/{self.service.name}"
        found = [value for seen in self.looked if (value := seen.value(signal, entity)) is not None]
        return np.array(found, dtype=np.float64)

    def along(self, signal: str) -> Floats:
        """Return a signal at every look, NaN where it is NO DATA."""
        entity = f"service/{self.service.name}"
        found = [seen.value(signal, entity) for seen in self.looked]
        return np.array([np.nan if value is None else value for value in found], dtype=np.float64)

    def mean(self, signal: str) -> float:
        """Return the mean of a signal; 0 for NO DATA."""
        values = self.of(signal)
        return float(values.mean()) if len(values) else 0.0

    def longer_share(self, lengths: str) -> float:
        """Return how much of a burst comes of longer requests rather than of more, by what varies more."""
        wide, many = _variation(self.of(lengths)), _variation(self.of("requests"))
        return wide / (wide + many) if wide + many > 0 else HALF


def readings_of(scene: Scene, service: Service) -> Readings:
    """Return the newest readings at which the load of a service was known as well as ever lately."""
    newest = scene.history[-READINGS:]
    whole = max(1, *(measures_of(seen, service) for seen in newest))  # what lost a measure shows too little
    return Readings(service, tuple(seen for seen in newest if measures_of(seen, service) == whole))


def _variation(values: Floats) -> float:
    """Return the squared standard deviation over mean; 0 where that is not known."""
    return float(values.var() / values.mean() ** 2) if len(values) > 1 and values.mean() > 0 else 0.0
