"""Season: a series leaves what it usually is at this hour, working days and weekends apart, learned as it goes."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places, Reals, State
from agent.eyes.contract import Reading, Tick
from agent.eyes.levels import LEAST
from agent.eyes.medians import Medians, empty_median
from agent.eyes.records import empty_range, strangeness

HOURS = 24
SLOWEST = 20  # values per hour bin after which the oldest begin to fade
TREND = np.float32(0.05)  # of the level that stands in where an hour is unknown
Place = int | tuple[NDArray[np.intp], NDArray[np.intp]]
TABLES = ("usual", "known")  # (2 x HOURS, series)
SHORT = 9  # values of the median of the departures


class Season(Columns):
    """Records of the departure from the usual value of the hour.

    >>> from agent.eyes.try_out import first_alarm
    >>> day = [0.0] * 144 + [10.0] * 144
    >>> first_alarm(Season, day * 6 + [0.0] * 72 + [10.0] * 20, 1.0, after=288)  # five of nine departures
    1804
    """

    words: ClassVar[tuple[str, ...]] = ("is not what it usually is at this hour",)

    def __init__(self, series: int) -> None:
        self.of = {
            "usual": np.zeros((2 * HOURS, series), np.float32),
            "known": np.zeros((2 * HOURS, series), np.uint8),
            "level": np.zeros(series, np.float32),
            "off": np.zeros((SHORT, series), np.float32),
            "expected": np.zeros(series, np.float32),
        }
        self.of |= {f"{end}1": array for end, array in empty_range(series).items()} | empty_median(series, SHORT)

    def update(self, tick: Tick) -> Reading:
        """Return the records of the departure and of its short median."""
        off = self._departure(tick)
        recent = self.of["off"]
        recent[:-1] = recent[1:]
        recent[-1] = off
        first = tick.age == 0
        if first.any():
            recent[:, first] = 0.0
        value = self.of["low1"], self.of["high1"]
        total = strangeness(*value, recent[-1], tick.age)
        total += Medians(self.of, SHORT).update(recent, tick.age, value, LEAST)
        return Reading(total, np.zeros(len(total), np.int8))

    def aside(self, places: Places, at: NDArray[np.float64]) -> State:
        """Return a copy of what a tick changes: of the tables by hour, the hour alone that it falls in."""
        here = bins(at[places])[0]
        aside = {name: array.take(places, axis=-1) for name, array in self.of.items() if name not in TABLES}
        return aside | {"here": here} | {name: self.of[name][here, places] for name in TABLES}

    def back(self, places: Places, aside: State) -> None:
        """Write such a copy back."""
        for name in TABLES:
            self.of[name][aside["here"], places] = aside[name]
        super().back(places, {name: kept for name, kept in aside.items() if name not in (*TABLES, "here")})

    def _departure(self, tick: Tick) -> Reals:
        """Return value less expectation, and learn."""
        usual, known, level = self.of["usual"], self.of["known"], self.of["level"]
        here, there = places(tick.at)
        count, first = known[here], usual[here]
        expected = np.where(count > 0, first, np.where(known[there] > 0, usual[there], level))
        self.of["expected"] = expected
        count = np.minimum(count + 1, SLOWEST).astype(np.uint8)
        known[here] = count
        usual[here] = first + (tick.value - first) / count
        level += TREND * (tick.value - level)
        departure: Reals = tick.value - expected
        return departure


def places(at: NDArray[np.float64]) -> tuple[Place, Place]:
    """Return where to look for each instant; a whole row where it is the same instant for every series."""
    if len(at) and at.strides == (0,):
        here, there = bins(at[:1])
        return int(here[0]), int(there[0])
    here, there = bins(at)
    rows = np.arange(len(at))
    return (here, rows), (there, rows)


def bins(at: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the bin of each instant (UTC): its hour of a working day or of a weekend, and the same hour of the other.

    >>> [int(found[0]) for found in bins(np.array([1_700_000_000.0]))]  # a Tuesday, 22:13
    [22, 46]
    """
    hour = (at % 86400 // 3600).astype(np.intp)
    weekend = (at // 86400 + 3) % 7 >= 5
    return hour + HOURS * weekend, hour + HOURS * ~weekend
