"""Aggregations over series: values (S, N) folded by group of labels, at every step by itself."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.twin.promql.samples import NAME, Bools, Floats, Labels, UnsupportedError, Vector, some, stack, unique
from simulator.twin.promql.windows import quantile

Index = NDArray[np.intp]


def groups(labels: Sequence[Labels], names: Sequence[str], *, without: bool) -> list[tuple[Labels, Index]]:
    """Return each group's labels and columns."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    dropped = {*names, NAME}
    for i, each in enumerate(labels):
        kept = {k: v for k, v in each.items() if (k not in dropped if without else k in names) and v}
        found.setdefault(tuple(sorted(kept.items())), []).append(i)
    return [(dict(key), np.array(columns, dtype=np.intp)) for key, columns in found.items()]


def _sum(x: Floats, has: Bools) -> Floats:
    total: Floats = np.where(has, x, 0.0).sum(axis=1)
    return total


def _mean(x: Floats, has: Bools) -> Floats:
    mean: Floats = _sum(x, has) / np.maximum(has.sum(axis=1), 1)
    return mean


def _variance(x: Floats, has: Bools) -> Floats:
    gap = np.where(has, x - _mean(x, has)[:, None], 0.0)
    count = has.sum(axis=1)
    variance: Floats = np.where(
        count == 1, 0.0, (gap * gap).sum(axis=1) / np.maximum(count, 1)
    )  # 0 of one infinity too
    return variance


def _extreme(way: np.ufunc) -> Callable[[Floats, Bools], Floats]:
    def fold_all(x: Floats, has: Bools) -> Floats:
        found: Floats = way.reduce(np.where(has, x, np.nan), axis=1)
        return found

    return fold_all


_FOLDS: dict[str, Callable[[Floats, Bools], Floats]] = {
    "sum": _sum,
    "avg": _mean,
    "count": lambda _, has: has.sum(axis=1).astype(np.float64),
    "min": _extreme(np.fmin),
    "max": _extreme(np.fmax),
    "group": lambda x, _: np.ones(len(x)),
    "stddev": lambda x, has: np.sqrt(_variance(x, has)),
    "stdvar": _variance,
}


def fold(op: str, vector: Vector, found: list[tuple[Labels, Index]], q: Floats | None) -> Vector:
    """Return one series per group; ``q`` (S,) is the parameter of ``quantile``."""
    if op not in _FOLDS and op != "quantile":
        raise UnsupportedError(f"the aggregation {op} is not supported")
    parts = []
    for labels, columns in found:
        x, has = vector.values[:, columns], vector.has[:, columns]
        if q is None:
            values = _FOLDS[op](x, has)
        else:
            values = np.array([quantile(float(q[s]), x[s][:, None], has[s][:, None])[0] for s in range(len(x))])
        parts.append((labels, values, some(has, 1)))
    return stack(parts, len(vector.values))


def ranked(op: str, vector: Vector, found: list[tuple[Labels, Index]], k: Floats) -> Vector:
    """Return ``topk`` or ``bottomk``: the series themselves, the best ``k`` (S,) of each group at every step."""
    kept = np.zeros_like(vector.has)
    sign = -1.0 if op == "topk" else 1.0
    for _, columns in found:
        x, has = vector.values[:, columns], vector.has[:, columns]
        order = np.lexsort((np.nan_to_num(sign * x, nan=0.0, posinf=np.inf, neginf=-np.inf), np.isnan(x), ~has), axis=1)
        place = np.argsort(order, axis=1, kind="stable")
        kept[:, columns] = has & (place < np.nan_to_num(k, nan=0.0)[:, None])
    columns = _best_first(sign * vector.values[-1]) if len(vector.values) == 1 else np.arange(len(vector.labels))
    some = columns[kept[:, columns].any(axis=0)]
    return Vector(tuple(vector.labels[i] for i in some), vector.values[:, some], kept[:, some])


def _best_first(values: Floats) -> Index:
    return np.argsort(values, kind="stable")


def count_values(label: str, vector: Vector, found: list[tuple[Labels, Index]]) -> Vector:
    """Return how many series of a group have each value, the value written into ``label``."""
    labels: list[Labels] = []
    values, has = [], []
    for own, columns in found:
        x, there = vector.values[:, columns], vector.has[:, columns]
        for text in dict.fromkeys(written(float(v)) for v in x[there]):
            wanted = float(text)
            same = there & (np.isnan(x) if np.isnan(wanted) else x == wanted)
            labels.append({**own, label: text})
            values.append(same.sum(axis=1).astype(np.float64))
            has.append(some(same, 1))
    if not labels:
        return stack((), len(vector.values))
    return unique(labels, np.stack(values, axis=1), np.stack(has, axis=1))


def written(value: float) -> str:
    """Return a number as Prometheus writes it: shortest, without exponent.

    >>> written(1e-7), written(3.0), written(float("inf"))
    ('0.0000001', '3', '+Inf')
    """
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
