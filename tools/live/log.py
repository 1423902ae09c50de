"""The inference log as tables: Parquet files or any engine that Ibis speaks to, one table per service.

The engine filters by time and picks the columns; what leaves it is one window, cut to its newest rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.logs import LogTable
from tools.errors import Absent, Malformed
from tools.live.arrow import floats
from tools.live.tables import IbisTable, expression
from tools.live.translating import translated
from tools.records import InferenceWindow, Recomputed
from tools.tables import Column, Labels, Numbers
from tools.vectors import element

Floats = NDArray[np.float64]
PAIRED = 5000  # newest rows that are held beside the same computed anew


class TableLog:
    """Implements ``tools.ports.InferenceLog``. A file is opened anew at every look, for it grows."""

    def __init__(self, tables: tuple[LogTable, ...]) -> None:
        self._tables: Mapping[str, LogTable] = {table.service: table for table in tables}

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> InferenceWindow:
        """Return the rows logged in [start, end), oldest first, with the labels that are known by now."""
        logged = self._of(service)
        with translated(logged.rows):
            shown = _between(logged, start, end)
            if labelled and logged.label in shown.columns:
                shown = shown.filter(shown[logged.label].notnull())
            return _read(service, logged, shown, features=features)

    def table(self, service: str) -> LogTable:
        """Return where the log of a service lies, and what its columns mean."""
        return self._of(service)

    def keyed(self, service: str, start: datetime, end: datetime) -> tuple[list[str], InferenceWindow]:
        """Return the labelled rows logged in [start, end) without features, and the key of each, as text."""
        logged = self._of(service)
        if not logged.key:
            raise Absent(f"{service}: the log names no key")
        with translated(logged.rows):
            shown = _between(logged, start, end)
            if logged.label in shown.columns:
                shown = shown.filter(shown[logged.label].notnull())
            shown = shown.mutate(prunella_key=_column(shown, logged.key).cast("string"))
            read = _newest(logged, shown, (), "prunella_key")
        return [str(key) for key in read["prunella_key"].to_pylist()], _window(service, (), read)

    def reference(self, service: str) -> InferenceWindow:
        """Return the rows that the model was accepted on; ``Absent`` when none are named."""
        logged = self._of(service)
        if not logged.reference:
            raise Absent(f"{service}: no reference rows are configured")
        with translated(logged.reference):
            table = expression(logged.reference)
            there = logged.at in table.columns
            return _read(service, logged, table.mutate(prunella_at=_seconds(table, logged.at) if there else 0.0))

    def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
        """Return the newest rows of [start, end) whose keys something computed anew, beside that; oldest first."""
        import ibis

        logged = self._of(service)
        if not (logged.recomputed and logged.key):
            raise Absent(f"{service}: no recomputed features are configured")
        with translated(logged.rows):
            shown, every = _inputs(logged, _between(logged, start, end))
            names = tuple(name for name in every if name != logged.key)
            columns = {name: _number(shown, name) for name in names}
            asked = shown.select(logged.key, "prunella_at", **columns).order_by(ibis.desc("prunella_at")).limit(PAIRED)
            served = IbisTable(asked, service).sample((logged.key, "prunella_at", *names), PAIRED, 0)
        table = self.again(service, served[logged.key])
        known = {field.name for field in table.fields}
        there = tuple(name for name in names if name in known)
        again = table.sample((logged.key, *there), max(table.rows, 1), 0)
        return _paired(service, there, served, (again.pop(logged.key), again))

    def rows(self, service: str, start: datetime, end: datetime) -> IbisTable:
        """Return the rows logged in [start, end) as a table; nothing is read yet."""
        logged = self._of(service)
        with translated(logged.rows):
            return IbisTable(_between(logged, start, end).drop("prunella_at"), service)

    def accepted(self, service: str) -> IbisTable:
        """Return the rows that the model was accepted on as a table; ``Absent`` when none are named."""
        logged = self._of(service)
        if not logged.reference:
            raise Absent(f"{service}: no reference rows are configured")
        with translated(logged.reference):
            return IbisTable(expression(logged.reference), f"{service} when accepted")

    def again(self, service: str, keys: Column) -> IbisTable:
        """Return the recomputed features of those keys: the keys go to the engine, and only their rows come back."""
        import ibis
        import pyarrow as pa

        logged = self._of(service)
        if not (logged.recomputed and logged.key):
            raise Absent(f"{service}: no recomputed features are configured")
        with translated(logged.recomputed):
            table = expression(logged.recomputed)
            text = isinstance(keys, Labels)
            asked = pa.array(keys.names if isinstance(keys, Labels) else np.unique(keys.values))
            mine = _column(table, logged.key).cast("string" if text else "float64")
            found = table.mutate(prunella_key=mine).semi_join(
                ibis.memtable(pa.table({"prunella_key": asked})), "prunella_key"
            )
            return IbisTable(_flat(found.drop("prunella_key"), _arrays(found))[0], f"{service} recomputed")

    def keys(self, rows: str, column: str) -> Column:
        """Return a column of other rows, which logs refer to, each value once."""
        with translated(rows):
            table = expression(rows)
            return IbisTable(table.select(column).distinct() if column in table.columns else table, rows).column(column)

    def _of(self, service: str) -> LogTable:
        if service not in self._tables:
            raise Absent(f"no inference log of {service} is configured")
        return self._tables[service]


def _paired(
    service: str, names: tuple[str, ...], served: Mapping[str, Column], again: tuple[Column, Mapping[str, Column]]
) -> Recomputed:
    """Join by key; rows that nothing computed anew are left out. The first of equal keys counts."""
    place: dict[object, int] = {}
    for row, key in enumerate(_values(again[0])):
        place.setdefault(key, row)
    ((_, keys), (_, instants)) = list(served.items())[:2]
    at = np.array([float(value) for value in _values(instants)], np.float64)
    pairs = [(row, place[key]) for row, key in enumerate(_values(keys)) if key is not None and key in place]
    pairs.sort(key=lambda pair: at[pair[0]])
    left, right = (np.array([pair[side] for pair in pairs], np.intp) for side in (0, 1))
    ours, theirs = (_stacked(columns, names, rows) for columns, rows in ((served, left), (again[1], right)))
    return Recomputed(service, names, at[left], ours, theirs)


def _values(column: Column) -> list[Any]:
    if isinstance(column, Labels):
        return [column.names[code] if code >= 0 else None for code in column.codes]
    return [None if np.isnan(value) else float(value) for value in column.values]


def _stacked(columns: Mapping[str, Column], names: tuple[str, ...], rows: NDArray[np.intp]) -> Floats:
    """Return columns of numbers side by side; of text there is nothing to compare as numbers."""
    found = [column.values[rows] for name in names if isinstance(column := columns[name], Numbers)]
    if len(found) < len(names):
        raise Malformed("recomputed features are numbers and flags")
    return np.stack(found, axis=1) if found else np.empty((len(rows), 0))


def _between(logged: LogTable, start: datetime, end: datetime) -> Any:
    """Return the log's rows of [start, end) with their instants as ``prunella_at``, in seconds since 1970."""
    table = expression(logged.rows)
    shown = table.mutate(prunella_at=_seconds(table, logged.at))
    return shown.filter((shown["prunella_at"] >= start.timestamp()) & (shown["prunella_at"] < end.timestamp()))


def _seconds(table: Any, name: str) -> Any:
    """Return a column of instants as seconds since 1970; a time without a zone is UTC."""
    column = _column(table, name)
    if column.type().is_numeric():
        return column.cast("float64")
    return _instant(column).epoch_seconds().cast("float64")


def _instant(column: Any) -> Any:
    """Return a column as instants. Nanoseconds with a zone are a type of DuckDB's own, unknown to Ibis."""
    from ibis.expr import datatypes

    kind = column.type()
    if kind.is_timestamp():
        return column
    return column.cast(datatypes.Timestamp(timezone="UTC", scale=6) if kind.is_unknown() else "timestamp")


def _column(table: Any, name: str) -> Any:
    if name not in table.columns:
        raise Malformed(f"the log has no column {name!r}; it has {', '.join(table.columns[:20])}")
    return table[name]


def _read(service: str, logged: LogTable, table: Any, *, features: bool = True) -> InferenceWindow:
    table, names = _inputs(logged, table) if features else (table, ())
    return _window(service, names, _newest(logged, table, names))


def _newest(logged: LogTable, table: Any, names: tuple[str, ...], *more: str) -> Any:
    """Return the newest rows as an Arrow table, oldest first; ``more``: columns that are taken as they are."""
    import ibis

    picked = {"at": table["prunella_at"], "score": _number(table, logged.score)}
    picked |= {f"x{place}": _number(table, name) for place, name in enumerate(names)}
    picked["label"] = _number(table, logged.label) if logged.label in table.columns else ibis.null("float64")
    version = logged.version in table.columns
    picked["version"] = table[logged.version].cast("string") if version else ibis.literal("")
    picked |= {name: table[name] for name in more}
    read = table.select(**picked).order_by(ibis.desc("at")).limit(logged.most).to_pyarrow()
    return read.take(np.argsort(floats(read["at"]), kind="stable"))


def _window(service: str, names: tuple[str, ...], read: Any) -> InferenceWindow:
    columns = [floats(read[f"x{place}"]) for place in range(len(names))]
    return InferenceWindow(
        service=service,
        names=names,
        at=floats(read["at"]),
        features=np.stack(columns, axis=1) if names else np.empty((read.num_rows, 0)),
        scores=floats(read["score"]),
        labels=floats(read["label"]),
        version=np.array([str(each or "") for each in read["version"].to_pylist()], dtype=np.str_),
    )


def _number(table: Any, name: str) -> Any:
    column = _column(table, name)
    if not (column.type().is_numeric() or column.type().is_boolean()):
        raise Malformed(f"column {name!r} of the log is {column.type()}; numbers and flags are read")
    return column.cast("float64")


def _inputs(logged: LogTable, table: Any) -> tuple[Any, tuple[str, ...]]:
    """Return a table with the elements of vectors as columns of their own, and the names of all inputs."""
    named = tuple(logged.features or _numeric(logged, table))
    table, elements = _flat(table, [name for name in named if name in _arrays(table)])
    return table, tuple(each for name in named for each in elements.get(name, (name,)))


def _flat(table: Any, arrays: Sequence[str]) -> tuple[Any, dict[str, tuple[str, ...]]]:
    """Return a table with more columns, one for each element of some vectors, and their names; a null is all nulls."""
    elements: dict[str, tuple[str, ...]] = {}
    for name in arrays:
        longest = int(table[name].length().max().to_pyarrow().as_py() or 0)
        elements[name] = tuple(element(name, place) for place in range(longest))
        table = table.mutate(**{each: table[name][place] for place, each in enumerate(elements[name])})
    return table, elements


def _arrays(table: Any) -> tuple[str, ...]:
    return tuple(name for name, kind in table.schema().items() if kind.is_array() and kind.value_type.is_numeric())


def _numeric(logged: LogTable, table: Any) -> tuple[str, ...]:
    """Return every column of numbers, or of vectors of them, that has no other meaning."""
    other = {logged.at, logged.score, logged.label, logged.version, "prunella_at"}
    arrays, kinds = _arrays(table), table.schema().items()
    numbers = (name for name, kind in kinds if kind.is_numeric() or kind.is_boolean() or name in arrays)
    return tuple(name for name in numbers if name not in other)
