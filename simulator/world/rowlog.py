"""The inference log of one service as ring arrays: fixed memory, oldest rows forgotten."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.world.store import Floats


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """Some rows, oldest first. ``truth`` is what the label is or will be; ``version`` indexes the known names.

    ``off``: the release that served them computed features otherwise than training did.
    """

    at: Floats
    features: Floats
    scores: Floats
    truth: Floats
    version: NDArray[np.int16]
    off: NDArray[np.bool_]


class RowLog:
    """Rows in order of time."""

    def __init__(self, capacity: int, width: int) -> None:
        # Not written before there are rows: most worlds live for minutes, and tens of megabytes are slow to touch.
        self._at = np.empty(capacity)
        self._features = np.empty((capacity, width), dtype=np.float32)
        self._scores = np.empty(capacity, dtype=np.float32)
        self._truth = np.empty(capacity, dtype=np.int8)
        self._version = np.empty(capacity, dtype=np.int16)
        self._off = np.empty(capacity, dtype=np.bool_)
        self._written = 0

    def reserve(self) -> None:
        """Take the memory of a full ring now, before any row: what grows from then on is not the ring."""
        for array in (self._at, self._features, self._scores, self._truth, self._version, self._off):
            array.fill(0)

    def append(self, rows: LoggedRows) -> None:
        """Add rows that are later than every row before."""
        places = self._places(self._written, self._written + len(rows.at))
        self._at[places] = rows.at
        self._features[places] = rows.features
        self._scores[places] = rows.scores
        self._truth[places] = rows.truth
        self._version[places] = rows.version
        self._off[places] = rows.off
        self._written += len(rows.at)

    def between(self, start: float, end: float, *, features: bool = True) -> LoggedRows:
        """Return the rows with ``start <= at < end``; without ``features`` theirs are (n, 0)."""
        oldest = max(self._written - len(self._at), 0)
        low, high = (oldest + self._before(oldest, moment) for moment in (start, end))
        places = self._places(low, max(low, high))
        return LoggedRows(
            self._at[places].copy(),
            self._features[places, : self._features.shape[1] * features].astype(np.float64),
            self._scores[places].astype(np.float64),
            self._truth[places].astype(np.float64),
            self._version[places].copy(),
            self._off[places].copy(),
        )

    def _places(self, low: int, high: int) -> slice | NDArray[np.intp]:
        """Return where rows lie: in one piece, but where the ring ends between them."""
        size, count = len(self._at), high - low
        first = low % size
        return slice(first, first + count) if first + count <= size else np.arange(low, high) % size

    def _before(self, oldest: int, moment: float) -> int:
        """Count held rows earlier than ``moment``: times rise from the oldest row to the ring's end, and then on."""
        first = oldest % len(self._at)
        held = self._at[first : self._written - oldest + first], self._at[:first]
        return sum(int(np.searchsorted(part, moment)) for part in held)
