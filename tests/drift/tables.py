"""A table in memory, for tests."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.drift.categories import tallied
from agent.drift.counted import strays
from tools.errors import Absent
from tools.grid import LIMIT, Floats, Grid
from tools.summary import Bounds, Summary
from tools.tables import Column, Field, Kind, Labels, Numbers, Survey, Tally, tally


class Rows:
    """Columns held in memory: arrays of numbers, or lists of text with None for null."""

    def __init__(self, name: str = "rows", **columns: "Floats | list[str | None] | Column") -> None:
        self.name = name
        self._columns = {key: _column(value) for key, value in columns.items()}
        self.rows = max((len(column) for column in self._columns.values()), default=0)
        self._kinds = {
            key: Kind.text if isinstance(column, Labels) else Kind.time if key.endswith("_at") else Kind.number
            for key, column in self._columns.items()
        }

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(Field(key, self._kinds[key], _type(column)) for key, column in self._columns.items())

    def column(self, name: str) -> Column:
        if name not in self._columns:
            raise Absent(f"no column {name!r}")
        return self._columns[name]

    def sample(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        rng = np.random.default_rng(seed)
        small = self.rows <= 4 * rows
        pick = np.sort(rng.permutation(self.rows)[:rows]) if small else np.unique(rng.integers(0, self.rows, rows))
        found: dict[str, Column] = {}
        for name in names:
            column = self.column(name)
            if isinstance(column, Labels):
                found[name] = Labels(column.codes[pick], column.names)
            else:
                found[name] = Numbers(column.values[pick])
        return found

    def tallies(self, grids: Mapping[str, Grid]) -> dict[str, Tally]:
        found = {}
        for name, grid in grids.items():
            column = self.column(name)
            assert isinstance(column, Numbers)
            found[name] = tally(column.values, grid)
        return found

    def vectors(self, name: str, rows: int, seed: int) -> Floats:
        raise Absent(f"no vectors in {name!r}")

    def glance(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        return self.sample(names, rows, seed)

    def survey(self, grids: Mapping[str, Grid], names: Sequence[str], rows: int, seed: int) -> Survey:
        return Survey(self.tallies(grids), self.sample(names, rows, seed))

    def values(self, name: str, most: int) -> dict[str, int]:
        column = self.column(name)
        assert isinstance(column, Labels)
        counts = tallied(column)
        return {key: counts[key] for key in sorted(counts, key=lambda key: (-counts[key], key))[:most]}

    def summary(self, asked: Mapping[str, Bounds]) -> dict[str, Summary]:
        return {name: _summed(self.column(name), bounds) for name, bounds in asked.items()}

    def strays(self, name: str, known: Column) -> tuple[int, str]:
        return strays(self.column(name), known)

    def hours(self, time: str) -> dict[int, int]:
        found, counts = np.unique(self._hour(time), return_counts=True)
        return {int(hour): int(n) for hour, n in zip(found, counts, strict=True) if hour >= 0}

    def during(self, time: str, hours: Collection[int]) -> "Rows":
        keep = np.isin(self._hour(time), sorted(hours))
        return Rows(self.name, **{name: _kept(column, keep) for name, column in self._columns.items()})

    def apart(self, gaps: Mapping[str, tuple[str, str]]) -> "Rows":
        more = {name: self.instants(two) - self.instants(one) for name, (one, two) in gaps.items()}
        return Rows(self.name, **self._columns, **more)

    def instants(self, name: str) -> Floats:
        column = self.column(name)
        assert isinstance(column, Numbers)
        return column.values

    def _hour(self, time: str) -> NDArray[np.int64]:
        column = self.column(time)
        assert isinstance(column, Numbers)
        at = np.where(np.isfinite(column.values), column.values, 0.0)
        hour = (at % 86400 // 3600 + 24 * ((at // 86400 + 3) % 7 >= 5)).astype(np.int64)
        return np.where(np.isfinite(column.values), hour, -1)


def _summed(column: Column, bounds: Bounds) -> Summary:
    if isinstance(column, Labels):
        counts, nulls = tallied(column), int((column.codes < 0).sum())
        wrong = {} if bounds.allowed is None else {v: n for v, n in counts.items() if v not in bounds.allowed}
        again = sum(counts.values()) - len(counts) if bounds.unique else 0
        return Summary(len(column), nulls, unseen=wrong, unallowed=sum(wrong.values()), repeats=again)
    known = column.values[~np.isnan(column.values)]
    finite = known[np.isfinite(known)]
    low, high = (np.inf, -np.inf) if not len(finite) else (float(finite.min()), float(finite.max()))
    out = (known < (-np.inf if bounds.least is None else bounds.least)) | (
        known > (np.inf if bounds.most is None else bounds.most)
    )
    tame = finite[np.abs(finite) < LIMIT]
    moments = (float(tame.mean()), float(tame.var())) if len(tame) else (np.nan, np.nan)
    again = len(known) - len(np.unique(known)) if bounds.unique else 0
    return Summary(len(column), len(column) - len(known), int(out.sum()), low, high, *moments, repeats=again)


def _kept(column: Column, keep: NDArray[np.bool_]) -> Column:
    return Labels(column.codes[keep], column.names) if isinstance(column, Labels) else Numbers(column.values[keep])


def _column(value: "Floats | list[str | None] | Column") -> Column:
    if isinstance(value, Labels | Numbers):
        return value
    if isinstance(value, list):
        names = tuple(sorted({text for text in value if text is not None}))
        place = {text: at for at, text in enumerate(names)}
        return Labels(np.array([-1 if text is None else place[text] for text in value], np.int32), names)
    return Numbers(np.asarray(value, np.float64))


def _type(column: Column) -> str:
    return "string" if isinstance(column, Labels) else "float64"
