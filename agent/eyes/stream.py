"""A table read as a stream: its rows in order of time, each judged by what came before it alone."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.eyes.budget import Budget
from agent.eyes.changes import Changes
from agent.eyes.climbs import Climb, climb
from agent.eyes.clock import SAY, Instants, example, instants, time_field
from agent.eyes.engine import Alarm, Eyes
from agent.eyes.passing import Told, Watcher, by_rate, show
from tools.errors import Malformed
from tools.tables import Field, Kind, Numbers, Table

FEWEST = 100  # values before which nothing can be said


@dataclass(frozen=True, slots=True)
class Seen:
    """One column: its values and their scores in the order of the rows, and its alarms in order of time.

    ``rate``: it counts up, and what is watched, and stands in ``values``, is its rate per second.
    """

    values: NDArray[np.float64]
    scores: NDArray[np.float32]
    alarms: tuple[Alarm, ...]
    rate: bool = False


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
    order = np.argsort(at, kind="stable")
    order = order[np.isfinite(at[order])]
    if not len(order):
        raise Malformed(
            f"{table.name}: no readable time in {clock.name!r}{example(table, clock)}; {SAY.format(clock.name)}"
        )
    values = np.stack([_numbers(table, name) for name in names], axis=1)
    threshold = budget.threshold(_usual(at[order]), len(names))

    def watcher(series: int) -> Eyes | Changes:
        return Changes(by, series) if by else Eyes(series, threshold, series)

    seen, refused = _watched(values, at, order, watcher, progress)
    series = dict(zip(names, seen, strict=True))
    notes = _notes(table, clock, at, refused, guess)
    notes += tuple(f"{name} counts up: its rate per second is watched" for name, one in series.items() if one.rate)
    zoned = "'" in clock.type or clock.kind is Kind.number
    return Sight(table.name, at, zoned, watcher(1).threshold, series, notes)


def _usual(at: Instants) -> float:
    """Return the usual time between two rows, seconds."""
    steps = np.diff(at)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 60.0


def _watched(
    values: NDArray[np.float64],
    at: Instants,
    order: NDArray[np.intp],
    watcher: Callable[[int], Watcher],
    progress: Callable[[int, int], None],
) -> tuple[list[Seen], Counter[str]]:
    """Return what is seen in each column of (rows, columns), and what could not be used."""
    at, series = at[order], values.shape[1]
    level = Told(watcher(series), values[order])
    climbs = [climb(at, level.values[:, place]) for place in range(series)]
    up = [place for place, found in enumerate(climbs) if found.known.any()]
    rates = [Told(watcher(1), climbs[place].rates[:, None]) for place in up]
    show([level, *rates], at, progress)
    seen = []
    for place in range(series):
        said = level.scores[:, place], level.of(place)
        if place in up:
            rate = rates[up.index(place)]
            said = by_rate(said, (rate.scores[:, 0], rate.alarms), at, climbs[place])
        seen.append(_seen(values[:, place], order, climbs[place], *said))
    return seen, level.refused


def _seen(
    values: NDArray[np.float64],
    order: NDArray[np.intp],
    found: Climb,
    scored: NDArray[np.float32],
    alarms: list[Alarm],
) -> Seen:
    scores, shown = np.zeros(len(values), np.float32), values
    scores[order] = scored
    if found.counter:
        shown = np.full(len(values), np.nan)
        shown[order] = found.rates
    return Seen(shown, scores, tuple(alarms), found.counter)


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    return column.values if isinstance(column, Numbers) else np.full(table.rows, np.nan)


def _notes(table: Table, clock: Field, at: Instants, refused: Mapping[str, int], guess: str | None) -> tuple[str, ...]:
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
