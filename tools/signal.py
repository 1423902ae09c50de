"""Signals: what is measured, as data that two evaluators read.

A ``SignalSpec`` says how one number per entity is computed from raw metrics. ``tools.promql`` compiles it to PromQL for
a real Prometheus; the simulator evaluates the same tree over its columns. One definition, two evaluators.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.fleet import ServiceKind
from config.frozen import Frozen

USUAL_WINDOW = 120  # seconds that a rate looks back

Scope = Literal["service", "replica", "node", "gpu", "vendor"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A raw metric by its exposed name, with equality matchers, e.g. ``Metric("vllm:num_requests_waiting")``."""

    name: str
    where: tuple[tuple[str, str], ...] = ()  # label = value
    unless: tuple[tuple[str, str], ...] = ()  # label != value


@dataclass(frozen=True, slots=True)
class Gauge:
    """Aggregate of the present values of a gauge over the series of an entity."""

    metric: Metric
    over: Literal["sum", "max", "min", "avg"] = "sum"


@dataclass(frozen=True, slots=True)
class Rate:
    """Per-second increase of a counter, resets tolerated, summed over the series of an entity."""

    metric: Metric
    seconds: int = USUAL_WINDOW


@dataclass(frozen=True, slots=True)
class Quantile:
    """Quantile of a classic histogram: ``metric`` is the base name, without ``_bucket``."""

    q: float
    metric: Metric
    seconds: int = USUAL_WINDOW


@dataclass(frozen=True, slots=True)
class Ratio:
    """``above / below``. An absent numerator counts as 0 where the denominator is present; 0 / 0 is NO DATA."""

    above: Gauge | Rate
    below: Gauge | Rate
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Join:
    """Sum over the series of an entity of ``left * right``, matched many to one on the label ``on``."""

    left: Metric
    right: Metric
    on: str


Expr = Gauge | Rate | Quantile | Ratio | Join


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One signal: a name, whose it is, and how it is computed."""

    name: str
    scope: Scope
    expr: Expr
    unit: str
    about: str
    kinds: tuple[ServiceKind, ...] = tuple(ServiceKind)


def metric_names(spec: SignalSpec) -> tuple[str, ...]:
    """Return the raw metrics that a signal is computed from, by the names that exporters give them."""
    match spec.expr:
        case Gauge(metric=metric) | Rate(metric=metric):
            names = [metric.name]
        case Quantile(metric=metric):
            names = [f"{metric.name}_bucket"]
        case Ratio(above=above, below=below):
            names = [above.metric.name, below.metric.name]
        case Join(left=left, right=right):
            names = [left.name, right.name]
    return tuple(dict.fromkeys(names))


class SeriesKey(NamedTuple):
    """Name of one series: ``("ttft_p95", "service/chat")``.

    Entities: ``service/S``, ``replica/S/POD``, ``node/N``, ``gpu/N/INDEX``, ``vendor/S/V``.
    """

    signal: str
    entity: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One reading of many series. ``values`` is float64 of shape (len(keys),); NaN is NO DATA.

    ``keys`` is the *same object* from frame to frame while the set of series does not change, so that readers may keep
    index arrays. ``problems`` names partial answers and warnings; a frame with problems is never proof of health.
    """

    at: datetime
    keys: tuple[SeriesKey, ...]
    values: NDArray[np.float64]
    problems: tuple[str, ...] = ()


class SignalState(StrEnum):
    """What a reading says about its objective."""

    OK = "ok"
    BAD = "bad"
    NO_DATA = "no_data"


class Signal(Frozen):
    """One measured window of one entity, fit to be cited: made from a ``Frame`` only where somebody will read it."""

    name: str
    entity: str
    at: datetime
    value: float | None
    state: SignalState
    query: str = ""
