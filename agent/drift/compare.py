"""Compares two tables: everything that a drift report says."""

from collections.abc import Iterator, Mapping

import numpy as np

from agent.drift.duplicates import duplicate_faults, judged
from agent.drift.faults import null_faults, number_faults, schema_faults
from agent.drift.finding import DriftReport, Fault, Limits, Move, Side
from agent.drift.gathering import Gathered, gather_all
from agent.drift.headline import headline
from agent.drift.instants import time_faults
from agent.drift.judging import judge
from agent.drift.sampled import look_at_samples
from agent.drift.texts import text_faults
from agent.drift.vectors import columns_of_vectors, vector_moves
from agent.drift.wording import candidates, text_moves
from tools.tables import Column, Kind, Numbers, Table


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
    looked = look_at_samples(reference, current, moves, gathered, limits)
    clouds = limits.false_alarms / (16 if columns_of_vectors(reference, current) and candidates(gathered) else 8)
    vectors = vector_moves(reference, current, limits, clouds)
    texts = text_moves(reference, current, gathered, limits, clouds)
    joint = (*looked.joint, *texts.joint, *vectors.joint)
    faults = [*vectors.faults, *texts.faults, *find_faults(reference, current, gathered, moves)]
    return DriftReport(
        headline=headline(looked.moves, faults, joint, looked.segments, limits),
        reference=Side(name=reference.name, rows=reference.rows),
        current=Side(name=current.name, rows=current.rows),
        limits=limits,
        moves=_worth(looked.moves),
        faults=tuple(faults),
        joint=joint,
        segments=looked.segments,
        notes=(*_notes(reference, current, gathered, faults, texts.names), *vectors.notes),
    )


def _notes(
    reference: Table, current: Table, gathered: Gathered, faults: list[Fault], texts: list[str]
) -> Iterator[str]:
    """Yield what was not compared, and what is new but too rare to be a fault."""
    yield from (f"{name}: names rows, not compared" for name in gathered.keys if name not in texts)
    yield from (f"{name}: of a kind that is not compared" for name in gathered.left_out)
    known = {field.name for field in reference.fields}
    for field in current.fields:
        if field.name not in known:
            yield f"{field.name}: new, the reference has no such column"
    named = {fault.column for fault in faults if fault.kind == "infinite"}
    for name, (before, after) in gathered.numbers.items():
        if after.strange and not before.strange and name not in named:
            many = "1 value is" if after.strange == 1 else f"{after.strange} values are"
            yield f"{name}: {many} infinite, none of the reference"


def _worth(moves: list[Move]) -> tuple[Move, ...]:
    """Leave out the nulls that did not move: every column has them or not, and neither is news."""
    return tuple(move for move in moves if move.kind != "nulls" or move.verdict != "same")


def find_faults(reference: Table, current: Table, gathered: Gathered, moves: list[Move]) -> list[Fault]:
    """Return every data-quality fault, the surest and widest first."""
    found = [
        *schema_faults(reference, current),
        *number_faults(gathered, moves),
        *null_faults(moves),
        *text_faults(gathered),
        *_of_time(reference, current, gathered),
        *_duplicates(reference, current, gathered),
    ]
    return sorted(found, key=lambda fault: (-fault.sure * fault.share, fault.column, fault.kind))


def _duplicates(reference: Table, current: Table, gathered: Gathered) -> Iterator[Fault]:
    """Repeated rows: of all where the columns are read anyhow, else of those that were watched while counting."""
    if gathered.drawn is None:
        yield from duplicate_faults(reference, current)
        return
    before, after = gathered.repeats
    unread = any(one.kind is Kind.other and not one.vector for one in current.fields)  # may tell rows apart
    if before is not None and after is not None and not unread:
        yield from judged(before, after, current.rows / max(reference.rows, 1))


def _of_time(reference: Table, current: Table, gathered: Gathered) -> list[Fault]:
    now = {field.name: field.kind for field in current.fields}
    names = [one.name for one in reference.fields if one.kind is Kind.time and now.get(one.name) is Kind.time]
    drawn: tuple[Mapping[str, Column], Mapping[str, Column]] = gathered.drawn or ({}, {})
    found: list[Fault] = []
    for name in names:
        sides = [held.get(name) or table.column(name) for held, table in zip(drawn, (reference, current), strict=True)]
        if all(isinstance(side, Numbers) for side in sides):
            found += time_faults(name, *(side.values for side in sides if isinstance(side, Numbers)))
    return found
