"""A table read as a stream: its rows in order of time, each judged by what came before it alone."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.eyes import dates
from agent.eyes.budget import Budget
from agent.eyes.changes import Changes
from agent.eyes.engine import Alarm, Eyes, Step
from tools.errors import Malformed
from tools.tables import Field, Kind, Labels, Numbers, Table

NAMES = re.compile(
    r"(^|_)(time|timestamp|date|datetime|ts|at|epoch|when|instant|day|hour)(_|$)|_at$|^ds$", re.IGNORECASE
)
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # numbers greater than: parts of a second
SAY = "--time '{}=%m/%d/%Y %H:%M' says how it is written"
AGO, AHEAD = 1e9, 2.5e9  # seconds since 1970 that a clock without a name may tell: 2001 to 2049
FEWEST = 100  # values before which nothing can be said
Instants = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """One column: its values and their scores in the order of the rows, and its alarms in order of time."""

    values: NDArray[np.float64]
    scores: NDArray[np.float32]
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen in a table: instants of its rows (seconds since 1970), columns, and what could not be used."""

    name: str
    at: Instants
    zoned: bool
    threshold: float
    series: dict[str, Seen]
    notes: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> str:
        """One sentence: what a person should look at first."""
        return headline(self)


class Watcher(Protocol):
    """What a table is shown to, row by row."""

    threshold: float

    def update(self, at: float, values: NDArray[np.float64]) -> Step:
        """Take a reading of every series."""
        ...


def watch(
    table: Table,
    budget: Budget,
    time: str | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
    by: str | None = None,
) -> Sight:
    """Watch every number column of a table, with a change detector where ``by`` names one (``agent.eyes.changes``).

    ``Malformed`` when it has no time or nothing to watch.
    """
    clock, form = time_field(table, time)
    names = [one.name for one in table.fields if one.kind in {Kind.number, Kind.flag} and one.name != clock.name]
    if not names:
        raise Malformed(f"{table.name} has no column of numbers beside the time {clock.name!r}")
    at, guess = instants(table, clock, form)
    values = np.stack([_numbers(table, name) for name in names], axis=1)
    order = np.argsort(at, kind="stable")
    order = order[np.isfinite(at[order])]
    if not len(order):
        raise Malformed(
            f"{table.name}: no readable time in {clock.name!r}{_example(table, clock)}; {SAY.format(clock.name)}"
        )
    eyes = Changes(by, len(names)) if by else _eyes(budget, np.diff(at[order]), len(names))
    scores, alarms, refused = _run(eyes, at, values, order, progress)
    series = {
        name: Seen(values[:, place], scores[:, place], tuple(one for one in alarms if one.series == place))
        for place, name in enumerate(names)
    }
    notes = _notes(table, clock, at, refused, guess)
    return Sight(table.name, at, "'" in clock.type or clock.kind is Kind.number, eyes.threshold, series, notes)


def _eyes(budget: Budget, steps: Instants, series: int) -> Eyes:
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 60.0
    return Eyes(series, budget.threshold(usual, series), series)


def _run(
    eyes: Watcher,
    at: Instants,
    values: NDArray[np.float64],
    order: NDArray[np.intp],
    progress: Callable[[int, int], None],
) -> tuple[NDArray[np.float32], list[Alarm], dict[str, int]]:
    scores, alarms, refused = np.zeros(values.shape, np.float32), list[Alarm](), dict[str, int]()
    for done, row in enumerate(order):
        step = eyes.update(at[row], values[row])
        scores[row] = step.scores
        alarms += step.alarms
        for reason, count in step.refused.items():
            refused[reason] = refused.get(reason, 0) + count
        if done % 1000 == 0:
            progress(done, len(order))
    return scores, alarms, refused


def time_field(table: Table, name: str | None) -> tuple[Field, str | None]:
    """Return the column that tells the time, and how that is written where ``name`` says so: ``COLUMN=FORM``.

    It is the named one, else one of that type, else one of such a name, else one that holds dates or a running clock.
    """
    by_name = {one.name: one for one in table.fields}
    if name in by_name:
        return by_name[name], None
    if name is not None:
        column, said, form = name.rpartition("=")
        if not said or column not in by_name:
            raise Malformed(f"{table.name} has no column {name!r}; it has {', '.join(by_name)}")
        return by_name[column], form
    likely = [one for one in table.fields if one.kind is Kind.time]
    likely += [one for one in table.fields if one.kind in {Kind.number, Kind.text} and NAMES.search(one.name)]
    likely = likely or [one for one in table.fields if _tells_time(table, one)]
    if not likely:
        raise Malformed(f"{table.name} has no time column; name one with --time, it has {', '.join(by_name)}")
    return likely[0], None


def _tells_time(table: Table, one: Field) -> bool:
    """Whether a column holds dates as text, or is a first one that counts on from 2001 or later."""
    if one.kind not in {Kind.text, Kind.number} or (one.kind is Kind.number and one is not table.fields[0]):
        return False
    at, _ = instants(table, one)
    if one.kind is Kind.text:
        return bool(np.isfinite(at).all())
    return len(at) > 1 and bool((at > AGO).all() and (at < AHEAD).all() and (np.diff(at) >= 0).all())


def instants(table: Table, clock: Field, form: str | None = None) -> tuple[Instants, str | None]:
    """Return seconds since 1970 of each row, NaN where there is none, and what had to be guessed.

    Numbers may count parts of a second, or be written as dates are; ``form`` is how dates are written (strptime).
    """
    column = table.column(clock.name)
    if isinstance(column, Labels):
        read, guess = dates.read((*column.names, ""), form)
        return read[column.codes], guess  # the code of null is -1, the last
    if clock.kind is Kind.time:
        return column.values, None
    if (written := dates.numbered(column.values)) is not None:
        return written, None
    if (counted := dates.reckoned(column.values)) is not None:
        return counted
    size = float(np.nanmedian(np.abs(column.values))) if np.isfinite(column.values).any() else 0.0
    return column.values / next((parts for least, parts in UNITS if size > least), 1.0), None


def _example(table: Table, clock: Field) -> str:
    column = table.column(clock.name)
    return f", such as {column.names[0]!r}" if isinstance(column, Labels) and column.names else ""


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    return column.values if isinstance(column, Numbers) else np.full(table.rows, np.nan)


def _notes(table: Table, clock: Field, at: Instants, refused: dict[str, int], guess: str | None) -> tuple[str, ...]:
    values = {reason: f"{count:,} {'value' if count == 1 else 'values'}" for reason, count in sorted(refused.items())}
    notes = [f"{clock.name}: {guess}; {SAY.format(clock.name)}"] if guess else []
    notes += [f"{many} left out: {reason}" for reason, many in values.items()]
    backwards = int((np.diff(at[np.isfinite(at)]) < 0).sum())
    if backwards:
        rows = "row was" if backwards == 1 else "rows were"
        notes.append(f"{backwards:,} {rows} earlier than the row before: read in order of {clock.name}")
    if not np.isfinite(at).all():
        lost = int((~np.isfinite(at)).sum())
        notes.append(f"{lost:,} {'row' if lost == 1 else 'rows'} left out: no readable time in {clock.name}")
    others = [one.name for one in table.fields if one.kind not in {Kind.number, Kind.flag} and one.name != clock.name]
    if others:
        notes.append(f"not watched, because not numbers: {', '.join(others)}")
    if np.isfinite(at).sum() < FEWEST:
        notes.append(f"too few rows to tell: at least {FEWEST} are needed")
    return tuple(notes)


def headline(sight: Sight) -> str:
    """Return the sentence: the strongest alarm of all series, and how many others there are."""
    from datetime import UTC, datetime

    found = [(alarm, name) for name, seen in sight.series.items() for alarm in seen.alarms]
    if len(sight.at) < FEWEST:
        return f"Too few rows to tell: {len(sight.at)}, and at least {FEWEST} are needed."
    if not found:
        many = f"{len(sight.series)} series" if len(sight.series) > 1 else next(iter(sight.series))
        return f"Nothing to look at: {many} stayed within what the past leads one to expect."
    alarm, name = max(found, key=lambda pair: (pair[0].score, -pair[0].at))
    when = datetime.fromtimestamp(alarm.at, UTC).strftime("%Y-%m-%d %H:%M")
    touched = sum(1 for seen in sight.series.values() if seen.alarms)
    alarms = "1 more alarm" if len(found) == 2 else f"{len(found) - 1} more alarms"
    others = f"; {alarms} in {touched} series" if len(found) > 1 else ""
    return (
        f"Look at {name} first: at {when} it {alarm.reason} ({alarm.value:.4g}, expected {alarm.expected:.4g}){others}."
    )
