"""Evaluates a parsed query at many steps at once.

Every part of a query becomes a scalar (S,), a vector (S, N) or a window of samples, S being the number of steps. The
parser is Prometheus' grammar as the package ``promql-parser`` has it. Rules of versions 2 and 3 differ at the left
edge of windows, and in how a counter near zero is extrapolated; ``Rules.modern`` chooses.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import promql_parser as syntax

from simulator.twin.promql.evaluator import MOST_STEPS, Evaluator, Rules, Source
from simulator.twin.promql.samples import QueryError, Samples, Vector, empty
from simulator.twin.promql.syntax import parse

__all__ = ["Rules", "Source", "Value", "query", "query_range"]

_OLD = Rules()  # those of version 2


@dataclass(frozen=True, slots=True)
class Value:
    """What a query gives: ``kind`` is scalar, vector, matrix or string."""

    kind: str
    vector: Vector
    text: str = ""
    samples: Samples | None = None


def query(text: str, source: Source, at: int, rules: Rules = _OLD) -> Value:
    """Evaluate at one instant (ms)."""
    return _evaluated(parse(text), Evaluator(source, np.array([at], dtype=np.int64), rules, (at, at)))


def query_range(text: str, source: Source, span: tuple[int, int, int], rules: Rules = _OLD) -> Value:
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
    return _evaluated(tree, Evaluator(source, steps, rules, (start, end)))


def _evaluated(tree: Any, work: Evaluator) -> Value:
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
