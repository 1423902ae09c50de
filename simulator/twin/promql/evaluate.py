"""Evaluates a parsed query at many steps at once.

Every part of a query becomes a scalar (S,), a vector (S, N) or a window of samples, S being the number of steps. The
parser is Prometheus' grammar as the package ``promql-parser`` has it. Rules of versions 2 and 3 differ at the left
edge of windows, and in how a counter near zero is extrapolated; ``Rules.modern`` chooses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import promql_parser as syntax

from simulator.twin.promql import aggregate, binary, functions, windows
from simulator.twin.promql.samples import (
    SAMPLE,
    Floats,
    Ints,
    Matcher,
    QueryError,
    Samples,
    UnsupportedError,
    Vector,
    empty,
    some,
)
from simulator.twin.promql.syntax import bare, matchers_of, matching, ms, parse, sure_labels, text
from simulator.twin.promql.windows import Window

MOST_STEPS = 11_000  # as Prometheus has it


class Source(Protocol):
    """Holds samples."""

    def select(self, matchers: Sequence[Matcher]) -> Samples:
        """Return the series that meet every condition."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose rules: ``lookback`` in ms is how long a sample is believed, ``subquery`` the step of a subquery without."""

    modern: bool = False
    lookback: int = 300_000
    subquery: int = 60_000


@dataclass(frozen=True, slots=True)
class Value:
    """What a query gives: ``kind`` is scalar, vector, matrix or string."""

    kind: str
    vector: Vector
    text: str = ""
    samples: Samples | None = None


def query(text: str, source: Source, at: int, rules: Rules = Rules()) -> Value:
    """Evaluate at one instant (ms)."""
    return _evaluated(parse(text), _Evaluator(source, np.array([at], dtype=np.int64), rules, (at, at)))


def query_range(text: str, source: Source, span: tuple[int, int, int], rules: Rules = Rules()) -> Value:
    """Evaluate at every step of (start, end, step) in ms, both ends included."""
    start, end, step = span
    if step <= 0:
        raise QueryError("zero or negative query resolution step widths are not accepted. Try a positive integer")
    if end < start:
        raise QueryError("end timestamp must not be before start time")
    if (end - start) // step >= MOST_STEPS:
        raise QueryError(f"exceeded maximum resolution of {MOST_STEPS:,} points per timeseries".replace(",", ""))
    tree = parse(text)
    if isinstance(tree, syntax.MatrixSelector | syntax.SubqueryExpr | syntax.StringLiteral):
        raise QueryError("invalid expression type for range query, must be Scalar or instant Vector")
    steps = np.arange(start, end + 1, step, dtype=np.int64)
    return _evaluated(tree, _Evaluator(source, steps, rules, (start, end)))


def _evaluated(tree: Any, work: "_Evaluator") -> Value:
    none = empty(len(work.steps))
    with np.errstate(all="ignore"):
        if isinstance(tree, syntax.StringLiteral):
            return Value("string", none, text=tree.val)
        if isinstance(tree, syntax.MatrixSelector | syntax.SubqueryExpr):
            return Value("matrix", none, samples=work.cut(tree))
        found = work.visit(tree)
    if isinstance(found, Vector):
        return Value("vector", found)
    return Value("scalar", Vector(({},), found[:, None], np.ones((len(found), 1), dtype=bool)))


Result = Floats | Vector
Shift = tuple[Ints, Ints]  # instants looked at, one per step; offset taken off


@dataclass(frozen=True, slots=True)
class _Evaluator:
    source: Source
    steps: Ints
    rules: Rules
    span: tuple[int, int]  # of the whole query, for start() and end()

    def visit(self, tree: Any) -> Result:
        match tree:
            case syntax.NumberLiteral():
                return np.full(len(self.steps), float(tree.val))
            case syntax.ParenExpr():
                return self.visit(tree.expr)
            case syntax.VectorSelector():
                return self._instant(tree)[0]
            case syntax.UnaryExpr():
                return self._negative(self.visit(tree.expr))
            case syntax.AggregateExpr():
                return self._aggregate(tree)
            case syntax.BinaryExpr():
                return self._binary(tree)
            case syntax.Call():
                return self._call(tree)
            case _:
                raise UnsupportedError(f"{type(tree).__name__} is not supported here")

    @staticmethod
    def _negative(value: Result) -> Result:
        return value.map(-value.values) if isinstance(value, Vector) else -value

    def vector(self, tree: Any) -> Vector:
        found = self.visit(tree)
        if not isinstance(found, Vector):
            raise QueryError("a scalar stands where an instant vector is expected")
        return found

    def scalar(self, tree: Any) -> Floats:
        found = self.visit(tree)
        if isinstance(found, Vector):
            raise QueryError("an instant vector stands where a scalar is expected")
        return found

    # -- selectors -------------------------------------------------------------------------------------------------
    def _times(self, tree: Any) -> Ints:
        """Return the instants that a selector looks at, one per step."""
        at = tree.at
        steps = self.steps
        if at is not None:
            kind = str(at.type).rpartition(".")[2]
            fixed = {"Start": self.span[0], "End": self.span[1]}.get(kind)
            instant = round(at.at.timestamp() * 1000) if fixed is None else fixed
            steps = np.full_like(steps, instant)
        return steps - ms(tree.offset)

    def _instant(self, tree: Any) -> tuple[Vector, Floats]:
        """Return the newest samples that are still believed, and their own instants in seconds."""
        times = self._times(tree)
        found = self.source.select(matchers_of(tree))
        if not len(found.times) or not found.labels:
            none = empty(len(self.steps))
            return none, none.values
        rows = np.where(found.state != 0, np.arange(len(found.times))[:, None], -1)
        newest = np.maximum.accumulate(rows, axis=0)
        places = np.searchsorted(found.times, times, side="right") - 1
        index = np.where(places[:, None] >= 0, newest[np.maximum(places, 0)], -1)
        taken = np.maximum(index, 0)
        stamps = found.times[taken]
        values = np.take_along_axis(found.values, taken, axis=0)
        alive = np.take_along_axis(found.state, taken, axis=0) == SAMPLE
        oldest = (times - self.rules.lookback)[:, None]
        has = (index >= 0) & alive & (stamps > oldest if self.rules.modern else stamps >= oldest)
        return _lean(Vector(found.labels, values, has)), (stamps / 1000.0)[:, some(has, 0)]

    def _range(self, tree: Any) -> tuple[Samples, Ints, int]:
        """Return samples, the windows' ends, one per step, and their length in ms."""
        tree = bare(tree)
        if isinstance(tree, syntax.SubqueryExpr):
            return self._subquery(tree)
        if not isinstance(tree, syntax.MatrixSelector):
            raise QueryError("a range vector is expected")
        selector = tree.vector_selector
        return self.source.select(matchers_of(selector)), self._times(selector), ms(tree.range)

    def _subquery(self, tree: Any) -> tuple[Samples, Ints, int]:
        ends, length = self._times(tree), ms(tree.range)
        step = ms(tree.step) or self.rules.subquery
        low, high = int(ends.min()) - length, int(ends.max())
        first = -(-low // step) * step
        if self.rules.modern and first == low:
            first += step
        grid = np.arange(first, high + 1, step, dtype=np.int64)
        if len(grid) > MOST_STEPS * 10:
            raise QueryError("the subquery has too many steps")
        if not len(grid):
            return Samples((), grid, np.empty((0, 0)), np.empty((0, 0), dtype=np.uint8)), ends, length
        inner = replace(self, steps=grid).visit(tree.expr)
        vector = inner if isinstance(inner, Vector) else Vector(({},), inner[:, None], np.ones((len(grid), 1), bool))
        return Samples(vector.labels, grid, vector.values, vector.has.astype(np.uint8)), ends, length

    def cut(self, tree: Any) -> Samples:
        """Return the samples of one window, as a bare range selector gives them."""
        samples, ends, length = self._range(tree)
        low, high = self._bounds(samples.times, int(ends[0]), length)
        part = slice(low, high)
        return Samples(samples.labels, samples.times[part], samples.values[part], samples.state[part])

    def _bounds(self, times: Ints, end: int, length: int) -> tuple[int, int]:
        # Both edges belong to a window; since version 3 the left one does not.
        low = end - length + (1 if self.rules.modern else 0)
        return int(np.searchsorted(times, low, side="left")), int(np.searchsorted(times, end, side="right"))

    def over(self, tree: Any, compute: Callable[[Window], windows.Out], *, keep_name: bool) -> Vector:
        """Apply a function to the window of every step."""
        samples, ends, length = self._range(tree)
        shape = (len(self.steps), len(samples.labels))
        values, has = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        if not samples.labels:
            return empty(len(self.steps))
        for i, end in enumerate(ends.tolist()):
            low, high = self._bounds(samples.times, end, length)
            if low < high:
                there = samples.state[low:high] == SAMPLE
                window = Window(
                    samples.times[low:high],
                    samples.values[low:high],
                    there,
                    end - length,
                    end,
                    int(self.steps[i]),
                    self.rules.modern,
                )
                found, known = compute(window)
                values[i], has[i] = found, known & there.any(axis=0)
        seen = Vector(samples.labels, values, has)
        return _lean(seen if keep_name else seen.map(values))

    # -- operators -------------------------------------------------------------------------------------------------
    def _aggregate(self, tree: Any) -> Vector:
        op, vector = str(tree.op), self.vector(tree.expr)
        modifier = tree.modifier
        without = modifier is not None and str(modifier.type).endswith("Without")
        groups = aggregate.groups(vector.labels, modifier.labels if modifier is not None else (), without=without)
        match op:
            case "topk" | "bottomk":
                return aggregate.ranked(op, vector, groups, np.trunc(self.scalar(tree.param)))
            case "count_values":
                return aggregate.count_values(text(tree.param), vector, groups)
            case _:
                return aggregate.fold(op, vector, groups, self.scalar(tree.param) if tree.param is not None else None)

    def _binary(self, tree: Any) -> Result:
        op = str(tree.op)
        rule = matching(tree.modifier)
        left, right = self.visit(tree.lhs), self.visit(tree.rhs)
        match left, right:
            case Vector(), Vector():
                way = binary.sets if op in binary.SETS else binary.vectors
                return way(op, left, right, rule)
            case Vector(), _:
                return binary.with_scalar(op, left, _plain(right), vector_left=True, as_bool=rule.as_bool)
            case _, Vector():
                return binary.with_scalar(op, right, _plain(left), vector_left=False, as_bool=rule.as_bool)
            case _:
                return binary.scalars(op, _plain(left), _plain(right))

    # -- functions -------------------------------------------------------------------------------------------------
    def _call(self, tree: Any) -> Result:
        name, args = tree.func.name, list(tree.args)
        if name in windows.PLAIN:
            return self.over(args[0], windows.PLAIN[name], keep_name=name in windows.KEEPS_NAME)
        if name in functions.ELEMENTWISE:
            vector = self.vector(args[0])
            return vector.map(functions.ELEMENTWISE[name](vector.values))
        if name in functions.CALENDAR:
            vector = self.vector(args[0]) if args else self._one(self.steps / 1000.0)
            return vector.map(functions.CALENDAR[name](np.where(vector.has, vector.values, 0.0)))
        if name not in _CALLS:
            raise UnsupportedError(f"the function {name} is not supported")
        return _CALLS[name](self, args)

    def _one(self, values: Floats) -> Vector:
        return Vector(({},), values[:, None], np.ones((len(values), 1), dtype=bool))

    def timestamp(self, tree: Any) -> Vector:
        """Return the instants of samples: a selector's own, else those of the steps."""
        if isinstance(bare(tree), syntax.VectorSelector):
            vector, stamps = self._instant(bare(tree))
            return vector.map(stamps)
        vector = self.vector(tree)
        return vector.map(np.broadcast_to((self.steps / 1000.0)[:, None], vector.values.shape))

    def rounded(self, args: list[Any]) -> Vector:
        vector = self.vector(args[0])
        to = self.scalar(args[1]) if len(args) > 1 else np.ones(len(self.steps))
        return vector.map(functions.rounded(vector.values, to))

    def clamped(self, tree: Any, low: Any, high: Any) -> Vector:
        rest = np.full(len(self.steps), np.inf)
        bounds = (-rest if low is None else self.scalar(low), rest if high is None else self.scalar(high))
        return functions.clamped(self.vector(tree), *bounds)

    def one(self, tree: Any) -> Vector:
        return self._one(self.scalar(tree))

    def constant(self, tree: Any) -> float:
        """Return a scalar that a whole query shares."""
        values = self.scalar(tree)
        if len(np.unique(values)) > 1:
            raise UnsupportedError("a parameter of a range function that changes over the steps is not supported")
        return float(values[0])

    def quantile(self, parameter: Any, tree: Any) -> Vector:
        q = self.constant(parameter)
        return self.over(tree, lambda w: (windows.quantile(q, w.x, w.has), w.count > 0), keep_name=False)

    def predicted(self, tree: Any, parameter: Any) -> Vector:
        ahead = self.constant(parameter)
        return self.over(tree, lambda w: windows.predicted(w, ahead), keep_name=False)

    def absent_over(self, tree: Any) -> Vector:
        seen = self.over(tree, windows.PLAIN["count_over_time"], keep_name=True)
        return functions.absent(seen, sure_labels(tree))


def _lean(vector: Vector) -> Vector:
    """Leave out series without any sample."""
    kept = some(vector.has, 0)
    if kept.all():
        return vector
    labels = tuple(each for each, keep in zip(vector.labels, kept, strict=True) if keep)
    return Vector(labels, vector.values[:, kept], vector.has[:, kept])


def _plain(value: Result) -> Floats:
    if isinstance(value, Vector):
        raise QueryError("a vector stands where a scalar is expected")
    return value


Call = Callable[[_Evaluator, list[Any]], Result]
_CALLS: Mapping[str, Call] = {
    "time": lambda e, _: e.steps / 1000.0,
    "pi": lambda e, _: np.full(len(e.steps), np.pi),
    "timestamp": lambda e, a: e.timestamp(a[0]),
    "vector": lambda e, a: e.one(a[0]),
    "scalar": lambda e, a: functions.scalar(e.vector(a[0])),
    "round": lambda e, a: e.rounded(a),
    "clamp": lambda e, a: e.clamped(a[0], a[1], a[2]),
    "clamp_min": lambda e, a: e.clamped(a[0], a[1], None),
    "clamp_max": lambda e, a: e.clamped(a[0], None, a[1]),
    "absent": lambda e, a: functions.absent(e.vector(a[0]), sure_labels(a[0])),
    "absent_over_time": lambda e, a: e.absent_over(a[0]),
    "sort": lambda e, a: functions.ordered(e.vector(a[0]), down=False),
    "sort_desc": lambda e, a: functions.ordered(e.vector(a[0]), down=True),
    "label_replace": lambda e, a: functions.label_replace(
        e.vector(a[0]), text(a[1]), text(a[2]), text(a[3]), text(a[4])
    ),
    "label_join": lambda e, a: functions.label_join(e.vector(a[0]), text(a[1]), text(a[2]), [text(t) for t in a[3:]]),
    "histogram_quantile": lambda e, a: functions.histogram_quantile(e.scalar(a[0]), e.vector(a[1])),
    "quantile_over_time": lambda e, a: e.quantile(a[0], a[1]),
    "predict_linear": lambda e, a: e.predicted(a[0], a[1]),
}
