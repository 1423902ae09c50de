"""Asks two tables for what is compared: numbers binned on the reference, values counted; exact where affordable."""

from dataclasses import dataclass, field

import numpy as np

from agent.drift.categories import tallied
from agent.drift.exact import Gaps, gaps
from agent.drift.finding import Limits
from agent.drift.sketch import BINS, Sketch, gather, tally
from tools.grid import Floats, Grid, fit_grid
from tools.tables import Field, Kind, Labels, Numbers, Table, Tally

GRID_ROWS = 50_000  # of the reference, to fix a grid on
MOST_VALUES = 20_000  # distinct values of a column that an engine is asked for
LIKE_A_KEY = 0.9  # distinct values per row of a column from which on it names rows and describes nothing


@dataclass
class Gathered:
    """What was read of both tables, per feature; the order of the dictionaries is that of the reference's columns."""

    numbers: dict[str, tuple[Tally, Tally]] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    gaps: dict[str, Gaps] = field(default_factory=dict)
    texts: dict[str, tuple[dict[str, int], dict[str, int]]] = field(default_factory=dict)
    nulls: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def sketches(self) -> tuple[Sketch, Sketch]:
        """Return both sides of the numeric features as sketches."""
        grids = [self.grids[name] for name in self.numbers]
        one, two = zip(*self.numbers.values(), strict=True)
        return gather(one, grids), gather(two, grids)


def gather_all(reference: Table, current: Table, limits: Limits) -> Gathered:
    """Read every column that both tables hold as the same kind of thing."""
    found = Gathered()
    kinds = {field.name: field for field in current.fields}
    big = max(reference.rows, current.rows) > limits.exact_rows
    wanted: dict[str, Grid] = {}
    for one in reference.fields:
        other = kinds.get(one.name)
        if other is None or other.kind is not one.kind or one.kind in {Kind.time, Kind.other}:
            if other is not None and one.kind is Kind.other:
                found.left_out.append(one.name)
            continue
        if one.kind is Kind.number:
            if big:
                wanted[one.name] = _grid_of_sample(reference, one, limits)
            else:
                _numbers(found, one, reference.column(one.name), current.column(one.name))
        elif big or one.kind is Kind.flag:
            _texts(found, one.name, (reference.values(one.name, MOST_VALUES), current.values(one.name, MOST_VALUES)))
            found.nulls[one.name] = (_missing(reference, one.name, found, 0), _missing(current, one.name, found, 1))
        else:
            _labels(found, one.name, reference.column(one.name), current.column(one.name))
    _in_engine(found, reference, current, wanted)
    return found


def _in_engine(found: Gathered, reference: Table, current: Table, wanted: dict[str, Grid]) -> None:
    one, two = reference.tallies(wanted), current.tallies(wanted)
    for name, grid in wanted.items():
        found.numbers[name], found.grids[name] = (one[name], two[name]), grid
        found.nulls[name] = (one[name].nulls, two[name].nulls)


def _missing(table: Table, name: str, found: Gathered, side: int) -> int:
    values = found.texts.get(name)
    if values is None or len(values[side]) >= MOST_VALUES:
        return 0
    return table.rows - sum(values[side].values())


def _grid_of_sample(table: Table, field: Field, limits: Limits) -> Grid:
    column = table.sample([field.name], GRID_ROWS, limits.seed)[field.name]
    return fit_grid(_all_finite(column.values) if isinstance(column, Numbers) else np.empty(0), BINS)


def _numbers(found: Gathered, field: Field, reference: object, current: object) -> None:
    if not isinstance(reference, Numbers) or not isinstance(current, Numbers):
        return
    first, second = _all_finite(reference.values), _all_finite(current.values)
    if _names_rows(field, first):
        found.keys.append(field.name)
        return
    grid = fit_grid(first[:: max(len(first) // GRID_ROWS, 1)], BINS)
    found.grids[field.name] = grid
    found.numbers[field.name] = (tally(reference.values, grid), tally(current.values, grid))
    found.nulls[field.name] = (found.numbers[field.name][0].nulls, found.numbers[field.name][1].nulls)
    found.gaps[field.name] = gaps(first, second)


def _all_finite(values: Floats) -> Floats:
    """Return the finite values; the same array where all are."""
    finite = np.isfinite(values)
    return values if bool(finite.all()) else values[finite]


def _names_rows(field: Field, values: Floats) -> bool:
    """Whether a column of whole numbers only numbers its rows: as many values as rows, one step apart."""
    if len(values) < 3 or not field.type.lower().startswith(("int", "uint")):
        return False
    head = values[:10_000]
    return bool((np.abs(np.diff(head)) == 1).all())


def _labels(found: Gathered, name: str, reference: object, current: object) -> None:
    if not isinstance(reference, Labels) or not isinstance(current, Labels):
        return
    found.nulls[name] = (int((reference.codes < 0).sum()), int((current.codes < 0).sum()))
    _texts(found, name, (tallied(reference), tallied(current)))


def _texts(found: Gathered, name: str, values: tuple[dict[str, int], dict[str, int]]) -> None:
    rows = sum(values[0].values())
    if rows > 20 and len(values[0]) > min(LIKE_A_KEY * rows, MOST_VALUES - 1):
        found.keys.append(name)
        return
    found.texts[name] = values
