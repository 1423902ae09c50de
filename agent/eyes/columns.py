"""State of many series: arrays whose last axis is the series, so that it can be split, grown, saved and restored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float32]
Places = NDArray[np.intp]
State = dict[str, NDArray[Any]]


class Columns(ABC):
    """Base of everything that remembers; ``__init__(series)`` fills ``self.of`` with arrays of that length."""

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
        for name, array in self.of.items():
            array[..., places] = part.of[name]

    def grow(self, more: int) -> None:
        """Append series that nothing is known of."""
        fresh = type(self)(more)
        self.of = {name: np.concatenate([array, fresh.of[name]], axis=-1) for name, array in self.of.items()}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take over a saved state; ``ValueError`` when it is not of this form."""
        for name, array in self.of.items():
            if name not in saved or saved[name].shape != array.shape or saved[name].dtype != array.dtype:
                raise ValueError(f"saved state does not fit: {type(self).__name__}.{name}")
        self.of = {name: np.array(saved[name]) for name in self.of}

    def _with(self, of: State) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.of = of
        return other
