"""Models that really score, registered versions of them, and the log of what they answered. (Being built.)"""

from datetime import datetime

import numpy as np

from config.fleet import Fleet
from simulator.world.events import Changes
from simulator.world.streams import Streams
from tools.action import TrainModel
from tools.change import Change
from tools.clock import Clock
from tools.errors import Absent
from tools.records import Comparison, InferenceWindow, ModelState


class WorldRegistry:
    """Reads versions, aliases and promotions."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def model(self, name: str) -> ModelState:
        """Return versions and aliases."""
        raise Absent(f"no model {name}")

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return promotions at or after ``since``, oldest first."""
        return self._changes.since(since, promotions=True)

    def compare(self, service: str, first: str, second: str, start: datetime, end: datetime) -> Comparison:
        """Score two versions offline."""
        raise Absent(f"no model for {service}")


class WorldLog:
    """Reads logged inferences."""

    def window(self, service: str, start: datetime, end: datetime) -> InferenceWindow:
        """Return the rows logged in [start, end)."""
        empty = np.empty(0)
        return InferenceWindow(service, (), empty, np.empty((0, 0)), empty, empty, np.empty(0, dtype="U8"))

    def reference(self, service: str) -> InferenceWindow:
        """Return the rows that the champion was accepted on."""
        raise Absent(f"no reference for {service}")


class Quality:
    """All tabular models of the world."""

    def __init__(self, fleet: Fleet, streams: Streams, clock: Clock, changes: Changes) -> None:
        self.registry = WorldRegistry(changes)
        self.log = WorldLog()

    def weights(self, service: str) -> dict[str, int] | None:
        """Return the split over versions of a tabular service."""
        return None

    def tick(self, at: datetime) -> None:
        """Score and log the rows of one tick."""

    def accuracy(self, service: str) -> float:
        """Return the true share of right answers now; NaN for services without a model."""
        return float("nan")

    def shift(self, service: str, what: str, amount: float) -> None:
        """Move the world away from what the models learnt."""

    def promote_worse(self, service: str, values: dict[str, float], actor: str, text: str) -> None:
        """Let somebody promote a model that is really worse."""

    def alias(self, model: str, alias: str) -> str:
        """Return the version that an alias points at."""
        return ""

    def versions(self, model: str) -> tuple[str, ...]:
        """Return version names."""
        return ()

    def served_versions(self, service: str) -> tuple[str, ...]:
        """Return versions that the service could serve."""
        return ()

    def set_alias(self, service: str, model: str, alias: str, version: str) -> str:
        """Point an alias; returns the version before."""
        return ""

    def set_weights(self, service: str, weights: dict[str, int]) -> None:
        """Split a tabular service over versions."""

    def check_training(self, action: TrainModel) -> str:
        """Check a training request."""
        return ""

    def train(self, action: TrainModel, operation: str) -> None:
        """Begin a training."""

    def training(self, operation: str) -> tuple[str, datetime, str] | None:
        """Return (state, at, detail) of a finished training."""
        return None
