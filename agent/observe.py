"""Looking: one tick reads metrics and topology, and now and then the inference log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent.judged import Falls, QualityReading
from agent.labelled import Labelled
from agent.remarks import Remark
from agent.rollouts import Rollouts, stuck_rollouts
from agent.shown import Shown, Spoiled
from agent.skewed import Skewed
from agent.tried import Tried
from config.fleet import Cadence, Fleet, Service
from tools.catalogue import OWN_USE, SIGNALS
from tools.clock import Clock
from tools.errors import ToolError
from tools.ports import Cluster, InferenceLog, Metrics, Registry, Serving
from tools.signal import Frame, SeriesKey
from tools.topology import Topology


@dataclass(frozen=True, slots=True)
class Senses:
    """The read ports, handed in. Registry, log and serving may raise ``Absent``."""

    metrics: Metrics
    cluster: Cluster
    registry: Registry
    log: InferenceLog
    serving: Serving
    clock: Clock


@dataclass(frozen=True, slots=True)
class Observation:
    """What one tick saw."""

    at: datetime
    frame: Frame
    topology: Topology
    quality: Mapping[str, QualityReading] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    places: Mapping[SeriesKey, int] = field(default_factory=dict)
    spoiled: Spoiled = field(default_factory=dict)  # columns that models are shown, by service
    rollouts: Rollouts = field(default_factory=dict)  # that stand still, by service
    remarks: Mapping[str, tuple[Remark, ...]] = field(default_factory=dict)  # of inference logs, by service

    def value(self, signal: str, entity: str) -> float | None:
        """Return a reading; None for NO DATA."""
        if signal == "accuracy":
            reading = self.quality.get(entity.removeprefix("service/"))
            return reading.accuracy if reading else None
        place = self.places.get(SeriesKey(signal, entity))
        if place is None:
            return None
        value = float(self.frame.values[place])
        return value if np.isfinite(value) else None


class Series:
    """The same readings tick after tick: where they lie is looked up once for as long as the set of series stays."""

    def __init__(self, keys: Iterable[SeriesKey]) -> None:
        self.keys = tuple(keys)
        self._of: Mapping[SeriesKey, int] | None = None
        self._places = np.empty(0, np.intp)

    def read(self, seen: Observation) -> NDArray[np.float64]:
        """Return a reading of each key; NaN for NO DATA."""
        if seen.places is not self._of:
            self._of = seen.places
            self._places = np.array([seen.places.get(key, -1) for key in self.keys], np.intp)
        values = np.append(seen.frame.values, np.nan)[self._places]  # -1: the last
        return np.where(np.isfinite(values), values, np.nan)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an analyst is shown: the fleet, the newest observation and some before it, and the senses."""

    fleet: Fleet
    observation: Observation
    history: tuple[Observation, ...]  # oldest first, the newest included
    senses: Senses
    now: datetime


class Observer:
    """Looks once per tick; keeps what changes slowly."""

    def __init__(self, senses: Senses, fleet: Fleet, cadence: Cadence) -> None:
        self._senses, self._fleet, self._cadence = senses, fleet, cadence
        self._keys: tuple[SeriesKey, ...] = ()
        self._places: dict[SeriesKey, int] = {}
        self._quality: Mapping[str, QualityReading] = {}
        self._looked_at: datetime | None = None
        self._labelled = Labelled(senses.log)
        self._shown = Shown(senses.log, tuple(s.name for s in fleet.services if s.model), cadence.logs)
        self._falls = Falls()
        self._tried = Tried(senses.registry)
        self._skewed = Skewed(senses.log, senses.registry, fleet.services, cadence.quality)
        self._hosts = tuple(f"service/{name}" for name in sorted(fleet.hosts))

    def look(self) -> Observation:
        """Return what is seen now; raises ``ToolError`` when metrics or cluster cannot be read."""
        now = self._senses.clock.now()
        frame = self._senses.metrics.read(SIGNALS, now)
        topology = self._senses.cluster.topology()
        if frame.keys is not self._keys:
            self._keys = frame.keys
            self._places = {key: place for place, key in enumerate(frame.keys)}
        if self._hosts:
            frame = self._own(frame, now)
        if self._looked_at is None or now - self._looked_at >= self._cadence.quality:
            self._looked_at = now
            self._judge_all(self._fleet.services, {}, now)
        elif falling := self._falls.names:
            self._judge_all([s for s in self._fleet.services if s.name in falling], self._quality, now)
        quality = self._skewed.instead(self._quality, topology, now)
        spoiled = self._shown.look(now)
        rollouts = stuck_rollouts(topology, self._senses.metrics, now)
        return Observation(now, frame, topology, quality, frame.problems, self._places, spoiled, rollouts)

    def _own(self, frame: Frame, now: datetime) -> Frame:
        """Put in what services use themselves where batch work shares their GPUs: the device's use is of both."""
        try:
            told = self._senses.metrics.read((OWN_USE,), now)
            own = {key.entity: value for key, value in zip(told.keys, told.values, strict=True)}
        except ToolError:
            own = {}
        values = frame.values.copy()
        for host in self._hosts:
            if (place := self._places.get(SeriesKey(OWN_USE.name, host))) is not None:
                values[place] = own.get(host, np.nan)
        return replace(frame, values=values)

    def _judge_all(self, services: Sequence[Service], others: Mapping[str, QualityReading], now: datetime) -> None:
        """Judge some services anew, and note whose accuracy is falling."""
        judged = {service.name: self._labelled.judge(service, now) for service in services}
        found = {name: reading for name, reading in judged.items() if reading is not None}
        self._falls.note(judged, now)
        self._quality = self._tried.instead(self._fleet.services, {**others, **found}, now)
