"""Roster: which row of the eyes is whose, as series come and go; a flood of new ones is let in little by little."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import State
from agent.eyes.engine import Engine, Step
from agent.eyes.saved import named, under

AT_ONCE = 1000  # newcomers of a step, at least; else as many as are known already
FORGET = 2880  # steps after which the row of a series that is gone goes to another


class Roster:
    """Feeds the eyes from readings by key; rows are never more than the eyes' limit.

    >>> from agent.eyes.engine import Eyes
    >>> roster = Roster(Eyes(0, threshold=3.0))
    >>> for minute in range(200):
    ...     busy = 90.0 if minute == 150 else minute % 7
    ...     for alarm in roster.update(60.0 * minute, ("a", "b"), np.array([1.0, busy])).alarms:
    ...         print(minute, roster.keys[alarm.series])
    150 b
    """

    def __init__(self, eyes: Engine, at_once: int = AT_ONCE, forget: int = FORGET) -> None:
        self.eyes, self._at_once, self._forget = eyes, at_once, forget
        self.keys: list[Hashable] = []
        self._row: dict[Hashable, int] = {}
        self._seen = np.zeros(0, np.int64)  # step of the last reading of each row
        self._step = 0
        self._last: tuple[Sequence[Hashable], NDArray[np.intp]] = ((), np.empty(0, np.intp))

    def update(self, at: float, keys: Sequence[Hashable], values: NDArray[np.float64]) -> Step:
        """Take a reading of some series at one instant; those that are known and absent are NO DATA."""
        self._step += 1
        refused = Counter[str]()
        rows = self._rows(keys, refused)
        row = np.full(self.eyes.series, np.nan)
        known = rows >= 0
        row[rows[known]] = values[known]
        self._seen[rows[known]] = self._step
        step = self.eyes.update(at, row)
        refused.update(step.refused)
        return Step(step.scores, step.alarms, refused)

    def state(self) -> State:
        """Return every array; ``keys`` says whose each row is."""
        return {**named("eyes", self.eyes.state()), "seen": self._seen, "step": np.array(self._step)}

    def restore(self, keys: Sequence[Hashable], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on, in a roster without any series, from ``keys`` and ``state``; ``ValueError`` when they do not fit."""
        if arrays.get("seen", np.empty(0)).shape != (len(keys),) or self.eyes.grow(len(keys)) != len(keys):
            raise ValueError("saved state does not fit: Roster")
        self.eyes.restore_state(under("eyes", arrays))
        self._seen, self._step = arrays["seen"].copy(), int(arrays["step"])
        self.keys = list(keys)
        self._row = {key: row for row, key in enumerate(keys)}

    def _rows(self, keys: Sequence[Hashable], refused: Counter[str]) -> NDArray[np.intp]:
        """Return the row of each key, -1 for those that must wait."""
        if keys is self._last[0]:  # the same list as last time: nothing to look up
            return self._last[1]
        rows = np.array([self._row.get(key, -1) for key in keys], np.intp)
        if (rows < 0).any():
            self._admit([key for key, row in zip(keys, rows, strict=True) if row < 0])
            rows = np.array([self._row.get(key, -1) for key in keys], np.intp)
        self._count(rows, refused)
        if (rows >= 0).all():
            self._last = (keys, rows)
        return rows

    @staticmethod
    def _count(rows: NDArray[np.intp], refused: Counter[str]) -> None:
        waiting, known = int((rows < 0).sum()), rows[rows >= 0]
        twice = len(known) - len(np.unique(known))
        refused.update({reason: n for reason, n in (("too many series", waiting), ("series twice", twice)) if n})

    def _admit(self, newcomers: list[Hashable]) -> None:
        """Give newcomers a row: first those of series long gone, then new ones."""
        wanted = list(dict.fromkeys(newcomers))[: max(self._at_once, len(self._row))]
        (gone,) = np.nonzero(self._seen < self._step - self._forget)
        again = gone[: len(wanted)]
        self.eyes.forget(again)
        for row, key in zip(again.tolist(), wanted, strict=False):
            self._row.pop(self.keys[row], None)
            self._take(row, key)
        rest = wanted[len(again) :]
        first, joined = self.eyes.series, self.eyes.grow(len(rest))
        self._seen = np.append(self._seen, np.full(joined, self._step))
        self.keys += rest[:joined]
        for row, key in enumerate(rest[:joined], first):
            self._take(row, key)

    def _take(self, row: int, key: Hashable) -> None:
        self.keys[row], self._row[key], self._seen[row] = key, row, self._step
