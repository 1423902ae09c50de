"""A table read as a stream: its rows in order of time, each judged by what came before it alone."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.budget import Budget
from agent.eyes.climbs import climb
from agent.eyes.clock import Instants, instants, say, time_field, unreadable
from agent.eyes.engine import Alarm, Eyes
from agent.eyes.passing import Told, Watcher, by_rate, show
from agent.eyes.together import MOST, parted, together
from tools.errors import Malformed
from tools.tables import Field, Kind, Numbers, Table

if TYPE_CHECKING:
    from agent.eyes.changes import Changes

JOINT = "together"  # name of the series of all columns
FEWEST = 100  # values before which nothing can be said
YOUNG = 60  # values with which the threshold is twice as high: see decision 64


@dataclass(frozen=True, slots=True)
class Seen:
    """One column: its values and their scores in the order of the rows, and its alarms in order of time.

    ``rate``: it counts up, and what is watched, and stands in ``values``, is its rate per second. ``of``: it is no
    column, but how far these columns are from how they usually go together, in spreads.
    """

    values: NDArray[np.float64]
    scores: NDArray[np.float32]
    alarms: tuple[Alarm, ...]
    rate: bool = False
    of: tuple[str, ...] = ()


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
        raise Malformed(unreadable(table, clock))
    values = np.stack([_numbers(table, name) for name in names], axis=1)
    joint = by is None and 1 < len(names) <= MOST
    threshold = budget.threshold(_usual(at[order]), len(names) + joint)

    def watcher(series: int) -> "Eyes | Changes":
        if by is None:
            return Eyes(series, threshold, series, YOUNG)
        from agent.eyes.changes import Changes  # it may compile: a second that nobody else is to wait for

        return Changes(by, series)

    rows = _Rows(at, order, names)
    seen, refused = _watched(values, rows, watcher, progress, joint=joint)
    series = dict(zip((*names, *([rows.joint] if joint else [])), seen, strict=True))
    notes = _notes(table, clock, at, refused, guess)
    notes += tuple(f"{name} counts up: its rate per second is watched" for name, one in series.items() if one.rate)
    if len(names) > MOST:
        notes += (f"not looked at together: more than {MOST} columns",)
    zoned = "'" in clock.type or clock.kind is Kind.number
    return Sight(table.name, at, zoned, watcher(1).threshold, series, notes)


def _usual(at: Instants) -> float:
    """Return the usual time between two rows, seconds."""
    steps = np.diff(at)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 60.0


@dataclass(frozen=True, slots=True)
class _Rows:
    """Instants of the rows as they stand, their order in time, and the names of their columns."""

    at: Instants
    order: NDArray[np.intp]
    names: list[str]

    @property
    def joint(self) -> str:
        """Name of the series of all columns, which no column has."""
        return JOINT if JOINT not in self.names else f"({JOINT})"

    def scores(self, ordered: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores in the order of the rows; 0 where there is no time."""
        return self.placed(ordered, 0.0).astype(np.float32)

    def placed(self, ordered: NDArray[Any], nothing: float) -> NDArray[np.float64]:
        """Return numbers, which are in order of time, in the order of the rows."""
        found = np.full(len(self.at), nothing, np.float64)
        found[self.order] = ordered
        return found


def _watched(
    values: NDArray[np.float64],
    rows: _Rows,
    watcher: Callable[[int], Watcher],
    progress: Callable[[int, int], None],
    *,
    joint: bool,
) -> tuple[list[Seen], Counter[str]]:
    """Return what is seen in each column of (rows, columns), then in all together, and what could not be used."""
    at, series = rows.at[rows.order], values.shape[1]
    level = Told(watcher(series), values[rows.order])
    climbs = [climb(at, level.values[:, place]) for place in range(series)]
    rates = {n: Told(watcher(1), climbs[n].rates[:, None]) for n in range(series) if climbs[n].known.any()}
    apart = together(at, level.values, climbs) if joint else None
    both = [Told(watcher(1), apart.distances[:, None])] if apart else []
    show([level, *rates.values(), *both], at, progress)
    said = [(level.scores[:, place], level.of(place)) for place in range(series)]
    for place, rate in rates.items():
        said[place] = by_rate(said[place], (rate.scores[:, 0], rate.alarms), at, climbs[place])
    seen = [
        Seen(
            rows.placed(found.rates, np.nan) if found.counter else values[:, place],
            rows.scores(scores),
            tuple(alarms),
            found.counter,
        )
        for place, (found, (scores, alarms)) in enumerate(zip(climbs, said, strict=True))
    ]
    if apart:
        single = np.isin(at, [alarm.at for _, alarms in said for alarm in alarms])
        scores, alarms = parted(apart, (both[0].scores[:, 0], both[0].alarms), single, at, rows.names)
        seen.append(
            Seen(rows.placed(apart.distances, np.nan), rows.scores(scores), tuple(alarms), of=tuple(rows.names))
        )
    return seen, level.refused


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    return column.values if isinstance(column, Numbers) else np.full(table.rows, np.nan)


def _notes(table: Table, clock: Field, at: Instants, refused: Mapping[str, int], guess: str | None) -> tuple[str, ...]:
    values = {reason: f"{count:,} {'value' if count == 1 else 'values'}" for reason, count in sorted(refused.items())}
    notes = [f"{clock.name}: {guess}; {say(clock)}"] if guess else []
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
        names = [name for name, seen in sight.series.items() if not seen.of]
        many = f"{len(names)} series" if len(names) > 1 else names[0]
        return f"Nothing to look at: {many} stayed within what the past leads one to expect."
    alarm, name = max(found, key=lambda pair: (pair[0].score, -pair[0].at))
    when = datetime.fromtimestamp(alarm.at, UTC).strftime("%Y-%m-%d %H:%M")
    touched = len({name for _, name in found})
    alarms = "1 more alarm" if len(found) == 2 else f"{len(found) - 1} more alarms"
    others = f"; {alarms} in {touched} series" if len(found) > 1 else ""
    name = "how the columns go together" if sight.series[name].of else name
    return (
        f"Look at {name} first: at {when} it {alarm.reason} ({alarm.value:.4g}, expected {alarm.expected:.4g}){others}."
    )
