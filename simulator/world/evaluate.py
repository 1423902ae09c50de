"""Evaluates signal trees over the columns of the store.

``compile_specs`` turns specs into flat index arrays once per topology; ``Program.run`` is then a few vectorised steps,
whatever the number of specs. Meanings are those of Prometheus: a rate looks at the scrapes in ``(at - window, at]``,
a quantile interpolates linearly inside its bucket, an entity without a present sample reads NaN.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.world.store import Axis, Family, Floats, Store
from tools.promql import DCGM_BLANK
from tools.signal import Gauge, Join, Metric, Quantile, Rate, Ratio, Scope, SeriesKey, SignalSpec

Ints = NDArray[np.intp]
Labels = Mapping[Axis, Mapping[int, Mapping[str, str]]]  # labels of every row that is alive
LOOKBACK = 300.0  # seconds for which a gauge is believed

_ENTITY: dict[Scope, tuple[tuple[str, ...], str]] = {
    "service": (("service",), "service/{}"),
    "replica": (("service", "pod"), "replica/{}/{}"),
    "node": (("node",), "node/{}"),
    "gpu": (("hostname", "gpu"), "gpu/{}/{}"),  # older nodes say Hostname
    "vendor": (("service", "vendor"), "vendor/{}/{}"),
}
_Groups = dict[str, list[int]]


class _Segments:
    """Columns gathered from one source, cut into one run per value wanted."""

    def __init__(self) -> None:
        self.columns: list[int] = []
        self.starts: list[int] = []

    def add(self, columns: Iterable[int]) -> int:
        self.starts.append(len(self.columns))
        self.columns.extend(columns)
        return len(self.starts) - 1


class _Source:
    def __init__(self, segments: _Segments) -> None:
        self.columns = np.array(segments.columns, dtype=np.intp)
        self.starts = np.array(segments.starts, dtype=np.intp)
        self.sizes = np.diff(self.starts, append=len(self.columns)).astype(np.float64)


@dataclass
class _Quantiles:
    edges: Floats
    segments: list[list[tuple[float, int]]] = field(default_factory=list)


class _Compiler:
    def __init__(self, store: Store, labels: Labels) -> None:
        self.store = store
        self.labels = labels
        self.sources: dict[float, _Segments] = {}  # window seconds; 0 is the present
        self.products: tuple[list[int], list[int], list[int]] = ([], [], [])  # left, right, starts
        self.keys: list[SeriesKey] = []
        self.plans: list[tuple[Ints, Callable[[_Totals], Floats]]] = []

    # -- selection -------------------------------------------------------------------------------------------------
    def _rows(self, family: Family) -> Iterable[tuple[int, Mapping[str, str]]]:
        for row, labels in self.labels.get(family.axis, {}).items():
            if family.only in ("", labels.get("kind", "")):
                yield row, labels

    def _matches(self, metric: Metric, labels: Mapping[str, str]) -> bool:
        if not metric.where and not metric.unless:
            return True
        return all(labels.get(k) == v for k, v in metric.where) and all(labels.get(k) != v for k, v in metric.unless)

    def select(self, metric: Metric, scope: Scope) -> _Groups:
        """Return columns by entity."""
        names, pattern = _ENTITY[scope]
        groups: _Groups = {}
        for family in self.store.families.get(metric.name, ()):
            for row, labels in self._rows(family):
                found = [labels.get(name) or labels.get(name.capitalize()) for name in names]
                if not all(found):
                    continue
                entity = pattern.format(*found)
                for column, variant in zip(family.columns(row), family.variants, strict=True):
                    if self._matches(metric, {**labels, **dict(variant)} if variant else labels):
                        groups.setdefault(entity, []).append(column)
        return groups

    def source(self, seconds: float) -> _Segments:
        return self.sources.setdefault(float(seconds), _Segments())

    # -- one spec --------------------------------------------------------------------------------------------------
    def spec(self, spec: SignalSpec) -> None:
        match spec.expr:
            case Gauge() | Rate() as leaf:
                self._leaf(spec, leaf)
            case Quantile() as quantile:
                self._quantile(spec, quantile)
            case Ratio() as ratio:
                self._ratio(spec, ratio)
            case Join() as join:
                self._join(spec, join)

    def _out(self, spec: SignalSpec, entities: Iterable[str]) -> Ints:
        start = len(self.keys)
        self.keys.extend(SeriesKey(spec.name, entity) for entity in entities)
        return np.arange(start, len(self.keys))

    def _segments(self, leaf: Gauge | Rate, groups: _Groups) -> tuple[float, Ints]:
        seconds = 0.0 if isinstance(leaf, Gauge) else float(leaf.seconds)
        source = self.source(seconds)
        return seconds, np.array([source.add(columns) for columns in groups.values()], dtype=np.intp)

    def _leaf(self, spec: SignalSpec, leaf: Gauge | Rate) -> None:
        groups = self.select(leaf.metric, spec.scope)
        if not groups:
            return
        seconds, segments = self._segments(leaf, groups)
        over = leaf.over if isinstance(leaf, Gauge) else "sum"
        self.plans.append((self._out(spec, groups), lambda totals: totals.fold(seconds, segments, over)))

    def _ratio(self, spec: SignalSpec, ratio: Ratio) -> None:
        below = self.select(ratio.below.metric, spec.scope)
        above = self.select(ratio.above.metric, spec.scope)
        if not below:
            return
        under_at, under = self._segments(ratio.below, below)
        over_at, over = self._segments(ratio.above, {e: above[e] for e in below if e in above})
        has = np.array([i for i, entity in enumerate(below) if entity in above], dtype=np.intp)
        ways = (_way(ratio.above), _way(ratio.below))

        def evaluate(totals: "_Totals") -> Floats:
            denominator = totals.fold(under_at, under, ways[1])
            numerator = np.zeros(len(denominator))
            if len(has):
                numerator[has] = np.nan_to_num(totals.fold(over_at, over, ways[0]))
            return np.where(
                denominator > 0, ratio.scale * numerator / np.where(denominator > 0, denominator, 1), np.nan
            )

        self.plans.append((self._out(spec, below), evaluate))

    def _quantile(self, spec: SignalSpec, quantile: Quantile) -> None:
        base = Metric(f"{quantile.metric.name}_bucket", quantile.metric.where, quantile.metric.unless)
        groups = self.select(base, spec.scope)
        if not groups:
            return
        edges = np.array(self.store.families[base.name][0].edges)
        width = len(edges) + 1
        source = self.source(quantile.seconds)
        segments = np.array(
            [[source.add(columns[i::width]) for i in range(width)] for columns in groups.values()], dtype=np.intp
        )
        self.plans.append(
            (
                self._out(spec, groups),
                lambda totals: interpolate(quantile.q, edges, totals.fold(quantile.seconds, segments, "sum")),
            )
        )

    def _join(self, spec: SignalSpec, join: Join) -> None:
        right = self._by_label(join.right, join.on)
        left_of: dict[int, str] = {c: value for value, cs in self._by_label(join.left, join.on).items() for c in cs}
        groups = self.select(join.left, spec.scope)
        lefts, rights, starts = self.products
        kept = []
        for entity, columns in groups.items():
            pairs = [(c, right[left_of[c]][0]) for c in columns if left_of.get(c) in right]
            if pairs:
                kept.append(entity)
                starts.append(len(lefts))
                lefts.extend(a for a, _ in pairs)
                rights.extend(b for _, b in pairs)
        first = len(starts) - len(kept)
        segments = np.arange(first, len(starts))
        if kept:
            self.plans.append((self._out(spec, kept), lambda totals: totals.products[segments]))

    def _by_label(self, metric: Metric, label: str) -> _Groups:
        groups: _Groups = {}
        for family in self.store.families.get(metric.name, ()):
            for row, labels in self._rows(family):
                if label in labels and self._matches(metric, labels):
                    groups.setdefault(labels[label], []).extend(family.columns(row))
        return groups


def _way(leaf: Gauge | Rate) -> str:
    return leaf.over if isinstance(leaf, Gauge) else "sum"


def interpolate(q: float, edges: Floats, cumulative: Floats) -> Floats:
    """Return quantiles of classic histograms. ``cumulative`` is (n, len(edges) + 1), last column +Inf; NaN: no sample.

    >>> interpolate(0.5, np.array([1.0, 2.0]), np.array([[0.0, 10.0, 10.0]]))
    array([1.5])
    """
    counts = np.maximum.accumulate(cumulative, axis=1)
    total = counts[:, -1]
    rank = q * total
    place = np.minimum((counts < rank[:, None]).sum(axis=1), len(edges) - 1)
    rows = np.arange(len(counts))
    low = np.where(place > 0, counts[rows, place - 1], 0.0)
    floor = np.where(place > 0, edges[place - 1], 0.0)
    inside = np.maximum(counts[rows, place] - low, 1e-12)
    value = floor + (edges[place] - floor) * np.clip((rank - low) / inside, 0.0, 1.0)
    return np.where(total > 1e-12, value, np.nan)


class _Totals:
    """Sums and counts of every segment of one reading."""

    def __init__(self, program: "Program", place: int, at: float) -> None:
        self._sums: dict[float, tuple[Floats, Floats]] = {}
        self._raw: dict[float, Floats] = {}
        self._extremes: dict[tuple[float, str], Floats] = {}  # of this reading, as they are first asked for
        self._program = program
        row = program.store.ring[place]
        for seconds, source in program.sources.items():
            x = row[source.columns] if seconds == 0 else rates(program.store, source.columns, at, seconds)
            present = x < DCGM_BLANK  # neither missing nor dcgm's "no value"
            if present.all():  # as ever, but at the start of series
                counts, sums = source.sizes, np.add.reduceat(x, source.starts)
            else:
                counts = np.add.reduceat(present, source.starts, dtype=np.float64)
                sums = np.add.reduceat(np.where(present, x, 0.0), source.starts)
                sums[counts == 0] = np.nan
                x = np.where(present, x, np.nan)
            self._sums[seconds] = (sums, counts)
            self._raw[seconds] = x
        lefts, rights, starts = program.products
        self.products = np.add.reduceat(np.nan_to_num(row[lefts] * row[rights]), starts) if len(starts) else np.empty(0)

    def fold(self, seconds: float, segments: Ints, over: str) -> Floats:
        """Return one value per segment."""
        sums, counts = self._sums[seconds]
        if over == "sum":
            return sums[segments]
        if over == "avg":
            return sums[segments] / np.maximum(counts[segments], 1)
        if (seconds, over) not in self._extremes:
            way = np.fmax if over == "max" else np.fmin
            self._extremes[seconds, over] = way.reduceat(self._raw[seconds], self._program.sources[seconds].starts)
        return self._extremes[seconds, over][segments]


def rates(store: Store, columns: Ints, at: float, seconds: float) -> Floats:
    """Return per-second increases over the scrapes in the window, resets tolerated; NaN below two samples."""
    places = store.places(at, seconds)
    if len(places) < 2:
        return np.full(len(columns), np.nan)
    values = store.ring.ravel().take(places[:, None] * store.ring.shape[1] + columns)  # one gather: a tick's costliest
    rise = values[1:] - values[:-1]
    np.copyto(rise, values[1:], where=rise < 0)
    steps, known = np.diff(store.times[places]), ~np.isnan(rise)
    if known.all():  # as ever, but at the start of series
        return np.asarray(rise.sum(axis=0) / steps.sum())
    span = steps @ known
    rise[~known] = 0.0
    out: Floats = np.full(len(columns), np.nan)
    np.divide(rise.sum(axis=0), span, out=out, where=span > 0)
    return out


class Program:
    """Specs bound to columns; good while the set of series stays the same."""

    def __init__(self, compiler: _Compiler) -> None:
        self.store = compiler.store
        self.keys = tuple(compiler.keys)
        self.plans = tuple(compiler.plans)
        self.sources = {seconds: _Source(segments) for seconds, segments in compiler.sources.items() if segments.starts}
        left, right, starts = compiler.products
        self.products = tuple(np.array(part, dtype=np.intp) for part in (left, right, starts))

    def run(self, at: float) -> Floats:
        """Return one value per key as of ``at`` (POSIX seconds)."""
        out = np.full(len(self.keys), np.nan)
        places = self.store.places(at, LOOKBACK)
        if len(places):
            totals = _Totals(self, int(places[-1]), at)
            for where, evaluate in self.plans:
                out[where] = evaluate(totals)
        return out


def compile_specs(store: Store, labels: Labels, specs: Sequence[SignalSpec]) -> Program:
    """Bind specs to the columns of the rows that are alive now."""
    compiler = _Compiler(store, labels)
    for spec in specs:
        compiler.spec(spec)
    return Program(compiler)
