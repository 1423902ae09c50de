"""Streamed: rules held to a stream, over a window of its newest rows, piece by piece as they come."""

from collections import deque
from datetime import datetime
from functools import reduce
from operator import add

from agent.drift.constraints import NOTHING, Known, column_faults, structure_faults
from agent.drift.counted import Counted, count
from agent.drift.finding import Fault
from agent.drift.rules import Constraints
from tools.tables import Table

WINDOW = 10_000  # rows
Piece = dict[str, Counted]


class Enforcer:
    """Takes pieces of a stream; says which rules the newest ``window`` rows break, and which of that is new.

    A share is judged over the window, so that three bad rows in a piece of five are no alarm and one in a hundred, hour
    after hour, is. ``rows_at_least`` asks about whole tables and is not asked here. ``known``: keys that columns
    refer to.
    """

    def __init__(self, constraints: Constraints, window: int = WINDOW, known: Known = NOTHING) -> None:
        self._constraints, self._window, self._known = constraints, window, known
        self._pieces: deque[tuple[int, Piece]] = deque()
        self._standing: tuple[Fault, ...] = ()
        self.fresh: tuple[Fault, ...] = ()

    def update(self, piece: Table, now: datetime | None = None) -> tuple[Fault, ...]:
        """Take the next rows; return every rule that is broken. ``fresh`` holds those that were not a piece ago."""
        wrong = structure_faults(self._constraints, piece)
        lost = {fault.column for fault in wrong}
        rules = {name: rule for name, rule in self._constraints.columns.items() if name not in lost}
        self._keep(
            piece.rows, {name: count(rule, piece.column(name), self._known.get(name)) for name, rule in rules.items()}
        )
        found = list(wrong)
        for name, rule in rules.items():
            counted = reduce(add, (known[name] for _, known in self._pieces if name in known), Counted())
            found += column_faults(name, rule, counted, now)
        known_faults = {(fault.column, fault.kind) for fault in self._standing}
        self.fresh = tuple(fault for fault in found if (fault.column, fault.kind) not in known_faults)
        self._standing = tuple(found)
        return self._standing

    @property
    def rows(self) -> int:
        """How many rows are judged together now."""
        return sum(rows for rows, _ in self._pieces)

    def _keep(self, rows: int, piece: Piece) -> None:
        self._pieces.append((rows, piece))
        while len(self._pieces) > 1 and self.rows - self._pieces[0][0] >= self._window:
            self._pieces.popleft()
