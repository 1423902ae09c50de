"""Functions of the query language that take their arguments apart themselves."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.twin.promql import functions, windows
from simulator.twin.promql.samples import Floats, UnsupportedError, Vector
from simulator.twin.promql.syntax import sure_labels, text

if TYPE_CHECKING:
    from simulator.twin.promql.evaluator import Evaluator


def _rounded(work: "Evaluator", args: list[Any]) -> Vector:
    vector = work.vector(args[0])
    to = work.scalar(args[1]) if len(args) > 1 else np.ones(len(work.steps))
    return vector.map(functions.rounded(vector.values, to))


def _clamped(work: "Evaluator", tree: Any, low: Any, high: Any) -> Vector:
    rest = np.full(len(work.steps), np.inf)
    bounds = (-rest if low is None else work.scalar(low), rest if high is None else work.scalar(high))
    return functions.clamped(work.vector(tree), *bounds)


def _constant(work: "Evaluator", tree: Any) -> float:
    """Return a scalar that a whole query shares."""
    values = work.scalar(tree)
    if len(np.unique(values)) > 1:
        raise UnsupportedError("a parameter of a range function that changes over the steps is not supported")
    return float(values[0])


def _quantile(work: "Evaluator", parameter: Any, tree: Any) -> Vector:
    q = _constant(work, parameter)
    return work.over(tree, lambda w: (windows.quantile(q, w.x, w.has), w.count > 0), keep_name=False)


def _predicted(work: "Evaluator", tree: Any, parameter: Any) -> Vector:
    ahead = _constant(work, parameter)
    return work.over(tree, lambda w: windows.predicted(w, ahead), keep_name=False)


def _absent_over(work: "Evaluator", tree: Any) -> Vector:
    seen = work.over(tree, windows.PLAIN["count_over_time"], keep_name=True)
    return functions.absent(seen, sure_labels(tree))


CALLS: Mapping[str, Callable[["Evaluator", list[Any]], Floats | Vector]] = {
    "time": lambda e, _: e.steps / 1000.0,
    "pi": lambda e, _: np.full(len(e.steps), np.pi),
    "timestamp": lambda e, a: e.timestamp(a[0]),
    "vector": lambda e, a: e.one(e.scalar(a[0])),
    "scalar": lambda e, a: functions.scalar(e.vector(a[0])),
    "round": _rounded,
    "clamp": lambda e, a: _clamped(e, a[0], a[1], a[2]),
    "clamp_min": lambda e, a: _clamped(e, a[0], a[1], None),
    "clamp_max": lambda e, a: _clamped(e, a[0], None, a[1]),
    "absent": lambda e, a: functions.absent(e.vector(a[0]), sure_labels(a[0])),
    "absent_over_time": lambda e, a: _absent_over(e, a[0]),
    "sort": lambda e, a: functions.ordered(e.vector(a[0]), down=False),
    "sort_desc": lambda e, a: functions.ordered(e.vector(a[0]), down=True),
    "label_replace": lambda e, a: functions.label_replace(
        e.vector(a[0]), text(a[1]), text(a[2]), text(a[3]), text(a[4])
    ),
    "label_join": lambda e, a: functions.label_join(e.vector(a[0]), text(a[1]), text(a[2]), [text(t) for t in a[3:]]),
    "histogram_quantile": lambda e, a: functions.histogram_quantile(e.scalar(a[0]), e.vector(a[1])),
    "quantile_over_time": lambda e, a: _quantile(e, a[0], a[1]),
    "predict_linear": lambda e, a: _predicted(e, a[0], a[1]),
}
