"""Summaries as one Ibis expression: the engine reads the table once and hands over one row of figures."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tools.grid import LIMIT
from tools.summary import Bounds, Summary
from tools.tables import Kind

SHOWN = 5  # values that are not allowed, as examples


def summarise(table: Any, numbers: Mapping[str, Any], asked: Mapping[str, Bounds]) -> dict[str, Summary]:
    """Return a summary of every column asked about; ``numbers``: those of numbers, as float64 expressions."""
    wanted: dict[str, Any] = {"rows": table.count()}
    for place, (name, bounds) in enumerate(asked.items()):
        column = numbers.get(name)
        parts = _of_number(column, bounds) if column is not None else _of_text(table[name], bounds)
        wanted |= {f"{key}_{place}": part for key, part in parts}
        if bounds.unique:
            wanted[f"repeats_{place}"] = table[name].count() - table[name].nunique()
    (row,) = table.aggregate(**wanted).to_pyarrow().to_pylist()
    found = {}
    for place, (name, bounds) in enumerate(asked.items()):
        said = {key: row[f"{key}_{place}"] for key in _KEYS if row.get(f"{key}_{place}") is not None}
        if said.get("unallowed"):
            said["unseen"] = _unseen(table, name, bounds)
        found[name] = Summary(rows=int(row["rows"]), **said)
    return found


_KEYS = ("nulls", "out", "lowest", "highest", "mean", "variance", "unallowed", "repeats")


def _of_number(value: Any, bounds: Bounds) -> Iterator[tuple[str, Any]]:
    """Yield what is asked of a column of numbers. Engines disagree on where NaN lies: it is left out by name."""
    known = value.notnull() & ~value.isnan()
    finite = known & (value.abs() < np.inf)
    yield "nulls", _times(~known)
    yield "lowest", value.min(where=finite)
    yield "highest", value.max(where=finite)
    tame = known & (value.abs() < LIMIT)  # beyond it an engine overflows, and says so by an error
    yield "mean", value.mean(where=tame)
    yield "variance", value.var(where=tame, how="pop")
    if bounds.least is not None or bounds.most is not None:
        low = value < (-np.inf if bounds.least is None else bounds.least)
        high = value > (np.inf if bounds.most is None else bounds.most)
        yield "out", _times(known & (low | high))


def _of_text(column: Any, bounds: Bounds) -> Iterator[tuple[str, Any]]:
    yield "nulls", _times(column.isnull())
    if bounds.allowed is not None:
        yield "unallowed", _times(column.notnull() & ~column.isin(bounds.allowed))


def _times(condition: Any) -> Any:
    """Count the rows of which a condition holds; nought where there are no rows."""
    return condition.fill_null(False).cast("int64").sum().fill_null(0)


def _unseen(table: Any, name: str, bounds: Bounds) -> dict[str, int]:
    """Return the most frequent values that are not allowed."""
    import ibis

    value = table.select(value=table[name])
    value = value.filter(value["value"].notnull() & ~value["value"].isin(bounds.allowed))
    counted = value.group_by("value").aggregate(n=lambda t: t.count())
    found = counted.order_by(ibis.desc("n"), "value").limit(SHOWN).to_pyarrow()
    return dict(zip(found["value"].to_pylist(), found["n"].to_pylist(), strict=True))


def is_number(kind: Kind) -> bool:
    """Whether a column is summed up as numbers."""
    return kind in {Kind.number, Kind.flag, Kind.time}
