"""Asks two tables for what is compared: numbers binned on the reference, values counted; exact where affordable."""

from dataclasses import dataclass, field

import numpy as np

from agent.drift.categories import tallied
from agent.drift.exact import Gaps, gaps
from agent.drift.finding import Limits
from agent.drift.sketch import BINS, Sketch, gather
from tools.grid import Floats, Grid, fit_grid
from tools.tables import Column, Field, Kind, Labels, Numbers, Survey, Table, Tally, tally

GRID_ROWS = 20_000  # of the reference, to fix a grid on
MOST_VALUES = 20_000  # distinct values of a column that an engine is asked for
FEW, LIKE_NUMBERS = 100, 1.01  # rows, and reach of their numbers, from which on numbers in any order number rows
LIKE_A_KEY = 0.9  # distinct values per row of a column from which on it names rows and describes nothing


@dataclass
class Gathered:
    """What was read of both tables, per feature; the order of the dictionaries is that of the reference's columns."""

    numbers: dict[str, tuple[Tally, Tally]] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    gaps: dict[str, Gaps] = field(default_factory=dict)
    texts: dict[str, tuple[dict[str, int], dict[str, int]]] = field(default_factory=dict)
    samples: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)  # finite values, drawn evenly
    beyond: dict[str, int] = field(default_factory=dict)  # current values outside the reference's extremes
    drawn: tuple[dict[str, Column], dict[str, Column]] | None = None  # rows sampled of both sides, where already drawn
    repeats: tuple[float | None, float | None] = (None, None)  # share of rows that repeat another, where counted
    nulls: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    worded: list[str] = field(default_factory=list)  # those of the keys that are text
    left_out: list[str] = field(default_factory=list)

    def sketches(self) -> tuple[Sketch, Sketch]:
        """Return both sides of the numeric features as sketches."""
        grids = [self.grids[name] for name in self.numbers]
        one, two = zip(*self.numbers.values(), strict=True)
        return gather(one, grids), gather(two, grids)


def gather_all(reference: Table, current: Table, limits: Limits) -> Gathered:
    """Read every column that both tables hold as the same kind of thing."""
    found = Gathered()
    fields = _alike(reference, current, found)
    if max(reference.rows, current.rows) > limits.exact_rows:
        _by_counts(found, reference, current, fields, limits)
    else:
        _by_columns(found, reference, current, fields)
    return found


def _alike(reference: Table, current: Table, found: Gathered) -> list[Field]:
    """Return the reference's columns that current holds as the same kind of thing; instants are not compared."""
    kinds = {field.name: field.kind for field in current.fields}
    both = [one for one in reference.fields if kinds.get(one.name) is one.kind]
    found.left_out += [one.name for one in both if one.kind is Kind.other and not one.vector]
    return [one for one in both if one.kind not in {Kind.time, Kind.other}]


def _by_columns(found: Gathered, reference: Table, current: Table, fields: list[Field]) -> None:
    """Read one column of both sides after another: exact, and no more than two columns in memory."""
    for one in fields:
        if one.kind is Kind.number:
            _numbers(found, one, reference.column(one.name), current.column(one.name))
        elif one.kind is Kind.text:
            _labels(found, one.name, reference.column(one.name), current.column(one.name))
        else:
            _valued(found, one.name, reference, current)


def _by_counts(found: Gathered, reference: Table, current: Table, fields: list[Field], limits: Limits) -> None:
    """Let the engines count: no column leaves them, only samples; each side is read once."""
    names = [one.name for one in fields if one.kind is Kind.number]
    wanted = [one.name for one in fields]
    rows = max(limits.sample, GRID_ROWS)
    seen = reference.glance(names, GRID_ROWS, limits.seed) if names else {}
    grids = {name: fit_grid(_some(seen[name]), BINS) for name in names}
    sides = [
        table.survey(grids, [*wanted, *_times(table)], rows, limits.seed + at)
        for at, table in enumerate((reference, current))
    ]
    one, two = sides
    found.drawn, found.repeats = (one.sample, two.sample), (one.repeats, two.repeats)
    for each in fields:
        if each.kind is not Kind.number:
            _valued(found, each.name, reference, current)
        elif _numbers_rows(each, one.tallies[each.name], one.sample[each.name]):
            found.keys.append(each.name)
        else:
            _counted(found, each.name, sides, grids[each.name])


def _counted(found: Gathered, name: str, sides: list[Survey], grid: Grid) -> None:
    before, after = (side.tallies[name] for side in sides)
    found.numbers[name], found.grids[name], found.nulls[name] = (before, after), grid, (before.nulls, after.nulls)
    found.samples[name] = (_some(sides[0].sample[name]), _some(sides[1].sample[name]))
    drawn = found.samples[name][1]
    if before.lowest <= before.highest and len(drawn):
        outside = float(((drawn < before.lowest) | (drawn > before.highest)).mean())
        found.beyond[name] = round(outside * int(after.counts.sum()))


def _numbers_rows(one: Field, counts: Tally, drawn: Column) -> bool:
    """Whether a column of whole numbers only numbers its rows: none twice, and about as many as rows."""
    if not _whole(one) or not isinstance(drawn, Numbers) or counts.lowest > counts.highest:
        return False
    span = counts.highest - counts.lowest + 1
    return abs(span / max(int(counts.counts.sum()), 1) - 1) < 0.01 and len(np.unique(drawn.values)) == len(drawn)


def _times(table: Table) -> list[str]:
    return [field.name for field in table.fields if field.kind is Kind.time]


def clock(reference: Table, current: Table) -> list[str]:
    """Return the first column of instants that both sides hold, else the first of current; none: empty."""
    known = {field.name for field in reference.fields if field.kind is Kind.time}
    names = [field.name for field in current.fields if field.kind is Kind.time]
    return [name for name in names if name in known][:1] or names[:1]


def _some(column: Column) -> Floats:
    """Return finite values of a sample, not too many."""
    return _thin(_all_finite(column.values)) if isinstance(column, Numbers) else np.empty(0)


def _valued(found: Gathered, name: str, reference: Table, current: Table) -> None:
    _texts(found, name, (reference.values(name, MOST_VALUES), current.values(name, MOST_VALUES)))
    found.nulls[name] = (_missing(reference, name, found, 0), _missing(current, name, found, 1))


def _missing(table: Table, name: str, found: Gathered, side: int) -> int:
    values = found.texts.get(name)
    if values is None or len(values[side]) >= MOST_VALUES:
        return 0
    return table.rows - sum(values[side].values())


def _numbers(found: Gathered, one: Field, reference: object, current: object) -> None:
    if not isinstance(reference, Numbers) or not isinstance(current, Numbers):
        return
    first, second = _all_finite(reference.values), _all_finite(current.values)
    if _names_rows(one, first):
        found.keys.append(one.name)
        return
    found.samples[one.name] = (_thin(first), _thin(second))
    grid = fit_grid(found.samples[one.name][0], BINS)
    found.grids[one.name] = grid
    found.numbers[one.name] = (tally(reference.values, grid), tally(current.values, grid))
    found.nulls[one.name] = (found.numbers[one.name][0].nulls, found.numbers[one.name][1].nulls)
    found.gaps[one.name] = gaps(first, second)
    before, after = found.numbers[one.name]
    if before.lowest <= before.highest and (after.lowest < before.lowest or after.highest > before.highest):
        found.beyond[one.name] = int((second < before.lowest).sum() + (second > before.highest).sum())


def _thin(values: Floats) -> Floats:
    """Take every so many-th value, as a copy: a view would keep the whole column in memory."""
    return values[:: max(len(values) // GRID_ROWS, 1)].copy()


def _all_finite(values: Floats) -> Floats:
    """Return the finite values; the same array where all are."""
    finite = np.isfinite(values)
    return values if bool(finite.all()) else values[finite]


def _names_rows(one: Field, values: Floats) -> bool:
    """Whether a column of whole numbers only numbers its rows: one step apart, or in any order without a gap."""
    if len(values) < 3 or not _whole(one):
        return False
    if bool((np.abs(np.diff(values[:10_000])) == 1).all()):
        return True
    gapless = len(values) >= FEW and float(values.max() - values.min()) < LIKE_NUMBERS * len(values)
    return gapless and len(np.unique(values)) == len(values)


def _whole(one: Field) -> bool:
    return one.type.lower().startswith(("int", "uint"))


def _labels(found: Gathered, name: str, reference: object, current: object) -> None:
    if not isinstance(reference, Labels) or not isinstance(current, Labels):
        return
    found.nulls[name] = (int((reference.codes < 0).sum()), int((current.codes < 0).sum()))
    _texts(found, name, (tallied(reference), tallied(current)))


def _texts(found: Gathered, name: str, values: tuple[dict[str, int], dict[str, int]]) -> None:
    rows = sum(values[0].values())
    if rows > 20 and len(values[0]) > min(LIKE_A_KEY * rows, MOST_VALUES - 1):
        found.keys.append(name)
        found.worded.append(name)
        return
    found.texts[name] = values
