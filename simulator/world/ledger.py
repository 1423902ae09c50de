"""What really happened. For scoring alone: no port leads here."""

from dataclasses import dataclass
from datetime import datetime
from math import isnan

import numpy as np

from config.fleet import Fleet
from simulator.world.script import Truth
from simulator.world.store import Floats


@dataclass(frozen=True, slots=True)
class Applied:
    """One effect that an actuator really had."""

    verb: str
    target: str
    at: datetime
    operation: str


@dataclass(frozen=True, slots=True)
class Happened:
    """The truth of this run: the scenario's, with names filled in. ``onset_at`` is None where nothing is wrong."""

    truth: Truth
    entity: str
    service: str
    onset_at: datetime | None
    beside: frozenset[str] = frozenset()  # services that what is at fault carries too


class Ledger:
    """Cumulative truth per service, and the history of every tick."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._index = {service.name: i for i, service in enumerate(fleet.services)}
        count = len(self._index)
        self.services = tuple(self._index)
        self.arrived = np.zeros(count)  # calls of clients, but for those that failures made them repeat
        self.repeated = np.zeros(count)
        self.calls = np.zeros(count)  # answered, well or badly
        self.failed_calls = np.zeros(count)
        self.requests = np.zeros(count)  # what users asked, whether with one call or with two
        self.good_requests = np.zeros(count)
        self.money = np.zeros(count)
        self.tokens = np.zeros(count)
        self.spend = np.zeros(count)  # money per hour now
        self.actions: list[Applied] = []
        self.happened: Happened | None = None
        self.values: dict[str, dict[str, float]] = {name: {} for name in self.services}  # true objective readings now
        self._holds = np.ones(count, dtype=bool)
        self._ticks = 0
        self._times = np.empty(1024)
        self._held = np.empty((1024, count), dtype=bool)
        self._within = np.empty((1024, count), dtype=bool)

    def keep(self, at: datetime, values: dict[str, dict[str, float]]) -> None:
        """Judge this tick's true readings and keep the verdicts."""
        if self._ticks == len(self._times):
            self._times = np.concatenate([self._times, np.empty_like(self._times)])
            self._held = np.concatenate([self._held, np.empty_like(self._held)])
            self._within = np.concatenate([self._within, np.empty_like(self._within)])
        self.values = values
        for i, service in enumerate(self._fleet.services):
            readings = values[service.name]
            self._holds[i] = all(
                _holds(readings.get(objective.signal, np.nan), objective.bound, objective.target)
                for objective in service.objectives
            )
            self._within[self._ticks, i] = service.hourly_budget == 0 or self.spend[i] <= service.hourly_budget
        self._times[self._ticks] = at.timestamp()
        self._held[self._ticks] = self._holds
        self._ticks += 1

    def objectives_hold(self, service: str) -> bool:
        """Say whether every serving and quality objective of the service truly holds in this tick."""
        return bool(self._holds[self._index[service]])

    def within_budget(self, service: str) -> bool:
        """Say whether the service costs no more per hour than its budget."""
        return self._ticks == 0 or bool(self._within[self._ticks - 1, self._index[service]])

    def healthy(self, service: str) -> bool:
        """Say whether objectives and budget hold."""
        return self.objectives_hold(service) and self.within_budget(service)

    @property
    def times(self) -> Floats:
        """POSIX seconds of every tick."""
        return self._times[: self._ticks]

    def held(self, service: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return, per tick, whether the objectives held."""
        return self._held[: self._ticks, self._index[service]]

    def within(self, service: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return, per tick, whether the budget held."""
        return self._within[: self._ticks, self._index[service]]


def _holds(value: float, bound: str, target: float) -> bool:
    """No traffic is no breach."""
    return isnan(value) or (value <= target if bound == "below" else value >= target)
