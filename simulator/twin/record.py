"""What a Prometheus that scrapes the pretend fleet would have kept: series by their labels, stale markers included."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.twin.promql.samples import ABSENT, NAME, SAMPLE, STALE, Labels, Matcher, Samples, columns_of
from simulator.world.evaluate import Labels as Rows
from simulator.world.store import Floats, Store

_OWN = "kind"  # the world's own mark on rows; no exporter shows it


class Record:
    """Keeps the last ``rows`` scrapes. Values are float64 of shape (rows, series)."""

    def __init__(self, rows: int = 2880) -> None:
        self._rows = rows
        self.labels: list[Labels] = []
        self._index: dict[tuple[tuple[str, str], ...], int] = {}
        self._times = np.zeros(rows, dtype=np.int64)
        self._values = np.full((rows, 0), np.nan)
        self._state = np.zeros((rows, 0), dtype=np.uint8)
        self._held = 0
        self._version: int | None = None
        self._from = self._to = np.empty(0, dtype=np.intp)
        self._found: dict[tuple[Matcher, ...], tuple[int, list[int]]] = {}

    def scrape(self, store: Store, rows: Rows, version: int) -> None:
        """Keep the newest sample of every series of a store; ``version`` says when its set of series has changed."""
        if version != self._version:
            self._bind(store, rows)
            self._version = version
        place = (store.ticks - 1) % len(store.ring)
        self.keep(round(float(store.times[place]) * 1000), self._to, store.ring[place][self._from])

    def keep(self, at: int, columns: NDArray[np.intp], values: Floats) -> None:
        """Keep one scrape as of ``at`` (ms); NaN is no sample. A series that ended gets a stale marker."""
        if self._held == self._rows:
            self._forget()
        row = self._held
        self._times[row] = at
        seen = np.zeros(self._state.shape[1], dtype=bool)
        there = columns[~np.isnan(values)]
        seen[there] = True
        self._values[row] = np.nan
        self._values[row, there] = values[~np.isnan(values)]
        before = self._state[row - 1] if row else np.zeros_like(self._state[row])
        self._state[row] = np.where(seen, SAMPLE, np.where(before == SAMPLE, STALE, ABSENT))
        self._held += 1

    def _forget(self) -> None:
        """Let the older half go."""
        half = self._rows // 2
        for kept in (self._times, self._values, self._state):
            kept[: self._rows - half] = kept[half:]
        self._held -= half

    def series(self, labels: Labels) -> int:
        """Return the column of a series, a new one if need be."""
        key = tuple(sorted(labels.items()))
        if key not in self._index:
            self._index[key] = len(self.labels)
            self.labels.append(labels)
            if len(self.labels) > self._values.shape[1]:
                self._widen()
        return self._index[key]

    def _widen(self) -> None:
        more = max(64, self._values.shape[1])
        self._values = np.hstack([self._values, np.full((self._rows, more), np.nan)])
        self._state = np.hstack([self._state, np.zeros((self._rows, more), dtype=np.uint8)])

    def _bind(self, store: Store, rows: Rows) -> None:
        """Find the column here of every column there."""
        pairs = list(_columns(store, rows))
        self._from = np.array([column for column, _ in pairs], dtype=np.intp)
        self._to = np.array([self.series(labels) for _, labels in pairs], dtype=np.intp)

    # -- reading ---------------------------------------------------------------------------------------------------
    def select(self, matchers: Sequence[Matcher]) -> Samples:
        """Return the series that meet every condition, in the order of their labels."""
        key = tuple(matchers)
        size, columns = self._found.get(key, (-1, []))
        if size != len(self.labels):
            columns = columns_of(self.labels, matchers)
            self._found[key] = (len(self.labels), columns)
        held = slice(0, self._held)
        times, values, state = self._times[held], self._values[held, columns], self._state[held, columns]
        return Samples(tuple(self.labels[i] for i in columns), times, values, state)

    @property
    def newest(self) -> int:
        """The instant of the last scrape, in ms; 0 before any."""
        return int(self._times[self._held - 1]) if self._held else 0


def _columns(store: Store, rows: Rows) -> Iterator[tuple[int, Labels]]:
    for name, families in store.families.items():
        for family in families:
            for row, labels in rows.get(family.axis, {}).items():
                if family.only in ("", labels.get("kind", "")):
                    base = {NAME: name, **{k: v for k, v in labels.items() if k != _OWN and v}}
                    for column, variant in zip(family.columns(row), family.variants, strict=True):
                        yield column, {**base, **dict(variant)}
