"""What is wrong with columns as they are shown to a model: faults whose cure is upstream, not in training."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.vectors import vectors

Table = NDArray[np.float64]

NULLS = 0.05  # more of the rows without a value
FACTORS = (1000.0, 100.0, 60.0, 1e6)  # between units, either way
ALIKE = 0.25  # distance of quartiles, in spreads, of a column that is as it was
UNDONE, WIDTHS = 0.45, (0.5, 2.0)  # the same once a unit is undone: an hour is not a week; its spread, in spreads
EXACT = 9  # decimal places: what was standardised and turned back is whole but for rounding
UNKNOWN = 0.05  # share of codes that nobody saw before
CODES = 24  # distinct whole values at most, of a column of codes
STUCK = 0.9  # share of one value
EXCHANGED = 0.2  # distance of shares at the other's quartiles: what changed places is far from what it was
LEAST = 100  # rows
QUARTERS = np.array([[0.25], [0.5], [0.75]])
LOST, ALL = 0.2, 0.95  # share of dates that are missing; of those left whose day can be a month
MONTH, MONTHS = 30.4, 12  # days of a month, on average; the last day that may be a month


@dataclass(frozen=True, slots=True)
class Spoil:
    """One thing that is wrong with a column, and in what share of the rows."""

    finding: str
    column: str
    share: float
    text: str
    times: float = 1.0  # what it was is multiplied by this
    other: str = ""  # column that it changed places with
    codes: tuple[tuple[int, int], ...] = ()  # (what a class comes as, the class), where they are renamed
    since: float = float("nan")  # POSIX seconds of the first row that shows it, as far back as was looked; NaN: unknown


class Columns:
    """Columns by name, sorted once, so that many looks at new rows are cheap."""

    def __init__(self, names: tuple[str, ...], table: Table) -> None:
        self.names, self.rows = names, len(table)
        self.elements = frozenset(place for places in vectors(names).values() for place in places)
        self.sorted = np.sort(table, axis=0)  # NaN goes to the end
        self.known = np.isfinite(table).sum(axis=0)
        self.nulls = np.isnan(table).mean(axis=0) if len(table) else np.zeros(len(names))
        self.quartiles = self._quartiles()
        self.spread = np.maximum(self.quartiles[2] - self.quartiles[0], 1e-9)
        self._codes: dict[int, Table | None] = {}

    def of(self, place: int) -> Table:
        """Return the known values of a column, rising."""
        found: Table = self.sorted[: self.known[place], place]
        return found

    def codes(self, place: int) -> Table | None:
        """Return the values of a column of codes; None where it is none."""
        if place not in self._codes:
            known = np.unique(np.round(self.of(place), EXACT))
            whole = 0 < len(known) <= CODES and bool((known == np.rint(known)).all())
            self._codes[place] = known if whole else None
        return self._codes[place]

    def share(self, place: int, value: float) -> float:
        """Return the share of one value among those known."""
        column = self.of(place)
        low, high = np.searchsorted(column, value, "left"), np.searchsorted(column, value, "right")
        return float(high - low) / max(len(column), 1)

    def below(self, place: int, values: Table) -> Table:
        """Return the share of known values up to each of some."""
        column = self.of(place)
        return np.asarray(np.searchsorted(column, values, "right") / max(len(column), 1))

    def _quartiles(self) -> Table:
        if not self.rows:
            return np.full((3, len(self.names)), np.nan)
        at = QUARTERS * np.maximum(self.known - 1, 0)
        low, high = np.floor(at).astype(np.intp), np.ceil(at).astype(np.intp)
        one, two = (np.take_along_axis(self.sorted, places, axis=0) for places in (low, high))
        return np.asarray(one + (two - one) * (at - low))


def spoils(before: Columns, now: Columns) -> Iterator[Spoil]:
    """Yield every column of ``now`` that is spoiled against ``before``."""
    if min(before.rows, now.rows) < LEAST:
        return
    known = np.minimum(before.known, now.known) >= LEAST // 2
    alike = (np.abs(now.quartiles - before.quartiles) / before.spread).max(axis=0) < ALIKE
    for place, name in enumerate(now.names):
        gone = float(now.nulls[place] - before.nulls[place])
        if gone > NULLS:
            yield Spoil("nulls_up", name, gone, f"{name} is missing in {gone:.0%} more of the rows")
        if known[place] and place in now.elements:  # of vectors: one element means nothing by itself
            yield from () if alike[place] else _stuck(name, place, before, now)
        elif known[place]:
            yield from _unknown(name, place, before, now)
            yield from () if alike[place] else _moved(name, place, before, now)
    moved = [int(place) for place in np.flatnonzero(~alike & known) if int(place) not in now.elements]
    yield from _swapped(before, now, moved)


def _moved(name: str, place: int, before: Columns, now: Columns) -> Iterator[Spoil]:
    """Yield what a column that is not as it was may be: stuck, or in another unit."""
    yield from _stuck(name, place, before, now)
    for factor in FACTORS:
        for times in (factor, 1 / factor):
            if _undone(before, now, place, times):
                yield Spoil("unit_changed", name, 1.0, f"{name} is {times:g} times what it was", times)


def _stuck(name: str, place: int, before: Columns, now: Columns) -> Iterator[Spoil]:
    value = float(now.quartiles[1, place])
    share = now.share(place, value)
    if share > STUCK and before.share(place, value) < STUCK / 2:
        yield Spoil("feature_stuck", name, share, f"{name} stands at {value:g} in {share:.0%} of the rows")


def _unknown(name: str, place: int, before: Columns, now: Columns) -> Iterator[Spoil]:
    known = before.codes(place)
    if known is not None:
        unknown = float((~np.isin(np.round(now.of(place), EXACT), known)).mean())
        if unknown > UNKNOWN:
            yield Spoil("category_new", name, unknown, f"{unknown:.0%} of {name} are codes that were never seen")


def _swapped(before: Columns, now: Columns, moved: list[int]) -> Iterator[Spoil]:
    for at, first in enumerate(moved):
        for second in moved[at + 1 :]:
            crossed = _alike(before, now, (second, first)) and _alike(before, now, (first, second))
            if crossed and _far(before, now, first) and _far(before, now, second):
                one, two = now.names[first], now.names[second]
                text = f"{one} holds what {two} held, and the other way round"
                yield Spoil("columns_swapped", one, 1.0, text, other=two)


def _alike(before: Columns, now: Columns, pair: tuple[int, int]) -> bool:
    """Whether the quartiles of two columns agree, in spreads of the first."""
    one, two = pair
    gaps = np.abs(now.quartiles[:, two] - before.quartiles[:, one]) / before.spread[one]
    return bool(gaps.max() < ALIKE)  # NaN, where nothing is known, is not alike


def _undone(before: Columns, now: Columns, place: int, times: float) -> bool:
    """Whether a column is about what it was, once divided; a spread that all but vanishes is no other unit."""
    gaps = np.abs(now.quartiles[:, place] / times - before.quartiles[:, place]) / before.spread[place]
    width = now.spread[place] / times / before.spread[place]
    return bool(gaps.max() < UNDONE and WIDTHS[0] <= width <= WIDTHS[1])


def _far(before: Columns, now: Columns, place: int) -> bool:
    """Whether a column is surely not what it was: quartiles of codes jump by chance."""
    values = np.concatenate((before.quartiles[:, place], now.quartiles[:, place]))
    return float(np.abs(before.below(place, values) - now.below(place, values)).max()) > EXCHANGED


def month_first(days: Table) -> tuple[float, float]:
    """Return the share of dates that are lost, and among the others that of those whose day can be a month.

    ``days`` of the year. Dates that are read the other way round are lost where the day can be no month.
    """
    lost, left = float(np.isnan(days).mean()), days[np.isfinite(days)]
    return lost, float((day_of(left) <= MONTHS).mean()) if len(left) else 0.0


def day_of(days: Table) -> Table:
    """Return days of the month from days of the year."""
    return np.asarray(np.rint(days - MONTH * np.floor((days - 0.5) / MONTH)))
