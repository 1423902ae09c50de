"""What is asked of samples of rows: joint drift, segments, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.drift.finding import Joint, Limits, Move, SegmentMove
from agent.drift.gathering import Gathered, clock
from agent.drift.joint import joint_moves
from agent.drift.segments import MOST, segment_moves
from agent.drift.since import since
from agent.drift.vectors import columns_of_vectors
from agent.drift.wording import candidates
from tools.grid import Floats
from tools.tables import Column, Kind, Labels, Numbers, Table

JOINT_ROWS = 5_000
JOINT_FEATURES = 60


@dataclass(frozen=True, slots=True)
class Sampled:
    """The findings of the samples."""

    moves: list[Move]
    joint: tuple[Joint, ...]
    segments: tuple[SegmentMove, ...]


def look_at_samples(
    reference: Table, current: Table, moves: Sequence[Move], gathered: Gathered, limits: Limits
) -> Sampled:
    """Draw the same rows of every feature on both sides, once, and ask all questions of them."""
    features, ticks = [*gathered.numbers, *gathered.texts], clock(reference, current)
    parts = bool(ticks) or any(field.kind is Kind.text for field in reference.fields if field.name in set(features))
    rows = limits.sample if parts else min(limits.sample, JOINT_ROWS)
    if not rows or not features:
        return Sampled(list(moves), (), ())
    drawn = gathered.drawn or (
        reference.sample(features, rows, limits.seed),
        current.sample([*features, *ticks], rows, limits.seed + 1),
    )
    one, two = {name: drawn[0][name] for name in features}, drawn[1]
    overall = {move.feature: move.effect for move in moves if move.kind == "number"}
    narrow = {name: column for name, column in one.items() if isinstance(column, Numbers) or len(column.names) <= MOST}
    shared = columns_of_vectors(reference, current) or candidates(gathered)
    spent = limits.false_alarms / (8 if shared else 4)
    return Sampled(
        [_dated(move, one, two, ticks) for move in moves],
        _joint(narrow, two, spent, limits.seed),
        segment_moves(narrow, two, overall, limits),
    )


def _dated(move: Move, one: dict[str, Column], two: dict[str, Column], ticks: list[str]) -> Move:
    at = two.get(ticks[0]) if ticks else None
    if move.verdict not in {"moved", "slight"} or not isinstance(at, Numbers) or move.feature not in one:
        return move
    found = since(one[move.feature], two[move.feature], at.values)
    return move if found is None else move.model_copy(update={"since": f"{np.datetime64(int(found), 's')}Z"})


def _joint(one: dict[str, Column], two: dict[str, Column], alpha: float, seed: int) -> tuple[Joint, ...]:
    names = [name for name, column in one.items() if _varies(column)][:JOINT_FEATURES]
    if len(names) < 2:
        return ()
    sides = [_matrix(side, one, names) for side in (one, two)]
    return joint_moves(sides[0], sides[1], names, alpha, seed)


def _varies(column: Column) -> bool:
    if isinstance(column, Labels):
        return len(column.names) > 1
    known = column.values[np.isfinite(column.values)]
    return len(known) > 0 and float(known.max()) > float(known.min())


def _few(values: Floats) -> Floats:
    """Take rows evenly over the whole sample, whatever its order."""
    return values[:: max(-(-len(values) // JOINT_ROWS), 1)]


def _matrix(side: dict[str, Column], reference: dict[str, Column], names: list[str]) -> Floats:
    """Put columns side by side; a category is the place of its value among those of the reference, unseen is null."""
    found = []
    for name in names:
        column, usual = side[name], reference[name]
        if isinstance(column, Labels) and isinstance(usual, Labels):
            place = {value: float(at) for at, value in enumerate(usual.names)}
            turned = np.array([*(place.get(value, np.nan) for value in column.names), np.nan])
            found.append(_few(turned[column.codes]))
        elif isinstance(column, Numbers):
            found.append(_few(column.values))
    return np.column_stack(found)
