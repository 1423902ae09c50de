"""Departures: what leaves its own past or burns a promise too fast, on every series of a tick at once.

Departures break no promise: they are told in digests and beside incidents, and open none. Burning budgets do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agent.case import Anomaly
from agent.eyes.budget import budget
from agent.eyes.burn import Burn
from agent.eyes.columns import State
from agent.eyes.engine import Alarm, Engine, Eyes
from agent.eyes.roster import Roster
from agent.eyes.saved import named, under
from agent.eyes.week import WeeklyEyes
from agent.habits import JOINT, Habits
from agent.observe import Observation
from config.eyes import EyesSettings
from config.fleet import Cadence, Fleet
from tools.signal import SeriesKey

DEPARTURE, BURN = "departure", "burn"
CODES = frozenset(("xid", "node_ready", "hw_thermal"))  # words of a machine, not amounts: their own rules read them
SHARE = "error_ratio"


class Departures:
    """The columnar eyes over every series that a tick brings; an alarm is told once."""

    def __init__(self, fleet: Fleet, cadence: Cadence, settings: EyesSettings) -> None:
        self._fleet, self._seconds = fleet, cadence.tick.total_seconds()
        self._borne = budget(settings.budget)
        self._engine = settings.engine
        self._roster, self._habits = Roster(_engine(self._engine, np.inf)), Habits(fleet)
        self._keys: tuple[SeriesKey, ...] | None = None
        self._kept: tuple[SeriesKey, ...] = ()
        self._places = np.empty(0, np.intp)

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return what departs as of now."""
        if seen.frame.keys is not self._keys:
            self._compile(seen.frame.keys)
        values = np.append(seen.frame.values[self._places], self._habits.update(seen))
        step = self._roster.update(seen.at.timestamp(), self._kept, values)
        return tuple(self._told(alarm) for alarm in step.alarms)

    def state(self) -> tuple[State, Any]:
        """Return the arrays, and whose their rows are."""
        arrays, signals = self._habits.state()
        keys = [list(key) for key in self._roster.keys if isinstance(key, SeriesKey)]
        return {**named("roster", self._roster.state()), **named("habits", arrays)}, {"keys": keys, "signals": signals}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Any) -> None:
        """Go on from ``state``; ``ValueError`` when it does not fit."""
        fresh = Roster(_engine(self._engine, self._roster.eyes.threshold))
        fresh.restore([SeriesKey(*key) for key in words["keys"]], under("roster", arrays))
        self._habits.restore(under("habits", arrays), words["signals"])
        self._roster, self._keys = fresh, None

    def _compile(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        places = [place for place, key in enumerate(keys) if key.signal not in CODES]
        self._kept = (*(keys[place] for place in places), *self._habits.keys)
        self._places = np.array(places, np.intp)
        whose = 1 if self._borne.whom == "fleet" else len(self._fleet.services)
        self._roster.eyes.threshold = self._borne.threshold(self._seconds, max(1, round(len(self._kept) / whose)))

    def _told(self, alarm: Alarm) -> Anomaly:
        key = self._roster.keys[alarm.series]
        if not isinstance(key, SeriesKey):
            raise TypeError(f"no key of a series: {key!r}")
        return Anomaly(
            at=datetime.fromtimestamp(alarm.at, UTC),
            onset_at=datetime.fromtimestamp(alarm.onset_at, UTC),
            signal=key.signal,
            entity=key.entity,
            value=alarm.value,
            expected=alarm.expected,
            threshold=alarm.threshold,
            score=alarm.score / alarm.threshold,
            detector=DEPARTURE,
            tier=_tier(key.entity),
            reason=alarm.reason if key.signal != JOINT else self._habits.reason(key.entity),
        )


def _engine(name: str, threshold: float) -> Engine:
    if name == "numpy":
        return WeeklyEyes(Eyes(0, threshold))
    from agent.eyes.tensors import TensorEyes

    return WeeklyEyes(TensorEyes(0, threshold, "cuda" if name == "torch-cuda" else "cpu"))


def _tier(entity: str) -> Literal["daily", "weekly"]:
    """What a user of a service may feel is told the next day; the rest can wait for the week's digest."""
    return "daily" if entity.startswith("service/") else "weekly"


@dataclass(frozen=True, slots=True)
class _Promise:
    service: str
    target: float


class Burning:
    """How fast error budgets are spent: catches errors that come and go, too short for a breach each time."""

    def __init__(self, fleet: Fleet, cadence: Cadence) -> None:
        self._tick = cadence.tick
        self._promises = [
            _Promise(service.name, objective.target)
            for service in fleet.services
            for objective in service.objectives
            if objective.signal == SHARE and objective.bound == "below"
        ]
        self._keys: tuple[SeriesKey, ...] | None = None
        self._places: tuple[NDArray[np.intp], ...] = ()
        self._burn = Burn(np.array([1 - promise.target for promise in self._promises]), self._tick.total_seconds())

    def update(self, seen: Observation) -> tuple[Anomaly, ...]:
        """Take one observation; return the budgets that burn."""
        if not self._promises:
            return ()
        if seen.frame.keys is not self._keys:
            self._keys, place = seen.frame.keys, {key: place for place, key in enumerate(seen.frame.keys)}
            self._places = tuple(
                np.array([place.get(SeriesKey(signal, f"service/{each.service}"), -1) for each in self._promises])
                for signal in (SHARE, "requests")
            )
        values = np.append(np.where(np.isfinite(seen.frame.values), seen.frame.values, np.nan), np.nan)  # -1: NO DATA
        shares, answers = (values[places] for places in self._places)
        answers *= self._tick.total_seconds()
        found = self._burn.update(answers, answers * np.clip(shares, 0.0, 1.0))
        return tuple(
            self._told(place, seen.at, found.pace[place], found.threshold[place], int(found.lasted[place]))
            for place in np.flatnonzero(found.alarms).tolist()
        )

    def state(self) -> tuple[State, list[str]]:
        """Return the arrays, and whose they are."""
        return dict(self._burn.state()), [promise.service for promise in self._promises]

    def restore(self, arrays: Mapping[str, NDArray[Any]], services: list[str]) -> None:
        """Go on from ``state``; ``ValueError`` when it is of other services or another tick."""
        if services != [promise.service for promise in self._promises]:
            raise ValueError("saved state does not fit: Burning")
        self._burn.restore(arrays)

    def _told(self, place: int, at: datetime, pace: float, limit: float, lasted: int) -> Anomaly:
        promise = self._promises[place]
        return Anomaly(
            at=at,
            onset_at=at - self._tick * max(0, lasted - 1),
            signal=SHARE,
            entity=f"service/{promise.service}",
            value=float(pace * promise.target),
            expected=promise.target,
            threshold=float(limit * promise.target),
            score=float(pace / limit),
            detector=BURN,
        )
