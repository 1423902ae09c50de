"""Looking: one tick reads metrics and topology, and now and then the inference log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent.judged import HOURS, QUALITY_WINDOW, STEPPED, Falls, QualityReading, fallen, stepped, wilson
from agent.lateness import Lateness
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

LUCK = 1e-6  # chance below which an observation is no luck


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
        self._late = {service.name: Lateness() for service in fleet.services}
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
        found = {name: reading for service in services for name, reading in self._judge(service, now)}
        self._falls.note({service.name: found.get(service.name) for service in services}, now)
        self._quality = self._tried.instead(self._fleet.services, {**others, **found}, now)

    def _judge(self, service: Service, now: datetime) -> list[tuple[str, QualityReading]]:
        if not any(objective.signal == "accuracy" for objective in service.objectives):
            return []
        late = self._late[service.name]
        reading = accuracy(self._senses.log, service.name, now - late.reach, now)
        stands = late.take(now, reading.newest_at if reading else None)
        if reading is None or not stands:
            return []
        return [(service.name, _stepped(self._senses.log, service, _unsure(self._senses.log, service, reading)))]


def accuracy(
    log: InferenceLog, service: str, since: datetime, now: datetime, version: str = ""
) -> QualityReading | None:
    """Return accuracy on the newest ``QUALITY_WINDOW`` of labelled answers since then, optionally of one version."""
    try:
        rows = log.window(service, since, now, labelled=True)
    except ToolError:
        return None
    known = np.isfinite(rows.labels)
    if version:
        known &= rows.version == version
    if not known.any():
        return None
    newest = float(rows.at[known].max())
    known &= rows.at > newest - QUALITY_WINDOW.total_seconds()
    right = (rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5)
    count, share = int(known.sum()), float(right.mean())
    low, high = wilson(share, count)
    echo = share == 1.0 and _too_good(log, service, count)
    return QualityReading(now, count, share, low, high, echo, datetime.fromtimestamp(newest, now.tzinfo))


def _unsure(log: InferenceLog, service: Service, reading: QualityReading) -> QualityReading:
    """Look at the hours before where accuracy is below its target, and not surely: did it fall?"""
    target = next(objective.target for objective in service.objectives if objective.signal == "accuracy")
    if not reading.accuracy < target <= reading.high or reading.newest_at is None:
        return reading
    try:
        rows = log.window(service.name, reading.newest_at - HOURS[0], reading.newest_at - HOURS[1], labelled=True)
    except ToolError:
        return reading
    known = np.isfinite(rows.labels)
    return fallen(reading, ((rows.scores >= 0.5) == (rows.labels >= 0.5))[known])


def _stepped(log: InferenceLog, service: Service, reading: QualityReading) -> QualityReading:
    """Look since when accuracy is down where it is, and whether it came down in one step."""
    target = next(objective.target for objective in service.objectives if objective.signal == "accuracy")
    if not reading.misses(target) or reading.newest_at is None:
        return reading
    try:
        rows = log.window(service.name, reading.newest_at - STEPPED, reading.at, labelled=True)
    except ToolError:
        return reading
    known = np.isfinite(rows.labels)
    at = stepped(rows.at[known], ((rows.scores >= 0.5) == (rows.labels >= 0.5))[known])
    return reading if at is None else replace(reading, stepped_at=datetime.fromtimestamp(at, reading.at.tzinfo))


def _too_good(log: InferenceLog, service: str, count: int) -> bool:
    """Whether so many right answers without a wrong one are no luck, by how well the model did when it was accepted."""
    try:
        rows = log.reference(service)
    except ToolError:
        return False
    known = np.isfinite(rows.labels)
    right = ((rows.scores >= 0.5) == (rows.labels >= 0.5))[known]
    return len(right) > 0 and float(right.mean()) ** count < LUCK
