"""The Metrics port over the store, with a coarser memory of the last day."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from simulator.world.evaluate import Labels, Program, compile_specs
from simulator.world.store import Store
from tools.catalogue import SIGNALS
from tools.marks import SPECS
from tools.signal import Frame, SeriesKey, SignalSpec

COARSE = 10  # ticks between two coarse frames
KEPT = 300  # coarse frames kept: a day and an hour at ticks of 30 s
REMEMBERED = (*SIGNALS, *SPECS)

Coarse = tuple[float, tuple[SeriesKey, ...], NDArray[np.float32]]  # when, whose, values


class WorldMetrics:
    """Reads signals of the world. ``version`` says when the set of series has changed."""

    def __init__(self, store: Store, labels: Callable[[], Labels], version: Callable[[], int]) -> None:
        self._store = store
        self._labels = labels
        self._version = version
        self._programs: dict[tuple[int, ...], tuple[Sequence[SignalSpec], Program]] = {}
        self._built = -1
        self._coarse: deque[Coarse] = deque(maxlen=KEPT)

    def _program(self, specs: Sequence[SignalSpec]) -> Program:
        if self._built != self._version():
            self._programs.clear()
            self._built = self._version()
        key = tuple(map(id, specs))
        if key not in self._programs:
            # The specs are kept beside the program: an id is only a name while its object lives.
            self._programs[key] = (tuple(specs), compile_specs(self._store, self._labels(), specs))
        return self._programs[key][1]

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        """Return every spec's values as of ``at``; NaN where a value is unknown."""
        program = self._program(specs)
        return Frame(at, program.keys, program.run(at.timestamp()))

    def remember(self, at: datetime) -> None:
        """Keep a coarse frame now and then; the world calls this once a tick."""
        if self._store.ticks % COARSE == 0:
            frame = self.read(REMEMBERED, at)
            self._coarse.append((at.timestamp(), frame.keys, frame.values.astype(np.float32)))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        """Return frames of one spec every ``step`` seconds; what is not kept is left out."""
        frames = []
        oldest = np.nanmin(self._store.times) if self._store.ticks else np.inf
        places: dict[tuple[SeriesKey, ...], tuple[tuple[SeriesKey, ...], list[int]]] = {}
        for at in np.arange(start.timestamp(), end.timestamp() + 1e-6, step):
            when = datetime.fromtimestamp(float(at), UTC)
            if at >= oldest + 120:
                frames.append(self.read((spec,), when))
            elif (found := self._nearest(float(at), step)) is not None:
                keys, places_of = places.setdefault(found[1], _of(spec, found[1]))
                frames.append(Frame(when, keys, found[2][places_of].astype(np.float64)))
        return tuple(frame for frame in frames if len(frame.keys))

    def _nearest(self, at: float, step: float) -> Coarse | None:
        reach = max(step / 2, 160.0)
        near = [kept for kept in self._coarse if kept[0] <= at + 1e-6 and at - kept[0] <= 2 * reach]
        return near[-1] if near else None


def _of(spec: SignalSpec, keys: tuple[SeriesKey, ...]) -> tuple[tuple[SeriesKey, ...], list[int]]:
    places = [i for i, key in enumerate(keys) if key.signal == spec.name]
    return tuple(keys[i] for i in places), places
