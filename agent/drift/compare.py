"""Compares two tables: everything that a drift report says."""

from collections.abc import Mapping

import numpy as np

from agent.drift.finding import DriftReport, Fault, Limits, Move, Side
from agent.drift.gathering import gather_all
from agent.drift.headline import headline
from agent.drift.judging import judge
from tools.tables import Table


def compare(
    reference: Table, current: Table, limits: Limits | None = None, importance: Mapping[str, float] | None = None
) -> DriftReport:
    """Say what moved from ``reference`` to ``current``. ``importance``: how much the model leans on each feature."""
    limits = limits or Limits()
    with np.errstate(over="ignore", invalid="ignore"):  # absurd magnitudes are reported, not raised
        return _compare(reference, current, limits, importance or {})


def _compare(reference: Table, current: Table, limits: Limits, importance: Mapping[str, float]) -> DriftReport:
    gathered = gather_all(reference, current, limits)
    moves = judge(gathered, limits, (reference.rows, current.rows), importance)
    notes = [f"{name}: names rows, not compared" for name in gathered.keys]
    notes += [f"{name}: of a kind that is not compared" for name in gathered.left_out]
    faults: list[Fault] = []
    return DriftReport(
        headline=headline(moves, faults, limits),
        reference=Side(name=reference.name, rows=reference.rows),
        current=Side(name=current.name, rows=current.rows),
        limits=limits,
        moves=_worth(moves),
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _worth(moves: list[Move]) -> tuple[Move, ...]:
    """Leave out the nulls that did not move: every column has them or not, and neither is news."""
    return tuple(move for move in moves if move.kind != "nulls" or move.verdict != "same")
