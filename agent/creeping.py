"""Creeping: which promised signals grow from working day to working day, and in how many days a promise will break."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agent.case import Anomaly
from agent.eyes.columns import State
from agent.eyes.trend import SURE, Creep, Trend, days_left
from agent.observe import Observation
from config.fleet import Fleet
from tools.signal import SeriesKey

TREND = "trend"
HORIZON = 7.0  # days within which a broken promise is told the next morning; later ones wait for the week's digest
FULL = {"kv_cache": 1.0}  # what is exhausted there, promised or not
LATE = frozenset(("accuracy",))  # labelled later, and watched by its own rule


class Creeping:
    """Forecasts, at the end of every working day, from the same hours of the days before."""

    def __init__(self, fleet: Fleet) -> None:
        promised = {
            SeriesKey(objective.signal, f"service/{service.name}"): objective.target
            for service in fleet.services
            for objective in service.objectives
            if objective.bound == "below" and objective.signal not in LATE
        }
        full = {SeriesKey(name, f"service/{one.name}"): most for one in fleet.services for name, most in FULL.items()}
        limits = {**full, **promised}
        self._keys, self._limits = tuple(limits), np.array(list(limits.values()))
        self._trend = Trend(len(limits))
        self._frame_keys: tuple[SeriesKey, ...] | None = None
        self._places = np.empty(0, np.intp)

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return what creeps, once at the end of a working day."""
        if seen.frame.keys is not self._frame_keys:
            self._frame_keys = seen.frame.keys
            place = {key: place for place, key in enumerate(seen.frame.keys)}
            self._places = np.array([place.get(key, -1) for key in self._keys], np.intp)
        values = np.append(seen.frame.values, np.nan)[self._places]
        found = self._trend.update(seen.at.timestamp(), values)
        if found is None:
            return ()
        left = days_left(found, self._limits)
        rising = np.flatnonzero(found.creeps & (found.pace > 0)).tolist()
        return tuple(self._told(row, seen.at, found, float(left[row])) for row in rising)

    def state(self) -> tuple[State, list[list[str]]]:
        """Return the arrays, and whose they are."""
        return self._trend.of, [list(key) for key in self._keys]

    def restore(self, arrays: Mapping[str, NDArray[Any]], keys: list[list[str]]) -> None:
        """Go on from ``state``; ``ValueError`` when it is of other promises."""
        if keys != [list(key) for key in self._keys]:
            raise ValueError("saved state does not fit: Creeping")
        self._trend.restore(arrays)

    def _told(self, row: int, at: datetime, found: Creep, left: float) -> Anomaly:
        key, limit = self._keys[row], float(self._limits[row])
        pace, peak = float(found.pace[row]), float(found.peak[row])
        when = f"reaches {limit:.4g} in about {left:.0f} days" if left <= 30 else f"far from {limit:.4g}"
        tier: Literal["daily", "weekly"] = "daily" if left <= HORIZON else "weekly"
        return Anomaly(
            at=at,
            onset_at=at,
            signal=key.signal,
            entity=key.entity,
            value=peak,
            expected=peak - 2 * pace,
            threshold=limit,
            score=abs(float(found.share[row])) / SURE,
            detector=TREND,
            tier=tier,
            reason=f"creeps up by {pace:.3g} a day, {when}",
        )
