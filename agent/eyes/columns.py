"""State of many series: arrays whose last axis is the series, so that it can be split, grown, saved and restored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float32]
Places = NDArray[np.intp]
State = dict[str, NDArray[Any]]
ROOM = 32  # values


class Columns(ABC):
    """Base of everything that remembers; ``__init__(series)`` fills ``self.of`` with arrays of that length.

    Names that begin with ``_`` are of what can be worked out again: neither saved nor restored, but begun anew.
    """

    of: State

    @abstractmethod
    def __init__(self, series: int) -> None: ...

    @property
    def series(self) -> int:
        """How many series are remembered."""
        return int(next(iter(self.of.values())).shape[-1])

    def taken(self, places: Places) -> Self:
        """Return the same of some series alone: a copy."""
        return self._with({name: array.take(places, axis=-1) for name, array in self.of.items()})

    def put(self, places: Places, part: Self) -> None:
        """Write what ``taken`` returned, advanced since, back into its places."""
        self._write(places, part.of)

    def aside(self, places: Places, at: NDArray[np.float64]) -> State:
        """Return a copy of what a tick at those instants, (series,), changes of some series."""
        del at
        return self.taken(places).of

    def back(self, places: Places, aside: State) -> None:
        """Write what ``aside`` returned back, after that tick."""
        self._write(places, aside)

    def grow(self, more: int) -> None:
        """Append series that nothing is known of."""
        fresh = type(self)(more)
        self.of = {name: np.concatenate([array, fresh.of[name]], axis=-1) for name, array in self.of.items()}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over a saved state; ``ValueError`` when it is not of this form."""
        for name, array in self.kept.items():
            if name not in saved or saved[name].shape != array.shape or saved[name].dtype != array.dtype:
                raise ValueError(f"saved state does not fit: {type(self).__name__}.{name}")
        kept = {name: np.array(saved[name]) for name in self.kept}
        self.of = (kept | type(self)(self.series).rest) if self.rest else kept

    @property
    def kept(self) -> State:
        """What is saved."""
        return {name: array for name, array in self.of.items() if not name.startswith("_")}

    @property
    def rest(self) -> State:
        """What is not, because it can be worked out again."""
        return {name: array for name, array in self.of.items() if name.startswith("_")}

    def _write(self, places: Places, of: State) -> None:
        for name, written in of.items():
            array = self.of[name]
            if array.ndim == 1:  # three times as fast as by the general index
                array[places] = written
            else:
                array[..., places] = written

    def _with(self, of: State) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.of = of
        return other


class Slide:
    """Moves a window of the newest values on by sliding a view over a longer buffer: copied once in ``ROOM`` values."""

    def __init__(self) -> None:
        self._buffer = self._view = np.empty((0, 0), np.float32)
        self._first = 0

    def begin(self, width: int, series: int) -> Reals:
        """Return an empty window in a buffer of its own, so that the first value finds its room made."""
        self._buffer, self._first = np.zeros((width + ROOM, series), np.float32), 0
        self._view = self._buffer[:width]
        return self._view

    def on(self, window: Reals) -> Reals:
        """Return the window without its oldest row, and with room for the newest; what was returned before is void."""
        width, series = window.shape
        if window is not self._view:  # begun anew, restored, grown: the buffer may be another's
            self._buffer, self._first = np.empty((width + ROOM, series), np.float32), ROOM
        self._first += 1
        if self._first > ROOM:
            self._buffer[: width - 1], self._first = window[1:], 0
        self._view = self._buffer[self._first : self._first + width]
        return self._view
