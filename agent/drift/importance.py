"""Importance: how much a model leans on each feature, told by its owner or read off the reference's own target."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tools.errors import Malformed
from tools.tables import Column, Kind, Labels, Numbers, Table

BINS = 20  # of a numeric feature, equally full
SAMPLE = 50_000  # rows of the reference that are looked at


def read_importance(said: object, name: str) -> dict[str, float]:
    """Return weights by feature from a mapping; ``Malformed`` when it is none, or holds what is no weight.

    >>> read_importance({"age": 2, "city": 0.5}, "weights.json")
    {'age': 2.0, 'city': 0.5}
    """
    if not isinstance(said, Mapping) or not said:
        raise Malformed(f"{name}: wanted a mapping of feature to weight, such as age: 2.0")
    for feature, weight in said.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < np.inf:
            raise Malformed(f"{name}: the weight of {feature} must be a number, 0 or more")
    return {str(feature): float(weight) for feature, weight in said.items()}


def explained(reference: Table, target: str) -> dict[str, float]:
    """Return, per feature, the share of the target's variance that it explains alone (0 to 1); instants left out.

    A numeric feature is cut into equally full bins, null being one of its own; the share is corrected for their number,
    so that noise explains nothing. A target of names counts as the indicator of its most frequent name.
    """
    wanted = [one.name for one in reference.fields if one.kind not in {Kind.time, Kind.other}]
    if target not in wanted:
        raise Malformed(f"{reference.name} has no column {target!r} of numbers or names to explain")
    drawn = reference.sample(wanted, SAMPLE, seed=0)
    truth = _as_numbers(drawn[target])
    known = np.isfinite(truth)
    return {name: round(share(_groups(drawn[name])[known], truth[known]), 6) for name in wanted if name != target}


def share(groups: NDArray[np.intp], truth: NDArray[np.float64]) -> float:
    """Return epsilon squared: the share of the variance of ``truth`` between groups, corrected for chance.

    >>> round(share(np.repeat([0, 1], 50), np.repeat([0.0, 1.0], 50)), 2)
    1.0
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    total = float(((truth - truth.mean()) ** 2).sum()) if len(truth) else 0.0
    free = len(truth) - len(sizes)
    if total <= 0 or free <= 0:
        return 0.0
    means = np.bincount(codes, truth) / sizes
    within = float(((truth - means[codes]) ** 2).sum())
    return max(0.0, 1 - (within / free) / (total / (len(truth) - 1)))


def _as_numbers(column: Column) -> NDArray[np.float64]:
    if isinstance(column, Numbers):
        return column.values.astype(np.float64)
    counts = np.bincount(column.codes[column.codes >= 0], minlength=1)
    return np.where(column.codes < 0, np.nan, (column.codes == int(counts.argmax())).astype(np.float64))


def _groups(column: Column) -> NDArray[np.intp]:
    if isinstance(column, Labels):
        return np.asarray(column.codes, np.intp)
    values = column.values.astype(np.float64)
    there = np.isfinite(values)
    if not there.any():
        return np.zeros(len(values), np.intp)
    edges = np.unique(np.quantile(values[there], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(there, np.searchsorted(edges, values, side="right"), -1).astype(np.intp)
