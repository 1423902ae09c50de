"""Tables behind one Ibis expression: files through an embedded DuckDB, or any engine that Ibis speaks to.

An address is a file (CSV, TSV, Parquet, a folder or glob of Parquet) or ``URL#TABLE`` with an Ibis URL, such as
``duckdb:///logs.db#requests`` or ``pyspark://#requests``.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.errors import Absent, Malformed, Refused
from tools.grid import Floats, Grid
from tools.live.arrow import column, stacked
from tools.live.files import TEXTUAL, read_file
from tools.live.reading import Query, read_once, stretches
from tools.live.translating import translated
from tools.summary import Bounds, Summary
from tools.tables import Column, Field, Kind, Labels, Numbers, Survey, Tally

MEMORY = "1GB"  # what the embedded engine may hold before it spills to disk
EMBEDDED = ("duckdb://", "sqlite://")  # engines whose address is a file
HELD = 16_000_000  # bytes of neighbouring columns that are read at once: a query costs more than a small column


class IbisTable:
    """One table of any Ibis back end; see ``tools.tables.Table``."""

    def __init__(self, expression: Any, name: str, straight: bool = False) -> None:
        self._table, self.name, self._straight = expression, name, straight  # straight: any row is reached at once
        self._held: dict[str, Column] = {}  # of a small table: the columns read last
        with translated(name):
            self.fields = tuple(_field(column, kind) for column, kind in expression.schema().items())
            self.rows = int(expression.count().to_pyarrow().as_py())

    def column(self, name: str) -> Column:
        """Return a whole column; ``Absent`` when there is none of that name."""
        if name not in self._held:
            self._held = self._columns(self._table, self._neighbours(name))
        return self._held[name] if self.rows * 8 < HELD else self._held.pop(name)

    def _neighbours(self, name: str) -> list[str]:
        """Return the column and those after it that are held at once: one alone where the table is long."""
        names = [one.name for one in self.fields if one.kind is not Kind.other or one.name == name]
        start = names.index(name) if name in names else len(names)
        return names[start : start + max(HELD // (8 * max(self.rows, 1)), 1)] or [name]

    def sample(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        """Draw rows in the engine, then the exact number here; which rows an engine draws may vary between runs."""
        table = self._table
        if self.rows > 2 * rows:
            seeded = seed if table.get_backend().name == "duckdb" else None  # Spark samples without a seed alone
            table = table.sample(min(1.0, 1.2 * rows / self.rows), method="row", seed=seeded)
        drawn = self._columns(table, names)
        found = min((len(column) for column in drawn.values()), default=0)
        pick = np.sort(np.random.default_rng(seed).permutation(found)[:rows])
        return {name: _taken(column, pick) for name, column in drawn.items()}

    def values(self, name: str, most: int) -> dict[str, int]:
        """Return the most frequent values with their counts."""
        import ibis

        kind = self._kind(name)
        column = self._table[name].cast("string") if kind is not Kind.text else self._table[name]
        counted = self._table.select(value=column).filter(lambda t: t["value"].notnull())
        counted = counted.group_by("value").aggregate(n=lambda t: t.count())
        counted = counted.order_by(ibis.desc("n"), "value").limit(most)
        with translated(self.name):
            found = counted.to_pyarrow()
        return dict(zip(found["value"].to_pylist(), found["n"].to_pylist(), strict=True))

    def summary(self, asked: Mapping[str, Bounds]) -> dict[str, Summary]:
        """Sum up columns in one reading."""
        from tools.live.summing import is_number, summarise

        numbers = {name: self._number(name) for name in asked if is_number(self._kind(name))}
        with translated(self.name):
            return summarise(self._table, numbers, asked)

    def strays(self, name: str, known: Column) -> tuple[int, str]:
        """Return how many rows hold a value that is none of the known: the known go to the engine, counts come back."""
        import ibis
        import pyarrow as pa

        text = self._kind(name) is Kind.text
        if text is not isinstance(known, Labels):
            raise Malformed(f"{self.name}: what {name!r} refers to is not of its kind")
        keys = pa.array(known.names) if isinstance(known, Labels) else pa.array(np.unique(known.values))
        value = self._table[name] if text else self._number(name)
        there = value.notnull() if text else value.notnull() & ~value.isnan()
        mine = self._table.filter(there).select(key=value)
        with translated(self.name):
            lost = mine.anti_join(ibis.memtable(pa.table({"key": keys})), "key")
            (row,) = lost.aggregate(n=lost.count(), example=lost["key"].max()).to_pyarrow().to_pylist()
        stray = "" if row["example"] is None else row["example"]
        return int(row["n"]), f"{stray:g}" if isinstance(stray, float) else stray

    def hours(self, time: str) -> dict[int, int]:
        """Return rows by hour of a working day (0..23) or weekend (24..47); ``Refused`` where it is no instant."""
        hour = self._hour(time)
        counted = self._table.select(hour=hour).filter(lambda t: t["hour"].notnull())
        with translated(self.name):
            found = counted.group_by("hour").aggregate(n=lambda t: t.count()).to_pyarrow()
        return dict(zip(found["hour"].to_pylist(), found["n"].to_pylist(), strict=True))

    def during(self, time: str, hours: Collection[int]) -> "IbisTable":
        """Return the rows of those hours alone: a filter in the engine."""
        return IbisTable(self._table.filter(self._hour(time).isin(sorted(hours))), self.name)

    def apart(self, gaps: Mapping[str, tuple[str, str]]) -> "IbisTable":
        """Return the table with the seconds from one instant to another: worked out in the engine."""
        at = {name: self._table[name].cast("timestamp") for pair in gaps.values() for name in pair}
        more = {name: at[two].delta(at[one], unit="microsecond") / 1e6 for name, (one, two) in gaps.items()}
        return IbisTable(self._table.mutate(**more), self.name, self._straight)

    def _hour(self, time: str) -> Any:
        if self._kind(time) is not Kind.time:
            raise Refused(f"{self.name}: {time} is no column of instants")
        at = self._table[time].cast("timestamp")
        return (at.hour() + (at.day_of_week.index() >= 5).cast("int32") * 24).cast("int32")

    def vectors(self, name: str, rows: int, seed: int) -> Floats:
        """Draw vectors; null ones are left out."""
        found = self._table.select(name)
        found = found.filter(found[name].notnull())
        if self.rows > 2 * rows:
            seeded = seed if found.get_backend().name == "duckdb" else None
            found = found.sample(min(1.0, 1.2 * rows / self.rows), method="row", seed=seeded)
        with translated(self.name):
            whole = stacked(found.to_pyarrow()[name])
        return whole[np.sort(np.random.default_rng(seed).permutation(len(whole))[:rows])]

    def glance(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        """Return stretches of rows from all over a Parquet file; a sample of any other table."""
        if not self._straight or self.rows <= 2 * rows:
            return self.sample(names, rows, seed)
        with translated(self.name):
            return stretches(self._query(names), names, self.rows, rows)

    def tallies(self, grids: Mapping[str, Grid]) -> dict[str, Tally]:
        """Count columns on their grids: DuckDB hands over pieces inside this process, other engines only counts."""
        if self._table.get_backend().name == "duckdb":
            return self.survey(grids, (), 0, 0).tallies
        return self.counted(grids)

    def survey(self, grids: Mapping[str, Grid], names: Sequence[str], rows: int, seed: int) -> Survey:
        """Count and sample; in the embedded engine in one reading, that counts repeated rows by the way."""
        if self._table.get_backend().name != "duckdb":
            return Survey(self.counted(grids), self.sample(names, rows, seed))
        wanted = list(dict.fromkeys([*grids, *names]))
        picks = np.unique(np.random.default_rng(seed).integers(0, max(self.rows, 1), rows))
        with translated(self.name):
            return read_once(self._query(wanted), grids, names, picks, self.rows) if wanted else Survey({}, {})

    def _query(self, names: Sequence[str]) -> Query:
        import ibis

        text = str(ibis.to_sql(self._table.select(*names), dialect="duckdb"))
        return Query(self._table.get_backend().con, text, {name: self._kind(name) for name in names})

    def counted(self, grids: Mapping[str, Grid]) -> dict[str, Tally]:
        """Count in any engine: one expression, of which only codes and counts leave it."""
        import ibis

        if not grids:
            return {}
        named = list(grids.items())
        parts = [self._coded(name, grid, place) for place, (name, grid) in enumerate(named)]
        with translated(self.name):
            counted = (ibis.union(*parts) if len(parts) > 1 else parts[0]).to_pyarrow()
            ends = self._ends([name for name, _ in named])
        place, code, n = (counted[key].to_numpy(zero_copy_only=False) for key in ("place", "code", "n"))
        return {
            name: _tally(grid, code[place == at], n[place == at], ends[name]) for at, (name, grid) in enumerate(named)
        }

    def _coded(self, name: str, grid: Grid, place: int) -> Any:
        """Group one column by its bin; -1 null or NaN, -2 infinite. The arithmetic is that of ``Grid.codes``."""
        import ibis

        value = self._number(name)
        placed = value
        if grid.scale == "log":
            placed = value.sign() * ((value.abs() / grid.unit) + 1.0).ln()
        binned = ((placed - grid.low) * (1.0 / grid.width)).clip(0, grid.bins - 1).floor().cast("int32")
        code = ibis.cases((value.isnull() | value.isnan(), -1), (value.abs() < np.inf, binned), else_=-2)
        counted = self._table.select(code=code).group_by("code").aggregate(n=lambda t: t.count())
        return counted.mutate(place=ibis.literal(place, "int32"))

    def _ends(self, names: list[str]) -> dict[str, tuple[float, float]]:
        """Return the least and greatest finite value of each column."""
        asked: dict[str, Any] = {}
        for place, name in enumerate(names):
            value = self._number(name)
            asked |= {f"low{place}": value.min(where=value.abs() < np.inf)}
            asked |= {f"high{place}": value.max(where=value.abs() < np.inf)}
        (row,) = self._table.aggregate(**asked).to_pyarrow().to_pylist()
        return {name: (_or(row[f"low{at}"], np.inf), _or(row[f"high{at}"], -np.inf)) for at, name in enumerate(names)}

    def _number(self, name: str) -> Any:
        column = self._table[name]
        if self._kind(name) is Kind.time:
            column = column.cast("timestamp").epoch_seconds()
        return column.cast("float64")

    def _kind(self, name: str) -> Kind:
        for field in self.fields:
            if field.name == name:
                return field.kind
        raise Absent(f"{self.name} has no column {name!r}")

    def _columns(self, table: Any, names: Sequence[str]) -> dict[str, Column]:
        kinds = {name: self._kind(name) for name in names}
        with translated(self.name):
            asked = {name: table[name].cast("string") if kinds[name] is Kind.other else table[name] for name in names}
            read = table.select(**asked).to_pyarrow()
            return {name: column(read[name], kinds[name]) for name in names}


def _or(value: float | None, other: float) -> float:
    return other if value is None else float(value)


def _field(name: str, kind: Any) -> Field:
    if kind.is_boolean():
        found = Kind.flag
    elif kind.is_numeric():
        found = Kind.number
    elif kind.is_timestamp() or kind.is_date():
        found = Kind.time
    elif kind.is_string():
        found = Kind.text
    else:
        found = Kind.other
    vector = kind.is_array() and kind.value_type.is_numeric()
    return Field(name, found, str(kind).removeprefix("!"), bool(vector))


def _taken(column: Column, pick: np.ndarray[Any, np.dtype[np.int64]]) -> Column:
    if isinstance(column, Labels):
        return Labels(column.codes[pick], column.names)
    return Numbers(column.values[pick])


def _tally(grid: Grid, codes: Any, n: Any, ends: tuple[float, float]) -> Tally:
    counts = np.zeros(grid.bins, np.int64)
    inside = codes >= 0
    counts[codes[inside]] = n[inside]
    return Tally(counts, int(n[codes == -1].sum()), int(n[codes == -2].sum()), *ends)


def open_table(address: str, memory: str = MEMORY, dates: bool = True) -> IbisTable:
    """Open a file or ``URL#TABLE``; ``Absent`` when there is nothing, ``Malformed`` when it cannot be read.

    Without ``dates``, those of a text file that could be read in two ways stay text.
    """
    with translated(address):
        table = address.partition("#")[2] if "://" in address else Path(address).name
        found = expression(address, memory, dates)
        file = "://" not in address and not set(Path(address).suffixes) & TEXTUAL
        return IbisTable(found, table, straight=file)


def expression(address: str, memory: str = MEMORY, dates: bool = True) -> Any:
    """Return the Ibis expression of an address. Raises foreign exceptions too: to be used within ``translated``."""
    import ibis

    if "://" not in address:
        return read_file(address, memory, dates)
    url, _, table = address.partition("#")
    if not table:
        raise Refused(f"say which table: {address}#TABLE")
    file = Path(url.partition("://")[2])
    if url.startswith(EMBEDDED) and file.name and not file.is_file():  # they would make an empty one
        here = Path(str(file).lstrip("/"))  # three slashes are the root's, which SQLAlchemy sees otherwise
        hint = f"; that of this folder is {url.partition('://')[0]}://{here}" if file != here and here.is_file() else ""
        raise Absent(f"no file at {file}{hint}")
    return ibis.connect(url).table(table)
