"""Block: some thousands of series advanced together, few enough for the processor's cache to hold what is worked on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places, Reals, Slide, State
from agent.eyes.contract import WIDTH, Detector, Reading, Tick
from agent.eyes.levels import Levels
from agent.eyes.mute import Mute
from agent.eyes.records import median
from agent.eyes.restless import Restless
from agent.eyes.season import Season

DETECTORS: tuple[type[Detector], ...] = (Levels, Season, Restless)
CALM = 9  # values in a row without strangeness that end a departure
STRANGE = np.float32(0.3)  # what a departure begins with: a record by a thirtieth of the range
USUAL = 49  # values whose median is expected where the hour says less


@dataclass(frozen=True, slots=True)
class Said:
    """What became of some series at one tick: how strange, how much of that is news, and what each detector said."""

    statistic: Reals
    news: Reals
    readings: tuple[Reading, ...]


class Memory(Columns):
    """What every detector is shown: the newest values of each series, their number, when they came."""

    def __init__(self, series: int) -> None:
        self._slide = Slide()
        self.of = {
            "recent": self._slide.begin(WIDTH, series),
            "origin": np.zeros(series),
            "age": np.zeros(series, np.int32),
            "last_at": np.full(series, -np.inf),
            "onset_at": np.zeros(series),
            "strange_age": np.full(series, -CALM - 1, np.int32),
        }

    def tick(self, at: NDArray[np.float64], values: NDArray[np.float64]) -> Tick:
        """Append a value to each series. Values are kept relative to the first one, so that 32 bits do."""
        of = self.of
        first = of["age"] == 0
        if first.any():
            of["origin"][first] = values[first]
        of["recent"] = recent = self._slide.on(of["recent"])
        np.subtract(values, of["origin"], out=recent[-1], casting="same_kind")
        of["last_at"][:] = at
        return Tick(recent, of["age"], at)

    def aside(self, places: Places, at: NDArray[np.float64]) -> State:
        """Return a copy of what a tick changes: of the window the oldest row alone, since the others only move."""
        del at
        return {name: (array[0] if name == "recent" else array).take(places) for name, array in self.of.items()}

    def back(self, places: Places, aside: State) -> None:
        """Write such a copy back, and move the window as it was."""
        recent = self.of["recent"]
        recent[1:, places] = recent[:-1, places]
        recent[0, places] = aside["recent"]
        super().back(places, {name: kept for name, kept in aside.items() if name != "recent"})

    def close(self, statistic: Reals, at: NDArray[np.float64]) -> None:
        """Note where a departure began, and count the value."""
        of = self.of
        (strange,) = np.nonzero(statistic >= STRANGE)
        if len(strange):
            age = of["age"][strange]
            begins = strange[age - of["strange_age"][strange] > CALM]
            of["onset_at"][begins] = at[begins]
            of["strange_age"][strange] = age
        of["age"] = of["age"] + np.int32(1)


class Block:
    """The memory, the detectors and the muting of some series."""

    def __init__(self, series: int) -> None:
        self.memory, self.mute = Memory(series), Mute(series)
        self.detectors: tuple[Detector, ...] = tuple(kind(series) for kind in DETECTORS)

    @property
    def parts(self) -> dict[str, Any]:
        """Everything that remembers, by name."""
        return {type(part).__name__.lower(): part for part in (self.memory, self.mute, *self.detectors)}

    def update(self, at: NDArray[np.float64], values: NDArray[np.float64]) -> Said:
        """Advance every series by one value, all of them usable."""
        tick = self.memory.tick(at, values)
        readings = tuple(detector.update(tick) for detector in self.detectors)
        statistic = readings[0].statistic.copy()
        for reading in readings[1:]:
            statistic += reading.statistic
        news = self.mute.update(tick, statistic)
        self.memory.close(statistic, at)
        return Said(statistic, news, readings)

    def update_some(self, fit: NDArray[np.bool_], at: NDArray[np.float64], values: NDArray[np.float64]) -> Said:
        """Advance the series that ``fit``; the others stay as they are, and say nothing. Returns all of them."""
        (idle,) = np.nonzero(~fit)
        if not len(idle):
            return self.update(at, values)
        if not np.isfinite(at).all():
            at = np.where(fit, at, 0.0)
        memory, parts = self.memory.of, self.parts.values()
        aside = [part.aside(idle, at) for part in parts]
        said = self.update(at, np.where(fit, values, memory["origin"] + memory["recent"][-1]))
        for part, kept in zip(parts, aside, strict=True):
            part.back(idle, kept)
        said.statistic[idle] = said.news[idle] = 0.0
        return said

    def put(self, places: Places, part: Self) -> None:
        """Write other series in the places of some."""
        for mine, other in zip(self.parts.values(), part.parts.values(), strict=True):
            mine.put(places, other)

    def grow(self, more: int) -> None:
        """Append series."""
        for part in self.parts.values():
            part.grow(more)

    def state(self) -> State:
        """Return every array by ``part.name``."""
        return {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.kept.items()}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``state`` returned."""
        for name, part in self.parts.items():
            part.restore({key: saved[f"{name}.{key}"] for key in part.kept if f"{name}.{key}" in saved})

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return what was expected of some series at the last tick: the usual of the hour, or the recent median."""
        memory, season = self.memory.taken(places), self.parts["season"].taken(places)
        before = memory.of["recent"][-USUAL - 1 : -1]
        middle = median(before)
        by_level = np.abs(before[-CALM + 1 :] - middle).mean(axis=0)
        by_hour = np.abs(season.of["off"][:-1]).mean(axis=0)
        return np.where(by_hour < by_level, season.of["expected"], middle) + memory.of["origin"]

    def reason(self, said: Said, place: int) -> str:
        """Return in words what is strangest about a series."""
        strongest = max(zip(self.detectors, said.readings, strict=True), key=lambda pair: pair[1].statistic[place])
        detector, reading = strongest
        return str(detector.words[int(reading.word[place])])
