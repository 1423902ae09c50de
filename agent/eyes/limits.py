"""Limits: readings beyond what was promised or is physically right, for longer than a blip.

A reading must be bad at several ticks of a short window, so that a blip is no alarm; NO DATA neither raises nor clears.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns

WINDOW = 5  # ticks looked at
BAD_OF = 3  # bad ones among them that raise an alarm
SWIFT = 2  # the same where a reading is grossly bad, or wrong at once
HEALED = 4  # good ticks in a row that clear an alarm
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Per series: bad where ``sign * (value - limit) > 0``, grossly beyond ``gross``; how many bad ticks are needed."""

    limit: Rows
    sign: Rows
    gross: Rows
    needed: NDArray[np.int8]


class Limits(Columns):
    """A short memory of badness for every series; alarms stand until good readings clear them.

    >>> bounds = Bounds(np.array([0.02]), np.array([1.0]), np.array([0.2]), np.array([BAD_OF], np.int8))
    >>> limits = Limits(1)
    >>> [bool(limits.update(30.0 * tick, np.array([value]), bounds)[0])
    ...  for tick, value in enumerate([0.0, 0.03, 0.0, 0.04, 0.05, np.nan, 0.0, 0.0, 0.0, 0.0])]
    [False, False, False, False, True, True, True, True, True, False]
    """

    def __init__(self, series: int) -> None:
        self.of = {
            "past": np.zeros((WINDOW, series), np.int8),
            "watched": np.zeros(series, bool),  # something was bad, and is not forgotten yet
            "since": np.zeros(series),
            "told": np.zeros(series, bool),
            "turn": np.zeros(series, np.int64),  # when the alarm was raised, among the alarms
            "value": np.zeros(series),  # newest bad reading of the alarm
            "at": np.zeros(series),
        }
        self._turn = 0

    def update(self, at: float, values: Rows, bounds: Bounds) -> NDArray[np.bool_]:
        """Take a reading of every series, NaN for NO DATA; return which alarms stand."""
        of = self.of
        with np.errstate(invalid="ignore"):
            bad = bounds.sign * (values - bounds.limit) > 0
            gross = bounds.sign * (values - bounds.gross) > 0
        there = np.isfinite(values)
        self._begin(there & bad & ~of["watched"], at)
        (rows,) = np.nonzero(there & of["watched"])
        if len(rows):
            self._judge(rows, at, values, np.where(bad, np.where(gross, 2, 1), 0)[rows], bounds.needed[rows])
        standing: NDArray[np.bool_] = of["told"].copy()
        return standing

    def order(self) -> list[int]:
        """Return the series whose alarms stand, in the order in which they were raised."""
        (rows,) = np.nonzero(self.of["told"])
        return [int(row) for row in rows[np.argsort(self.of["turn"][rows], kind="stable")]]

    def _begin(self, fresh: NDArray[np.bool_], at: float) -> None:
        of = self.of
        of["past"][:, fresh] = 0
        of["since"][fresh], of["watched"][fresh] = at, True

    def _judge(
        self, rows: NDArray[np.intp], at: float, values: Rows, newest: NDArray[np.int_], needed: NDArray[np.int8]
    ) -> None:
        of = self.of
        past = np.concatenate([of["past"][1:, rows], newest[None].astype(np.int8)])
        of["past"][:, rows] = past
        needed = np.where((past == 2).sum(axis=0) >= SWIFT, SWIFT, needed)
        over = (past > 0).sum(axis=0) >= needed
        shown = rows[over & ((newest > 0) | ~of["told"][rows])]  # a good reading does not stand for the alarm
        raised = shown[~of["told"][shown]]
        self._turn = max(self._turn, int(of["turn"].max(initial=0))) + 1
        of["turn"][raised], of["told"][raised] = self._turn, True
        of["value"][shown], of["at"][shown] = values[shown], at
        calm = rows[~over & ~past[-HEALED:].any(axis=0)]
        of["watched"][calm] = of["told"][calm] = False
