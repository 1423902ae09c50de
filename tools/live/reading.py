"""Reads a table of the embedded engine once, piece by piece: bins, sample and repeated rows come from one pass.

Binning here is quicker than the engine's own grouping, and takes the memory of a piece.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.grid import CHUNK, Counts, Grid, Reals
from tools.live.arrow import column, reals
from tools.loops import loops
from tools.rowhash import Hashes, mixed, repeated, sieved, spelt
from tools.tables import Column, Kind, Numbers, Survey, Tallying

PIECE = 1 << 18  # rows handed over at once: with few and large pieces neither side waits much for the other
AHEAD = "64MB"  # what it may decode while a piece is being counted here
MANY = 10**8  # values for which Numba is worth the half second that it takes to come
STRETCHES = 16  # of a table, to glance at it
WATCHED = 250_000  # rows held against each other for repeats: about so many, picked by what they hold
HASHED = 4096  # rows to be watched are hashed so many at a time
TELLING = 2  # columns by which they are picked
DISTINCT = 0.2  # of the values of the first piece must differ for a column to be one of those


@dataclass(frozen=True, slots=True)
class Query:
    """What to read: SQL, the connection to send it to, and what its columns hold."""

    engine: Any
    text: str
    kinds: Mapping[str, Kind]


def stretches(query: Query, names: Sequence[str], rows: int, wanted: int) -> dict[str, Column]:
    """Return rows of stretches spread evenly over a table of so many rows, its first and last among them."""
    import pyarrow as pa

    length = max(wanted // STRETCHES, 1)
    starts = np.linspace(0, max(rows - length, 0), STRETCHES).astype(np.int64).tolist()
    parts = [query.engine.sql(query.text).limit(length, at) for at in starts]
    whole = pa.concat_tables([part.to_arrow_table() for part in parts])
    return {name: column(whole[name], query.kinds[name]) for name in names}


def read_once(query: Query, grids: Mapping[str, Grid], names: Sequence[str], picks: Counts, rows: int) -> Survey:
    """Count columns on their grids, pick rows by number, and see how many repeat another, in one reading."""

    swift = loops("tools.counting") if rows * len(grids) >= MANY else None
    counted = {name: Tallying(grid, swift) for name, grid in grids.items()}
    room, start, taken, watch = np.empty(CHUNK, np.int64), 0, _Taken(query.kinds, names), _Repeats(query.kinds, rows)
    query.engine.execute(f"SET streaming_buffer_size = '{AHEAD}'")
    for batch in query.engine.sql(query.text).to_arrow_reader(PIECE):
        piece = Piece(batch, {name: reals(batch.column(name), query.kinds[name]) for name in counted})
        for name, one in counted.items():
            one.add(piece.numbers[name], room)
        taken.add(piece, picks[np.searchsorted(picks, start) : np.searchsorted(picks, start + len(batch))] - start)
        if len(picks):
            watch.add(piece)
        start += len(batch)
    return Survey({name: one.tally() for name, one in counted.items()}, taken.columns(), watch.share())


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows as the engine hands them over, and those of its columns that are numbers already."""

    batch: Any
    numbers: Mapping[str, Reals]

    def reals(self, name: str, kind: Kind) -> Reals:
        """Return a column of numbers or instants."""
        known = self.numbers.get(name)
        return reals(self.batch.column(name), kind) if known is None else known


class _Taken:
    """Rows picked out of pieces, column by column: of numbers that costs a tenth of what Arrow's own taking does."""

    def __init__(self, kinds: Mapping[str, Kind], names: Sequence[str]) -> None:
        self._kinds = kinds
        self._parts: dict[str, list[Any]] = {name: [] for name in names}
        self.rows = 0

    def add(self, piece: Piece, rows: Counts) -> None:
        """Take rows of a piece, by number."""
        import pyarrow as pa

        if not len(rows):
            return
        for name, parts in self._parts.items():
            known = piece.numbers.get(name)
            parts.append(piece.batch.column(name).take(pa.array(rows)) if known is None else known[rows])
        self.rows += len(rows)

    def columns(self) -> dict[str, Column]:
        """Return all that was taken."""
        return {name: self._whole(name, parts) for name, parts in self._parts.items()}

    def clear(self) -> None:
        """Forget it."""
        self._parts, self.rows = {name: [] for name in self._parts}, 0

    def _whole(self, name: str, parts: list[Any]) -> Column:
        import pyarrow as pa

        if parts and isinstance(parts[0], np.ndarray):
            return Numbers(np.concatenate(parts).astype(np.float64, copy=False))
        return column(pa.chunked_array(parts) if parts else pa.nulls(0), self._kinds[name])


class _Repeats:
    """Counts repeated rows among those whose telling columns hash to nought: of such rows, all copies are there."""

    def __init__(self, kinds: Mapping[str, Kind], rows: int) -> None:
        self._bits = max(int(np.ceil(np.log2(max(rows, 1) / WATCHED))), 0)
        self._kinds = kinds
        self._telling: list[str] | None = None
        self._taken = _Taken(kinds, list(kinds))
        self._held: list[Hashes] = []
        self._many = 0

    def add(self, piece: Piece) -> None:
        """Take the rows to be watched of one piece."""
        if self._telling is None:
            self._telling = self._found(piece)
        if not self._telling or self._many > 8 * WATCHED:
            return
        rows = self._picked(piece, self._telling)
        self._taken.add(piece, rows)
        self._many += len(rows)
        if self._taken.rows >= HASHED:
            self._flush()

    def _picked(self, piece: Piece, telling: list[str]) -> Counts:
        """Return the rows to be watched: half of the bits are asked of one column, the rest of all for those left."""
        if not self._bits:
            return np.arange(len(piece.batch))
        coarse = self._bits // 2
        rows = sieved(piece.reals(telling[0], self._kinds[telling[0]]), coarse)
        left = {name: Numbers(piece.reals(name, self._kinds[name])[rows].astype(np.float64)) for name in telling}
        return rows[np.flatnonzero(_hashes(left) >> np.uint64(64 - self._bits + coarse) == 0)]

    def share(self) -> float | None:
        """Return the share of rows that repeat another; None where no column tells rows apart."""
        if not self._telling or not self._many or self._many > 8 * WATCHED:
            return None
        self._flush()
        return repeated(np.concatenate(self._held))

    def _flush(self) -> None:
        if self._taken.rows:
            self._held.append(_hashes(self._taken.columns()))
            self._taken.clear()

    def _found(self, piece: Piece) -> list[str]:
        """Return the columns of numbers with the most different values."""
        head = piece.batch.slice(0, 4096)
        distinct = {}
        for name, kind in self._kinds.items():
            if kind in {Kind.number, Kind.time}:
                held = column(head.column(name), kind)
                distinct[name] = len(np.unique(held.values)) if isinstance(held, Numbers) else 0
        enough = [name for name, n in distinct.items() if n >= DISTINCT * len(head)]
        return sorted(enough, key=lambda name: -distinct[name])[:TELLING]


def _hashes(columns: Mapping[str, Column]) -> Hashes:
    total = np.zeros(1, np.uint64)
    for one in columns.values():
        total = mixed(total, spelt(one))
    return total
