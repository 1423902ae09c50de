"""The evaluation of one query: what a part of it is at every step. See ``evaluate`` for what it is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import promql_parser as syntax

from simulator.twin.promql import aggregate, binary, functions, windows
from simulator.twin.promql.calls import CALLS
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
from simulator.twin.promql.syntax import bare, matchers_of, matching, ms, text
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


Result = Floats | Vector
Shift = tuple[Ints, Ints]  # instants looked at, one per step; offset taken off


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates parts of a query at all of its steps (ms)."""

    source: Source
    steps: Ints
    rules: Rules
    span: tuple[int, int]  # of the whole query, for start() and end()

    def visit(self, tree: Any) -> Result:
        """Return what a part of the query is."""
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
        """Return a part that must be a vector."""
        found = self.visit(tree)
        if not isinstance(found, Vector):
            raise QueryError("a scalar stands where an instant vector is expected")
        return found

    def scalar(self, tree: Any) -> Floats:
        """Return a part that must be a scalar."""
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
            vector = self.vector(args[0]) if args else self.one(self.steps / 1000.0)
            return vector.map(functions.CALENDAR[name](np.where(vector.has, vector.values, 0.0)))
        if name not in CALLS:
            raise UnsupportedError(f"the function {name} is not supported")
        return CALLS[name](self, args)

    def one(self, values: Floats) -> Vector:
        """Return the vector of one series without labels."""
        return Vector(({},), values[:, None], np.ones((len(values), 1), dtype=bool))

    def timestamp(self, tree: Any) -> Vector:
        """Return the instants of samples: a selector's own, else those of the steps."""
        if isinstance(bare(tree), syntax.VectorSelector):
            vector, stamps = self._instant(bare(tree))
            return vector.map(stamps)
        vector = self.vector(tree)
        return vector.map(np.broadcast_to((self.steps / 1000.0)[:, None], vector.values.shape))


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
