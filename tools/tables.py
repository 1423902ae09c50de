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
    """Loops over a piece of a column: ``tools.counting``."""

    def placed(self, values: Reals, low: float, per: float, last: float, codes: NDArray[np.int32]) -> tuple[int, int]:
        """Write the bin of each value; return the least and the greatest bin."""
        ...

    def scattered(self, codes: NDArray[np.int32], counts: Counts) -> None:
        """Add one to the count of each bin that is named."""
        ...


class Tallying:
    """Counts one numeric column piece by piece, in place; NaN is null, an infinity is strange.

    ``loops``: ``tools.counting``, for what is worth the wait for it; the counts are the same.
    """

    def __init__(self, grid: Grid, loops: Loops | None = None) -> None:
        self.grid, self.counts, self.nulls, self.strange = grid, np.zeros(grid.bins, np.int64), 0, 0
        self.ends = (np.inf, -np.inf)
        self._loops = loops if grid.scale == "linear" else None
        self._within = (grid.bins, -1)  # bins of the ends

    def add(self, values: Reals, room: Counts) -> None:
        """Count values in pieces that stay in the cache; ``room``: ``CHUNK`` numbers to work in, shared by columns."""
        for start in range(0, len(values), CHUNK):
            piece = values[start : start + CHUNK]
            placed = self._placed(piece, room)
            if placed is not None and self._within[0] < placed[0] <= placed[1] < self._within[1]:
                self._scatter(placed, len(piece), room)  # between the bins of the ends: finite, and no new end
                continue
            low, high = float(piece.min()), float(piece.max())
            if not (low > -np.inf and high < np.inf):  # false for NaN too
                piece = self._finite(piece)
                if not len(piece):
                    continue
                low, high = float(piece.min()), float(piece.max())
                placed = None
            self.ends = (min(self.ends[0], low), max(self.ends[1], high))
            if placed is not None:
                self._scatter(placed, len(piece), room)
            else:
                self.counts += np.bincount(self.grid.codes(piece, room, (low, high)), minlength=self.grid.bins)

    def _placed(self, piece: Reals, room: Counts) -> tuple[int, int] | None:
        """Write the bins of a piece; return the least and the greatest, None where no loops are at hand for it."""
        if self._loops is None:
            return None
        grid, codes = self.grid, room.view(np.int32)[: len(piece)]
        return self._loops.placed(piece, grid.low, 1.0 / grid.width, float(grid.bins - 1), codes)

    def _scatter(self, placed: tuple[int, int], many: int, room: Counts) -> None:
        if self._loops is not None:
            self._loops.scattered(room.view(np.int32)[:many], self.counts)
        self._within = min(placed[0], self._within[0]), max(placed[1], self._within[1])

    def _finite(self, piece: Reals) -> Reals:
        missing = int(np.isnan(piece).sum())
        kept = piece[np.isfinite(piece)]
        self.nulls, self.strange = self.nulls + missing, self.strange + len(piece) - missing - len(kept)
        return kept

    def tally(self) -> Tally:
        """Return what was counted."""
        return Tally(self.counts, self.nulls, self.strange, *self.ends)


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
