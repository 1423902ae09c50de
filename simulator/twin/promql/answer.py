"""Writes the value of a query as Prometheus' API does."""

from typing import Any

import numpy as np

from simulator.twin.promql.aggregate import written
from simulator.twin.promql.evaluate import Value
from simulator.twin.promql.samples import SAMPLE, Ints, Samples

Json = dict[str, Any]


def as_json(value: Value, steps: Ints, *, ranged: bool) -> Json:
    """Return ``{"resultType": ..., "result": ...}``; ``steps`` in ms are those the query was evaluated at."""
    at = float(steps[0]) / 1000
    if value.kind == "string":
        return {"resultType": "string", "result": [at, value.text]}
    if value.samples is not None:
        return {"resultType": "matrix", "result": _window(value.samples)}
    if ranged:
        return {"resultType": "matrix", "result": _matrix(value, steps)}
    values, has = value.vector.values[0], value.vector.has[0]
    if value.kind == "scalar":
        return {"resultType": "scalar", "result": [at, written(float(values[0]))]}
    found = [
        {"metric": _plain(value.vector.labels[i]), "value": [at, written(float(values[i]))]}
        for i in np.flatnonzero(has)
    ]
    return {"resultType": "vector", "result": found}


def _plain(labels: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in labels.items() if text}


def _matrix(value: Value, steps: Ints) -> list[Json]:
    stamps = (steps / 1000).tolist()
    out = []
    for i, labels in enumerate(value.vector.labels):
        rows = np.flatnonzero(value.vector.has[:, i])
        if len(rows):
            pairs = [[stamps[row], written(float(value.vector.values[row, i]))] for row in rows]
            out.append({"metric": _plain(labels), "values": pairs})
    return out


def _window(samples: Samples) -> list[Json]:
    out = []
    for i, labels in enumerate(samples.labels):
        rows = np.flatnonzero(samples.state[:, i] == SAMPLE)
        if len(rows):
            pairs = [[samples.times[row] / 1000, written(float(samples.values[row, i]))] for row in rows]
            out.append({"metric": _plain(labels), "values": pairs})
    return out
