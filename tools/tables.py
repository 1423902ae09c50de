"""Tables of rows: nouns for columns, and the port that reads them.

A table may be a file or a warehouse. What is asked of it is small on purpose: counts on fixed grids, single columns,
and samples, so that no row leaves an engine that need not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tools.grid import CHUNK, Counts, Floats, Grid, Reals
from tools.summary import Bounds, Summary

BLOCK = 4096  # values that a compiled loop looks at before it counts them: their bins stay in a core's first cache


class Kind(StrEnum):
    """What a column holds."""

    number = "number"
    flag = "flag"
    text = "text"
    time = "time"
    other = "other"


@dataclass(frozen=True, slots=True)
class Field:
    """A column by name: what it holds, and its type in the words of the engine."""

    name: str
    kind: Kind
    type: str = ""
    vector: bool = False  # lists of numbers, such as embeddings; their kind is ``other``


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, flags (0, 1) or instants (seconds since 1970): float64, shape (rows,); NaN is null."""

    values: Floats

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Labels:
    """Text as codes into ``names``: int32, shape (rows,); -1 is null."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)


Column = Numbers | Labels


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one numeric column: per bin, nulls, infinities, and the extremes of the finite values."""

    counts: Counts
    nulls: int
    strange: int
    lowest: float
    highest: float

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.counts + other.counts,
            self.nulls + other.nulls,
            self.strange + other.strange,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
        )


class Loops(Protocol):
    """A loop over a piece of a column: ``tools.counting``."""

    def tallied(
        self, values: Reals, low: float, per: float, ends: Floats, counts: Counts, codes: NDArray[np.uint32]
    ) -> tuple[int, int]:
        """Count values in their bins, move the ends along; return how many were NaN, and infinite."""
        ...


class Tallying:
    """Counts one numeric column piece by piece, in place; NaN is null, an infinity is strange.

    ``loops``: ``tools.counting``, for what is worth the wait for it; the counts are the same.
    """

    def __init__(self, grid: Grid, loops: Loops | None = None) -> None:
        self.grid, self.counts, self.nulls, self.strange = grid, np.zeros(grid.bins, np.int64), 0, 0
        self._ends = np.array([np.inf, -np.inf])
        self._loops = loops if grid.scale == "linear" else None

    def add(self, values: Reals, room: Counts) -> None:
        """Count values; ``room``: ``CHUNK`` numbers to work in, shared by columns."""
        if self._loops is not None:
            grid, codes = self.grid, room.view(np.uint32)[:BLOCK]
            nulls, strange = self._loops.tallied(values, grid.low, 1.0 / grid.width, self._ends, self.counts, codes)
            self.nulls, self.strange = self.nulls + nulls, self.strange + strange
            return
        for start in range(0, len(values), CHUNK):  # pieces that stay in the cache
            self._count(values[start : start + CHUNK], room)

    def _count(self, piece: Reals, room: Counts) -> None:
        low, high = float(piece.min()), float(piece.max())
        if not (low > -np.inf and high < np.inf):  # false for NaN too
            piece = self._finite(piece)
            if not len(piece):
                return
            low, high = float(piece.min()), float(piece.max())
        self._ends[:] = min(self._ends[0], low), max(self._ends[1], high)
        self.counts += np.bincount(self.grid.codes(piece, room, (low, high)), minlength=self.grid.bins)

    def _finite(self, piece: Reals) -> Reals:
        missing = int(np.isnan(piece).sum())
        kept = piece[np.isfinite(piece)]
        self.nulls, self.strange = self.nulls + missing, self.strange + len(piece) - missing - len(kept)
        return kept

    def tally(self) -> Tally:
        """Return what was counted."""
        return Tally(self.counts, self.nulls, self.strange, float(self._ends[0]), float(self._ends[1]))


def tally(values: Reals, grid: Grid) -> Tally:
    """Count one column in one pass."""
    found = Tallying(grid)
    found.add(values, np.empty(min(CHUNK, max(len(values), 1)), np.int64))
    return found.tally()


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of a table brings."""

    tallies: dict[str, Tally]
    sample: dict[str, Column]
    repeats: float | None = None  # share of rows that repeat an earlier one; None where nobody could look


class Table(Protocol):
    """Reads one table."""

    @property
    def name(self) -> str:
        """A short name for people."""
        ...

    @property
    def rows(self) -> int:
        """How many rows the table holds."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns, in the table's order."""
        ...

    def column(self, name: str) -> Column:
        """Return a whole column, rows in the table's order; ``Absent`` when there is no such column."""
        ...

    def sample(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        """Return the named columns of at most ``rows`` rows drawn at random, the same rows for every column."""
        ...

    def vectors(self, name: str, rows: int, seed: int) -> Floats:
        """Return at most ``rows`` vectors drawn at random, shape (n, d); ``Malformed`` where their lengths differ."""
        ...

    def tallies(self, grids: Mapping[str, Grid]) -> dict[str, Tally]:
        """Count numeric columns on their grids, inside the engine."""
        ...

    def glance(self, names: Sequence[str], rows: int, seed: int) -> dict[str, Column]:
        """Return about as many rows from all over the table, as cheaply as can be: not drawn by lot."""
        ...

    def survey(self, grids: Mapping[str, Grid], names: Sequence[str], rows: int, seed: int) -> Survey:
        """Return tallies, a sample, and how many rows repeat another; an engine that can, reads the table but once."""
        ...

    def summary(self, asked: Mapping[str, Bounds]) -> dict[str, Summary]:
        """Sum up columns inside the engine, counting what lies beyond their bounds."""
        ...

    def values(self, name: str, most: int) -> dict[str, int]:
        """Return the ``most`` frequent values of a column with their counts, nulls left out."""
        ...

    def strays(self, name: str, known: Column) -> tuple[int, str]:
        """Return how many rows hold a value that is none of the known, and such a value; nulls are left out."""
        ...

    def hours(self, time: str) -> dict[int, int]:
        """Return rows by hour (UTC) of a working day (0..23) or of a weekend (24..47), nulls left out."""
        ...

    def during(self, time: str, hours: Collection[int]) -> "Table":
        """Return the rows of those hours alone."""
        ...

    def apart(self, gaps: Mapping[str, tuple[str, str]]) -> "Table":
        """Return the table with more columns of numbers: by name, the seconds from one instant of a row to another."""
        ...
