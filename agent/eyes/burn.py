"""Burn rates: how fast objectives spend their error budget, over a long and a short window that must agree.

The pairs are those of Google's SRE workbook for an objective over 30 days: 2 % of the budget in an hour, 5 % in six.
With little traffic a share means nothing: then a number of bad answers must be reached as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAIRS = ((3600.0, 300.0, 14.4), (21600.0, 1800.0, 6.0))  # long and short window in seconds, times the even pace
FEWEST = 5.0  # bad answers in the long window, below which nothing is said
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Burning:
    """What burns, for how many ticks by now; the pace of the fastest long window, and the threshold that it passed."""

    alarms: NDArray[np.bool_]
    pace: Rows
    threshold: Rows
    lasted: NDArray[np.int64]


class Burn:
    """Sums good and bad answers of many objectives over the windows of ``PAIRS``; a tick every ``seconds``.

    >>> burn = Burn(np.array([0.999, 0.999]), seconds=60.0)
    >>> for minute in range(180):
    ...     bad = 5.0 if minute >= 100 else 0.0
    ...     found = burn.update(np.array([200.0, 200.0]), np.array([bad, 0.0]))
    ...     if found.alarms.any():
    ...         print(minute, found.alarms.tolist(), round(float(found.pace[0]), 1))
    ...         break
    134 [True, False] 14.6
    """

    def __init__(self, objectives: Rows, seconds: float) -> None:
        self._allowed = np.maximum(1 - np.asarray(objectives, np.float64), 1e-9)
        self._widths = [max(1, round(window / seconds)) for pair in PAIRS for window in pair[:2]]
        shape = (max(self._widths), len(self._allowed))
        self._all, self._bad, self._next = np.zeros(shape), np.zeros(shape), 0
        self._sums = np.zeros((len(self._widths), 2, shape[1]))
        self._lasted, self._known = np.zeros((2, shape[1]), np.int64)  # ticks of burning, and with data

    def update(self, answers: Rows, bad: Rows) -> Burning:
        """Take the answers of a tick and how many were bad; NaN is NO DATA and adds nothing."""
        there = np.isfinite(answers) & np.isfinite(bad)
        fresh = np.where(there, answers, 0.0), np.where(there, bad, 0.0)
        length = len(self._all)
        self._known = self._known + there
        for place, width in enumerate(self._widths):
            old = (self._next - width) % length
            for side, ring in enumerate((self._all, self._bad)):
                self._sums[place, side] += fresh[side] - ring[old]
        self._all[self._next], self._bad[self._next] = fresh
        self._next = (self._next + 1) % length
        return self._judge()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that is remembered."""
        of = {"all": self._all, "bad": self._bad, "sums": self._sums, "lasted": self._lasted, "known": self._known}
        return {**of, "next": np.array(self._next)}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state of as many objectives and the same tick; ``ValueError`` when it does not fit."""
        if any(name not in saved or saved[name].shape != array.shape for name, array in self.state().items()):
            raise ValueError("saved state does not fit: Burn")
        self._all, self._bad, self._sums, self._lasted, self._known = (
            saved[name].copy() for name in ("all", "bad", "sums", "lasted", "known")
        )
        self._next = int(saved["next"])

    def _judge(self) -> Burning:
        answers, bad = self._sums[:, 0], self._sums[:, 1]
        widths = np.array(self._widths)[:, None]
        unseen = widths / np.clip(self._known, 1, widths)  # what nobody saw counts as good: a start is no outage
        paces = np.where(answers > 0, bad / np.maximum(answers * unseen, 1e-9), 0.0) / self._allowed
        alarms = np.zeros(len(self._allowed), dtype=bool)
        pace, threshold = paces[0].copy(), np.full(len(alarms), PAIRS[0][2])
        for place, (_, _, limit) in enumerate(PAIRS):
            here = (paces[2 * place] >= limit) & (paces[2 * place + 1] >= limit) & (bad[2 * place] >= FEWEST)
            new = here & ~alarms
            pace[new], threshold[new] = paces[2 * place][new], limit
            alarms |= here
        self._lasted = np.where(alarms, self._lasted + 1, 0)
        return Burning(alarms, pace, threshold, self._lasted)
