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


def tally(values: Reals, grid: Grid) -> Tally:
    """Count one column: one pass, in pieces that stay in the cache; NaN is null, an infinity is strange."""
    counts, nulls, strange = np.zeros(grid.bins, np.int64), 0, 0
    lowest, highest = np.inf, -np.inf
    room = np.empty(min(CHUNK, max(len(values), 1)), np.int64)
    for start in range(0, len(values), CHUNK):
        piece = values[start : start + CHUNK]
        low, high = float(piece.min()), float(piece.max())
        if not (low > -np.inf and high < np.inf):  # false for NaN too
            missing = int(np.isnan(piece).sum())
            kept = piece[np.isfinite(piece)]
            nulls, strange = nulls + missing, strange + len(piece) - missing - len(kept)
            if not len(kept):
                continue
            piece, low, high = kept, float(kept.min()), float(kept.max())
        lowest, highest = min(lowest, low), max(highest, high)
        counts += np.bincount(grid.codes(piece, room, (low, high)), minlength=grid.bins)
    return Tally(counts, nulls, strange, lowest, highest)


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

    def survey(
        self, grids: Mapping[str, Grid], names: Sequence[str], rows: int, seed: int
    ) -> tuple[dict[str, Tally], dict[str, Column]]:
        """Return tallies and a sample at once; an engine that can, reads the table but once."""
        ...

    def summary(self, asked: Mapping[str, Bounds]) -> dict[str, Summary]:
        """Sum up columns inside the engine, counting what lies beyond their bounds."""
        ...

    def values(self, name: str, most: int) -> dict[str, int]:
        """Return the ``most`` frequent values of a column with their counts, nulls left out."""
        ...

    def hours(self, time: str) -> dict[int, int]:
        """Return rows by hour (UTC) of a working day (0..23) or of a weekend (24..47), nulls left out."""
        ...

    def during(self, time: str, hours: Collection[int]) -> "Table":
        """Return the rows of those hours alone."""
        ...
