"""The Metrics port over a real Prometheus: one query per signal for the whole fleet, a few at a time."""

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.fleet import Fleet, Service
from config.servers import MetricsSettings
from tools.errors import Malformed, ToolError
from tools.live.prometheus_api import Answer, Deadline, PrometheusApi
from tools.promql import LabelNames, Selector, entity, promql
from tools.signal import Frame, SeriesKey, SignalSpec

THREADS = 4  # queries in flight
PATIENCE = 2.0  # a whole frame may take this many times the limit of one query
Readings = dict[str, float]  # by entity; NaN is NO DATA


def label_names(settings: MetricsSettings) -> LabelNames:
    """Return the labels as configured; both spellings of dcgm-exporter's host label are always understood."""
    hosts = dict.fromkeys((settings.gpu_node_label, "hostname", "Hostname"))
    return LabelNames(
        service=settings.service_label,
        replica=settings.replica_label,
        node=settings.node_label,
        gpu=settings.gpu_label,
        gpu_nodes=tuple(hosts),
        vendor=settings.vendor_label,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of one query: readings, or the failure that took their place; remarks either way."""

    readings: Readings
    problems: tuple[str, ...] = ()
    failure: ToolError | None = None


class PrometheusMetrics:
    """Implements ``tools.ports.Metrics``. Only guarded services are asked about and answered for."""

    def __init__(self, settings: MetricsSettings, fleet: Fleet) -> None:
        self._settings = settings
        self._fleet = fleet
        self._labels = label_names(settings)
        self._api = PrometheusApi(settings)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="prometheus")
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}  # entities by signal and query, as last answered
        self._keys: dict[tuple[str, ...], tuple[SeriesKey, ...]] = {}

    def close(self) -> None:
        """Close connections and threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._api.close()

    # -- the port --------------------------------------------------------------------------------------------------
    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        """Return every spec's values as of ``at``; raises only when not one query was answered.

        A query that fails is a problem of the frame, and its series read NaN.
        """
        asked = [spec for spec in specs if self._services(spec)]
        deadline = Deadline(PATIENCE * self._settings.timeout.total_seconds())
        reads = list(self._pool.map(lambda spec: self._one(spec, at.timestamp(), deadline), asked))
        failures = [read.failure for read in reads if read.failure is not None]
        if failures and len(failures) == len(reads):
            raise failures[0]
        keys: list[SeriesKey] = []
        values: list[float] = []
        for spec, read in zip(asked, reads, strict=True):
            keys += [SeriesKey(spec.name, name) for name in read.readings]
            values += read.readings.values()
        problems = dict.fromkeys(itertools.chain.from_iterable(read.problems for read in reads))
        return Frame(at, self._same(specs, keys), np.array(values, dtype=np.float64), tuple(problems))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        """Return frames of one spec every ``step`` seconds; steps without any value are left out."""
        if not self._services(spec):
            return ()
        deadline = Deadline(PATIENCE * self._settings.timeout.total_seconds())
        span = (start.timestamp(), end.timestamp(), step)
        answer = self._api.query_range(self.query(spec), span, deadline)
        grid = np.arange(span[0], span[1] + 1e-6, step)
        names, table = self._table(spec, answer, grid, step)
        keys = tuple(SeriesKey(spec.name, name) for name in names)
        kept = np.flatnonzero(np.isfinite(table).any(axis=1)) if names else ()
        return tuple(
            Frame(datetime.fromtimestamp(float(grid[row]), UTC), keys, table[row], answer.remarks) for row in kept
        )

    def query(self, spec: SignalSpec) -> str:
        """Return the PromQL that a signal is read by, fit to be cited."""
        return promql(spec, self._labels, self._selector(spec), self._settings.lookback.total_seconds())

    # -- one query -------------------------------------------------------------------------------------------------
    def _one(self, spec: SignalSpec, at: float, deadline: Deadline) -> _Read:
        """Read one signal; a failure becomes a value, so that the others are not lost."""
        text = self.query(spec)
        known = (spec.name, text)
        try:
            answer = self._api.query(text, at, deadline)
            found, problems = self._readings(spec, answer)
        except ToolError as error:
            stale = dict.fromkeys(sorted({*self._expected(spec), *self._known.get(known, ())}), float("nan"))
            return _Read(stale, (f"{spec.name}: {error}",), error)
        self._known[known] = tuple(found)
        return _Read(found, (*answer.remarks, *problems))

    def _readings(self, spec: SignalSpec, answer: Answer) -> tuple[Readings, tuple[str, ...]]:
        if answer.kind != "vector":
            raise Malformed(f"Prometheus: a {answer.kind} where a vector was asked for")
        found = dict.fromkeys(self._expected(spec), float("nan"))
        seen: set[str] = set()
        problems = []
        for series in answer.series:
            name = self._entity(spec, series)
            if name is None:
                continue
            if name in seen:
                problems.append(f"{spec.name}: two series for {name}")
            found[name] = float("nan") if name in seen else _finite(series.get("value"))
            seen.add(name)
        return dict(sorted(found.items())), tuple(problems)

    def _table(
        self, spec: SignalSpec, answer: Answer, grid: NDArray[np.float64], step: float
    ) -> tuple[list[str], NDArray[np.float64]]:
        """Return the entities, sorted, and their values: float64 of shape (steps, entities), NaN where none."""
        if answer.kind != "matrix":
            raise Malformed(f"Prometheus: a {answer.kind} where a matrix was asked for")
        series = {name: s for s in answer.series if (name := self._entity(spec, s)) is not None}
        names = sorted({*series, *self._expected(spec)})
        table = np.full((len(grid), len(names)), np.nan)
        for column, name in enumerate(names):
            for pair in series.get(name, {}).get("values", ()):
                row = round((float(pair[0]) - grid[0]) / step)
                if 0 <= row < len(grid):
                    table[row, column] = _finite(pair)
        return names, table

    def _entity(self, spec: SignalSpec, series: Mapping[str, Any]) -> str | None:
        """Return whose series it is; None for one that belongs to nobody we guard."""
        try:
            labels = series["metric"]
            name = entity(spec.scope, self._labels, labels)
        except (KeyError, TypeError, AttributeError) as error:
            raise Malformed(f"Prometheus: a series without labels: {error}") from error
        if name is None or spec.scope in ("node", "gpu"):
            return name
        return name if any(s.name == labels[self._labels.service] for s in self._services(spec)) else None

    # -- whom to ask about -----------------------------------------------------------------------------------------
    def _services(self, spec: SignalSpec) -> list[Service]:
        return [service for service in self._fleet.services if service.kind in spec.kinds]

    def _expected(self, spec: SignalSpec) -> list[str]:
        """Return the entities that must have a reading: where it is missing, that is NO DATA and not absence."""
        match spec.scope:
            case "service":
                return [f"service/{service.name}" for service in self._services(spec)]
            case "vendor":
                return [f"vendor/{s.name}/{vendor}" for s in self._services(spec) for vendor in s.vendors]
            case _:
                return []

    def _selector(self, spec: SignalSpec) -> Selector:
        shared = dict(self._settings.selector or {})
        match spec.scope:
            case "node":
                return {**shared, self._labels.node: None}
            case "gpu":
                return {**shared, self._labels.gpu: None}
            case _:
                return {**shared, self._labels.service: tuple(service.name for service in self._services(spec))}

    def _same(self, specs: Sequence[SignalSpec], keys: Sequence[SeriesKey]) -> tuple[SeriesKey, ...]:
        """Return the keys, as the very object of the last frame of these specs while they are equal."""
        names = tuple(spec.name for spec in specs)
        made = tuple(keys)
        if self._keys.get(names) != made:
            self._keys[names] = made
        return self._keys[names]


def _finite(pair: Any) -> float:
    """Return the value of a sample ``[instant, "value"]``; NaN for NaN and infinities."""
    try:
        value = float(pair[1])
    except (TypeError, ValueError, IndexError) as error:
        raise Malformed(f"Prometheus: {pair!r} is no sample") from error
    return value if np.isfinite(value) else float("nan")
