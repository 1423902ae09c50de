"""Reads a table of the embedded engine once, piece by piece: bins, sample and repeated rows come from one pass.

Binning here is quicker than the engine's own grouping, and takes the memory of a piece.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.grid import CHUNK, Counts, Grid
from tools.live.arrow import column, reals
from tools.rowhash import Hashes, mixed, repeated, spelt
from tools.tables import Column, Kind, Numbers, Survey, Tallying

PIECE = 1 << 15  # rows handed over at once: a column of them stays in a core's own cache
AHEAD = "64MB"  # what it may decode while a piece is being counted here
STRETCHES = 32  # of a table, to glance at it
WATCHED = 250_000  # rows held against each other for repeats: about so many, picked by what they hold
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
    import pyarrow as pa

    counted = {name: Tallying(grid) for name, grid in grids.items()}
    room, start, taken, watch = np.empty(CHUNK, np.int64), 0, [], _Repeats(query.kinds, rows)
    query.engine.execute(f"SET streaming_buffer_size = '{AHEAD}'")
    reader = query.engine.sql(query.text).to_arrow_reader(PIECE)
    for piece in reader:
        for name, one in counted.items():
            one.add(reals(piece.column(name), query.kinds[name]), room)
        here = picks[np.searchsorted(picks, start) : np.searchsorted(picks, start + len(piece))] - start
        taken += [piece.select(list(names)).take(pa.array(here))] if len(here) else []
        if len(picks):
            watch.add(piece)
        start += len(piece)
    drawn = pa.Table.from_batches(taken, pa.schema([reader.schema.field(name) for name in names]))
    return Survey(
        {name: one.tally() for name, one in counted.items()},
        {name: column(drawn[name], query.kinds[name]) for name in names},
        watch.share,
    )


class _Repeats:
    """Counts repeated rows among those whose telling columns hash to nought: of such rows, all copies are there."""

    def __init__(self, kinds: Mapping[str, Kind], rows: int) -> None:
        self.kinds = kinds
        self.bits = max(int(np.ceil(np.log2(max(rows, 1) / WATCHED))), 0)
        self.telling: list[str] | None = None
        self.held: list[Hashes] = []
        self.many = 0

    def add(self, piece: Any) -> None:
        """Hash the rows to be watched of one piece."""
        import pyarrow as pa

        if self.telling is None:
            self.telling = self._found(piece)
        if not self.telling or self.many > 8 * WATCHED:
            return
        rows = np.arange(len(piece))
        if self.bits:
            first = self._hashes(piece, self.telling)
            rows = np.flatnonzero(first >> np.uint64(64 - self.bits) == 0)
            piece = piece.take(pa.array(rows))
        self.held.append(self._hashes(piece, list(self.kinds)))
        self.many += len(rows)

    @property
    def share(self) -> float | None:
        """The share of rows that repeat another; None where no column tells rows apart."""
        if not self.telling or not self.many or self.many > 8 * WATCHED:
            return None
        return repeated(np.concatenate(self.held))

    def _found(self, piece: Any) -> list[str]:
        """Return the columns of numbers with the most different values."""
        head = piece.slice(0, 4096)
        distinct = {}
        for name, kind in self.kinds.items():
            if kind in {Kind.number, Kind.time}:
                held = column(head.column(name), kind)
                distinct[name] = len(np.unique(held.values)) if isinstance(held, Numbers) else 0
        enough = [name for name, n in distinct.items() if n >= DISTINCT * len(head)]
        return sorted(enough, key=lambda name: -distinct[name])[:TELLING]

    def _hashes(self, piece: Any, names: Sequence[str]) -> Hashes:
        total = np.zeros(len(piece), np.uint64)
        for name in names:
            total = mixed(total, spelt(column(piece.column(name), self.kinds[name])))
        return total
