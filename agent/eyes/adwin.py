"""ADWIN: the newest part of a window has another mean than the rest, wherever one cuts it.

The window of a series grows until a cut is found, and begins anew there. Cuts lie where an exponential histogram has
its borders: these follow from the number of values alone, so that all series of one age share them, and what is kept is
the mean of all values before each border, which never changes. Checked every 32 values, as ``river.drift.ADWIN`` is,
with the same answers. Made for values between 0 and 1, such as the errors of a model. Source: Bifet, Gavalda, Learning
from time-changing data with adaptive windowing (SIAM SDM 2007).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places, Reals
from agent.eyes.contract import Reading, Tick

DELTA, CLOCK, MOST, LEAST = 0.002, 32, 5, 5  # chance, values between checks, buckets of a size, values beside a cut
LEVELS, SLOTS = 22, 5  # sizes of buckets; borders of one size that can be alive at once
LONGEST = MOST * 2**LEVELS  # values of a window: 20 years of one every 30 s
SIZE = 8192  # series worked on together: few enough for the processor's cache
SAFE = 1 - 1e-9  # by which rounding may lower a bound
FEW = ("phase", "age", "mean", "spread", "before", "since")  # what a check changes, beside borders

Row = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cut:
    """A border after ``older`` values: how much the means of both sides may differ, ``by_spread`` x sd + ``fixed``."""

    older: int
    newer: int
    by_spread: float
    fixed: float

    @property
    def weight(self) -> float:
        """What the older mean's distance from the mean of all is multiplied with to compare it with the spread."""
        return (self.older + self.newer) / (self.newer * self.by_spread)


def borders(count: int) -> list[int]:
    """Return where the buckets of so many values begin, but for the first, in order.

    >>> borders(20)
    [4, 8, 10, 12, 14, 16, 17, 18, 19]
    """
    found, at, size, came = list[int](), count, 1, count
    while came:
        stay = came if came <= MOST else MOST - 1 + came % 2
        found += [at - size * place for place in range(1, stay + 1)]
        at, came, size = found[-1], (came - stay) // 2, size * 2
    return sorted(found)[1:]


def slot(border: int) -> int:
    """Return the row in which the mean before a border is kept; no two that are alive share one."""
    level = (border & -border).bit_length() - 1
    return level * SLOTS + (border >> level + 1) % SLOTS


@lru_cache(maxsize=1024)
def cuts(count: int) -> tuple[tuple[int, Cut | None], ...]:
    """Return the borders of a window of so many values; None for those too near to an end to cut at."""
    return tuple((border, _cut(border, count - border)) for border in borders(count))


@lru_cache(maxsize=1024)
def needed(count: int) -> tuple[int, ...]:
    """Return the borders that are cuts now or alive at the next check."""
    alive = {border for border, _ in cuts(count + CLOCK)}
    return tuple(border for border, cut in cuts(count) if cut is not None or border in alive)


@lru_cache(maxsize=1024)
def written(count: int) -> tuple[int, ...]:
    """Return the borders that are new since the last check and alive at the next."""
    alive = {border for border, _ in cuts(count + CLOCK)}
    return tuple(border for border in (*borders(count), count) if border in alive and border > count - CLOCK)


def _cut(older: int, newer: int) -> Cut | None:
    if older < LEAST or newer < LEAST:
        return None
    chance = math.log(2 * math.log(older + newer) / DELTA)
    few = 1 / (older - LEAST + 1) + 1 / (newer - LEAST + 1)
    return Cut(older, newer, math.sqrt(2 * few * chance), 2 / 3 * chance * few)


class Adwin(Columns):
    """A statistic of 1 and more is a change; the window of the series then begins anew.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Adwin, [0.0, 1.0] * 500 + [4.0, 7.0] * 50, 1.0)
    1023
    """

    words: ClassVar[tuple[str, ...]] = ("has another mean than before",)

    def __init__(self, series: int) -> None:
        self.of = {
            "fresh": np.zeros((CLOCK, series)),
            "phase": np.zeros(series, np.uint8),
            "age": np.zeros(series, np.int32),
            "mean": np.zeros(series),
            "spread": np.zeros(series),
            "older": np.zeros((LEVELS * SLOTS, series)),
            "before": np.zeros(series),
            "since": np.zeros(series, np.int32),
        }

    def update(self, tick: Tick) -> Reading:
        """Return the difference of means in parts of what it may be, where that is a change; 0 elsewhere."""
        fresh, phase = self.of["fresh"], self.of["phase"]
        series, value = len(phase), tick.value
        score = np.zeros(series, np.float32)
        if series and phase.min() == phase.max():
            fresh[phase[0]] = value
        else:
            fresh[phase, np.arange(series)] = value
        phase += np.uint8(1)
        if series and phase.max() == CLOCK:
            for start in range(0, series, SIZE):
                here = slice(start, min(start + SIZE, series))
                part = self._with({name: array[..., here] for name, array in self.of.items()})
                part._check(score[here])
        return Reading(score, np.zeros(series, np.int8))

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return the mean before the last change."""
        found: NDArray[np.float64] = self.of["before"][places]
        return found

    def since(self, places: Places, _: Tick) -> NDArray[np.float64]:
        """Return how many values ago the last change began."""
        found: NDArray[np.float64] = self.of["since"][places].astype(np.float64)
        return found

    def _check(self, score: Reals) -> None:
        """Look for cuts in those series that are due, those of one age together: most of them where they are."""
        due, age = self.of["phase"] == CLOCK, self.of["age"]
        if not due.any():
            return
        ages, many = np.unique(age[due], return_counts=True)
        usual = int(ages[many.argmax()])
        (others,) = np.nonzero(~due | (age != usual))
        if len(others):
            left = [(int(old), np.nonzero(due & (age == old))[0]) for old in ages[ages != usual]]
            self._advance_but(others, usual, score)
            for old, places in left:
                self._advance_some(places, old, score)
        else:
            self._advance(usual, score)

    def _advance_but(self, others: Places, age: int, score: Reals) -> None:
        """Advance all series as if of one age, and put those back that are not."""
        rows = np.array([slot(border) for border in written(age + CLOCK)], np.intp)
        tables = [self.of[name] for name in FEW]
        kept, older = [array[others] for array in tables], self.of["older"][np.ix_(rows, others)]
        self._advance(age, score)
        for array, was in zip(tables, kept, strict=True):
            array[others] = was
        self.of["older"][np.ix_(rows, others)] = older
        score[others] = 0.0

    def _advance_some(self, places: Places, age: int, score: Reals) -> None:
        """Advance a few series of one age."""
        alive = np.array([slot(border) for border in (*needed(age + CLOCK), *written(age + CLOCK))], np.intp)
        older = np.zeros((LEVELS * SLOTS, len(places)))
        older[alive] = self.of["older"][np.ix_(alive, places)]
        of = {name: array[..., places] for name, array in self.of.items() if name != "older"} | {"older": older}
        part, said = self._with(of), score[places]
        part._advance(age, said)
        self.of["older"][np.ix_(alive, places)] = older[alive]
        for name in FEW:
            self.of[name][places] = of[name]
        score[places] = said

    def _advance(self, age: int, score: Reals) -> None:
        """Close a batch of series that all are ``age`` values old."""
        of, count = self.of, age + CLOCK
        means = self._means(age)
        of["phase"][:], of["age"][:] = 0, count if count + CLOCK <= LONGEST else 0
        deviation = np.sqrt(of["spread"] / count)
        told = [(means[border], cut) for border, cut in cuts(count) if cut is not None]
        (places,) = np.nonzero(_furthest(told, of["mean"]) > deviation * SAFE)
        if len(places):
            self._decide(places, told, deviation[places], score)
        for border in written(count):
            of["older"][slot(border)] = means[border]

    def _means(self, age: int) -> dict[int, Row]:
        """Add the new values to mean and spread; return the mean before each border that matters, and of all."""
        of, count = self.of, age + CLOCK
        mean, spread, total = of["mean"], of["spread"], np.zeros_like(of["mean"])
        work = np.empty((CLOCK, len(mean)))  # only as much of it is ever touched as lies between two borders
        found = {border: of["older"][slot(border)] for border in needed(count) if border <= age}
        last = age
        for border in (*(border for border in needed(count) if border > age), count):
            off = np.subtract(of["fresh"][last - age : border - age], mean, out=work[: border - last])
            total += off.sum(axis=0)
            off *= off
            spread += off.sum(axis=0)
            found[border], last = total / border, border
            found[border] += mean
        total *= total
        total /= count
        spread -= total
        np.maximum(spread, 0.0, out=spread)
        mean[:] = found[count]
        return found

    def _decide(self, places: Places, told: list[tuple[Row, Cut]], deviation: Row, score: Reals) -> None:
        """Work out every cut of a few series; begin anew where one is a change."""
        of = self.of
        older = np.array([mean[places] for mean, _ in told])
        share, by_spread, fixed, newer = np.array(
            [((cut.older + cut.newer) / cut.newer, cut.by_spread, cut.fixed, cut.newer) for _, cut in told]
        ).T[..., None]
        ratio = np.abs(older - of["mean"][places]) * share / (by_spread * deviation + fixed)
        best = ratio.argmax(axis=0)
        found = np.nonzero(ratio.max(axis=0) > 1.0)[0]
        changed, best = places[found], best[found]
        score[changed] = np.maximum(ratio[best, found], 1.0)
        of["before"][changed], of["since"][changed] = older[best, found], newer[best, 0]
        of["age"][changed], of["spread"][changed] = 0, 0.0


def _furthest(told: list[tuple[Row, Cut]], mean: Row) -> Row:
    """Return the greatest weighed distance of the mean before a cut from the mean of all."""
    work, high, low = np.empty_like(mean), np.zeros_like(mean), np.zeros_like(mean)
    for older, cut in told:
        np.subtract(older, mean, out=work)
        work *= cut.weight
        np.maximum(high, work, out=high)
        np.minimum(low, work, out=low)
    np.negative(low, out=low)
    return np.maximum(high, low, out=high)
