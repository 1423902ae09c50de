"""What a detector is: one small contract, kept by every file of this folder that ends up in ``Eyes``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Places, Reals, State

WIDTH = 97  # values of each series that a tick carries, the newest last


@dataclass(frozen=True, slots=True)
class Tick:
    """A new, finite value of every series.

    ``recent``: (WIDTH, series) values, oldest first and the newest last, relative to the first one ever seen; ``age``:
    how many values came before this one; ``at``: seconds since 1970.
    """

    recent: Reals
    age: NDArray[np.int32]
    at: NDArray[np.float64]

    @property
    def value(self) -> Reals:
        """The new values, (series,)."""
        newest: Reals = self.recent[-1]
        return newest


@dataclass(frozen=True, slots=True)
class Reading:
    """What a detector says of each series: how strange it is now (0: not at all), and which of its ``words`` fits."""

    statistic: Reals
    word: NDArray[np.int8]


@lru_cache(maxsize=8)
def nothing(series: int) -> Reading:
    """Return that no series is strange; nobody may write to it, so that one is enough for all ticks."""
    reading = Reading(np.zeros(series, np.float32), np.zeros(series, np.int8))
    reading.statistic.flags.writeable = reading.word.flags.writeable = False
    return reading


class Detector(Protocol):
    """Advances every series by one value. It may use nothing but what it has been given so far."""

    words: ClassVar[tuple[str, ...]]
    of: State

    def __init__(self, series: int) -> None: ...

    def update(self, tick: Tick) -> Reading:
        """Take a tick; return how strange it is."""
        ...

    def taken(self, places: Places) -> Self:
        """Return a copy for some series alone."""
        ...

    def put(self, places: Places, part: Self) -> None:
        """Write such a copy back."""
        ...

    def grow(self, more: int) -> None:
        """Append series."""
        ...

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over a saved state."""
        ...
