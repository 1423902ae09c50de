"""Habits: the signals of each service together, as one more series for the eyes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import State
from agent.eyes.joint import Joint
from agent.observe import Observation
from config.fleet import Fleet
from tools.signal import SeriesKey

JOINT = "together"  # name of that series


class Habits:
    """Lays the service signals of a tick out as (signals, services), and names what departs most."""

    def __init__(self, fleet: Fleet) -> None:
        self._services = [service.name for service in fleet.services]
        self.keys = tuple(SeriesKey(JOINT, f"service/{name}") for name in self._services)
        self._joint, self._signals = Joint(len(self._services)), list[str]()
        self._frame_keys: tuple[SeriesKey, ...] | None = None
        self._from = self._signal = self._service = np.empty(0, np.intp)

    def update(self, seen: Observation) -> NDArray[np.float64]:
        """Return the distance of each service from its habits, NaN where too little is known."""
        if seen.frame.keys is not self._frame_keys:
            self._compile(seen.frame.keys)
        values = np.full((len(self._signals), len(self._services)), np.nan)
        values[self._signal, self._service] = seen.frame.values[self._from]
        return self._joint.update(values).astype(np.float64)

    def reason(self, entity: str) -> str:
        """Return in words which signals departed most at the newest tick."""
        far = self._joint.far[:, self._services.index(entity.partition("/")[2])]
        first = sorted(range(len(far)), key=lambda place: (-abs(float(far[place])), self._signals[place]))[:3]
        parts = [f"{self._signals[place]} {far[place]:+.1f}" for place in first if abs(float(far[place])) >= 1]
        return f"moves together as it never did ({', '.join(parts)} spreads)" if parts else "moves as it never did"

    def state(self) -> tuple[State, list[str]]:
        """Return the arrays, and which signals their rows are."""
        return self._joint.of, self._signals

    def restore(self, arrays: Mapping[str, NDArray[Any]], signals: list[str]) -> None:
        """Go on from ``state``; ``ValueError`` when it is of another fleet."""
        fresh = Joint(len(self._services), len(signals))
        fresh.restore(arrays)
        self._joint, self._signals, self._frame_keys = fresh, list(signals), None

    def _compile(self, keys: tuple[SeriesKey, ...]) -> None:
        here = [
            (place, key.signal, self._services.index(name))
            for place, key in enumerate(keys)
            if key.entity.startswith("service/") and (name := key.entity.partition("/")[2]) in self._services
        ]
        fresh = sorted({signal for _, signal, _ in here} - set(self._signals))
        self._joint.widen(len(fresh))
        self._signals += fresh
        self._frame_keys = keys
        self._from = np.array([place for place, _, _ in here], np.intp)
        self._signal = np.array([self._signals.index(signal) for _, signal, _ in here], np.intp)
        self._service = np.array([service for _, _, service in here], np.intp)
