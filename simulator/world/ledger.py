"""What really happened. For scoring alone: no port leads here."""

from dataclasses import dataclass
from datetime import datetime

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
        asked = [(i, objective) for i, service in enumerate(fleet.services) for objective in service.objectives]
        self._asked = tuple((self.services[i], objective.signal) for i, objective in asked)
        self._whose = np.array([i for i, _ in asked], dtype=np.intp)
        self._sign = np.array([1.0 if objective.bound == "below" else -1.0 for _, objective in asked])
        self._target = np.array([objective.target for _, objective in asked])
        self._budget = np.array([service.hourly_budget or np.inf for service in fleet.services])
        self._readings = np.full(len(asked), np.nan)
        self._holds = np.ones(count, dtype=bool)
        self._ticks = 0
        self._times = np.empty(1024)
        self._held = np.empty((1024, count), dtype=bool)
        self._within = np.empty((1024, count), dtype=bool)
        self._restored = np.empty(1024, dtype=bool)

    def keep(self, at: datetime, readings: Floats, restored: bool = True) -> None:
        """Judge this tick's true readings, one for each objective of the fleet in its order, and keep the verdicts.

        ``restored``: what the truth wants for a cure beside the objectives is so.
        """
        if self._ticks == len(self._times):
            self._times = np.concatenate([self._times, np.empty_like(self._times)])
            self._held = np.concatenate([self._held, np.empty_like(self._held)])
            self._within = np.concatenate([self._within, np.empty_like(self._within)])
            self._restored = np.concatenate([self._restored, np.empty_like(self._restored)])
        self._readings = readings
        broken = self._sign * readings > self._sign * self._target  # no traffic, NaN, is no breach
        self._holds[:] = True
        self._holds[self._whose[broken]] = False
        self._times[self._ticks] = at.timestamp()
        self._held[self._ticks] = self._holds
        self._within[self._ticks] = self.spend <= self._budget
        self._restored[self._ticks] = restored
        self._ticks += 1

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """The true objective readings of this tick, by service and signal."""
        found: dict[str, dict[str, float]] = {name: {} for name in self.services}
        for (service, signal), value in zip(self._asked, self._readings.tolist(), strict=True):
            found[service][signal] = value
        return found

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

    @property
    def restored(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Per tick, whether all was so that the truth wants for a cure beside the objectives."""
        return self._restored[: self._ticks]

    def held(self, service: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return, per tick, whether the objectives held."""
        return self._held[: self._ticks, self._index[service]]

    def within(self, service: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return, per tick, whether the budget held."""
        return self._within[: self._ticks, self._index[service]]
