"""Eyes: all series of a fleet advanced in one step, alarms with their statistic, expectation, threshold and onset."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.eyes.block import Block, Said
from agent.eyes.columns import Reals, State
from agent.eyes.intake import usable
from agent.eyes.saved import joined, pack, unpack

SIZE = 16_384  # series in a block: more, and their windows lie too far apart; fewer, and calls are not made up for


@dataclass(frozen=True, slots=True)
class Alarm:
    """A series departs from what is expected of it. Instants in seconds since 1970."""

    series: int
    at: float
    onset_at: float
    score: float
    threshold: float
    expected: float
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step: how strange each series is (0 where that is no news), the alarms, and what could not be used."""

    scores: Reals
    alarms: tuple[Alarm, ...]
    refused: Mapping[str, int]


class Engine(Protocol):
    """What ``agent.eyes.roster.Roster`` feeds: ``Eyes``, or ``agent.eyes.tensors.TensorEyes``."""

    threshold: float

    @property
    def series(self) -> int:
        """How many series are watched."""
        ...

    def update(self, at: "float | NDArray[np.float64]", values: NDArray[np.float64]) -> Step:
        """Take a reading of every series."""
        ...

    def grow(self, more: int) -> int:
        """Append series."""
        ...

    def forget(self, series: NDArray[np.intp]) -> None:
        """Forget some series."""
        ...

    def state(self) -> State:
        """Return every array."""
        ...

    def restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from ``state``."""
        ...


class Eyes:
    """Watches ``series`` series; alarms where the news of a series reaches ``threshold``.

    ``young``: with so many values known the threshold is twice as high, with twice as many one and a half times: how
    strange a healthy series looks is known the worse the less has been seen of it.

    >>> eyes = Eyes(2, threshold=3.0)
    >>> for minute in range(200):
    ...     step = eyes.update(60.0 * minute, np.array([minute % 2, 50.0 if minute == 150 else minute % 3]))
    ...     for alarm in step.alarms:
    ...         print(minute, alarm.series, alarm.value, alarm.reason)
    150 1 50.0 is beyond all it has been
    """

    def __init__(self, series: int, threshold: float, most: int = 1_000_000, young: float = 0.0) -> None:
        self.threshold, self._most, self._young = threshold, most, young
        self._blocks = [Block(min(SIZE, series - start)) for start in range(0, series, SIZE)]

    @property
    def series(self) -> int:
        """How many series are watched."""
        return sum(block.memory.series for block in self._blocks)

    def update(self, at: "float | NDArray[np.float64]", values: NDArray[np.float64]) -> Step:
        """Take a reading of every series, NaN for NO DATA; ``at``: one instant, or one for each series."""
        if len(values) != self.series:
            raise ValueError(f"{len(values)} values for {self.series} series")
        instants = np.broadcast_to(np.asarray(at, np.float64), values.shape)
        scores, alarms, refused = np.zeros(len(values), np.float32), [], Counter[str]()
        start = 0
        for block in self._blocks:
            here = slice(start, start + block.memory.series)
            alarms += self._advance(block, (instants[here], values[here]), (scores[here], start), refused)
            start = here.stop
        return Step(scores, tuple(alarms), refused)

    def grow(self, more: int) -> int:
        """Append series, as many as there is room for; return how many."""
        more = min(more, self._most - self.series)
        left = more
        while left > 0:
            if not self._blocks or self._blocks[-1].memory.series >= SIZE:
                self._blocks.append(Block(0))
            part = min(left, SIZE - self._blocks[-1].memory.series)
            self._blocks[-1].grow(part)
            left -= part
        return more

    def forget(self, series: NDArray[np.intp]) -> None:
        """Forget what is known of some series: their rows are as new."""
        start = 0
        for block in self._blocks:
            end = start + block.memory.series
            places = series[(series >= start) & (series < end)] - start
            if len(places):
                block.put(places, Block(len(places)))
            start = end

    def silent(self, at: float, patience: float) -> NDArray[np.intp]:
        """Return the series without a usable value for more than ``patience`` seconds: NO DATA, never an alarm."""
        last_at = np.concatenate([block.memory.of["last_at"] for block in self._blocks] or [np.empty(0)])
        (found,) = np.nonzero(at - last_at > patience)
        return found

    def state(self) -> State:
        """Return every array by ``block.part.name``."""
        return {
            f"{place}.{name}": array
            for place, block in enumerate(self._blocks)
            for name, array in block.state().items()
        }

    def save(self) -> bytes:
        """Return the whole state, compressed."""
        return pack(self.state(), {"series": self.series})

    def restore(self, saved: bytes) -> None:
        """Go on from a state that ``save`` returned, for as many series; ``ValueError`` when it does not fit."""
        self.restore_state(unpack(saved)[0])

    def restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``state`` returned, whatever the size of its blocks."""
        whole, start = joined(arrays), 0
        if any(array.shape[-1] != self.series for array in whole.values()):
            raise ValueError(f"saved state does not fit {self.series} series")
        for block in self._blocks:
            end = start + block.memory.series
            block.restore({name: array[..., start:end] for name, array in whole.items()})
            start = end

    def _advance(
        self,
        block: Block,
        reading: tuple[NDArray[np.float64], NDArray[np.float64]],
        out: tuple[Reals, int],
        refused: Counter[str],
    ) -> list[Alarm]:
        at, values = reading
        scores, start = out
        fit = usable(at, values, block.memory.of["last_at"], refused)
        if not fit.any():
            return []
        said = block.update_some(fit, at, values)
        scores[:] = said.news
        return self._alarms(block, said, values, start)

    def _alarms(self, block: Block, said: Said, values: NDArray[np.float64], start: int) -> list[Alarm]:
        (places,) = np.nonzero(said.news >= self.threshold)
        memory = block.memory.of
        wanted = self.threshold * (1.0 + self._young / np.maximum(memory["age"][places], 1))
        high = said.news[places] >= wanted
        places, wanted = places[high], wanted[high]
        if not len(places):
            return []
        return [
            Alarm(
                series=start + int(place),
                at=float(memory["last_at"][place]),
                onset_at=float(memory["onset_at"][place]),
                score=float(said.news[place]),
                threshold=float(least),
                expected=float(usual),
                value=float(values[place]),
                reason=block.reason(said, int(place)),
            )
            for place, least, usual in zip(places, wanted, block.expected(places), strict=True)
        ]
