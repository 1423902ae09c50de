"""Purses: how long a month's budget of money lasts at the present pace, over a long and a short window that must agree.

What is left of the month counts: half way through it, half the pace is as urgent. Money that nobody read counts as
spent at the even pace, once its month has begun; in a window it counts as not spent: a start is no overrun.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import State

LONG, SHORT = timedelta(hours=1), timedelta(minutes=5)  # windows: those of the SRE workbook's fastest alarm
FASTEST = 6.0  # times the even pace; what is slower can wait for the day's digest, however little is left
MONTH = timedelta(days=30).total_seconds() / 3600  # hours, as everywhere where a budget of an hour is one of a month
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lasting:
    """Of each service: the pace of spending, 1 = even, and hours until the month's money is gone at that pace."""

    pace: Rows
    hours: Rows


class Purses:
    """Looks at the money of many services once a tick; everything is in hours of the even pace.

    >>> from datetime import UTC
    >>> start, purses = datetime(2026, 3, 1, tzinfo=UTC), Purses(["chat"], timedelta(minutes=1))
    >>> for minute in range(120):
    ...     found = purses.update(start + timedelta(minutes=minute), np.array([1.0 if minute < 30 else 40.0]))
    >>> round(float(found.pace[0])), round(float(found.hours[0]))
    (40, 16)
    """

    def __init__(self, names: Sequence[str], tick: timedelta) -> None:
        self.names, self._tick = list(names), tick
        self._widths = [max(1, round(window / tick)) for window in (LONG, SHORT)]
        self._of: State = {
            "ring": np.zeros((self._widths[0], len(names))),
            "spent": np.zeros(len(names)),
            "watched": np.zeros(len(names)),
        }
        self._next, self._month = 0, ""

    def update(self, at: datetime, pace: Rows) -> Lasting:
        """Take what each service costs now, in units of its budget for the same time; NaN is NO DATA."""
        if self._month != f"{at:%Y-%m}":
            self._month = f"{at:%Y-%m}"
            self._of["spent"][:] = self._of["watched"][:] = 0.0
        there, tick = np.isfinite(pace), self._tick.total_seconds() / 3600
        self._of["spent"] += np.where(there, pace, 0.0) * tick
        self._of["watched"] += there * tick
        ring = self._of["ring"]
        ring[self._next] = np.where(there, pace, 0.0)
        self._next = (self._next + 1) % len(ring)
        newest = np.arange(self._next - self._widths[1], self._next) % len(ring)
        both = np.minimum(ring.mean(axis=0), ring[newest].mean(axis=0))
        return Lasting(both, self._left(at) / np.maximum(both, 1e-9))

    def _left(self, at: datetime) -> Rows:
        begun = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        unread = np.maximum((at - begun).total_seconds() / 3600 - self._of["watched"], 0.0)
        return np.maximum(MONTH - self._of["spent"] - unread, 0.0)

    def state(self) -> tuple[State, Any]:
        """Return the arrays, and what goes with them."""
        return dict(self._of), {"names": self.names, "next": self._next, "month": self._month}

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Any) -> None:
        """Go on from ``state`` with the services that still have a purse; ``ValueError`` where the tick was another."""
        known = {name: place for place, name in enumerate(words["names"])}
        mine = [place for place, name in enumerate(self.names) if name in known]
        theirs = [known[self.names[place]] for place in mine]
        for name, array in self._of.items():
            if name not in arrays or arrays[name].shape != (*array.shape[:-1], len(known)):
                raise ValueError("saved state does not fit: Purses")
            array[..., mine] = arrays[name][..., theirs]
        self._next, self._month = int(words["next"]), str(words["month"])


def urgent(found: Lasting, at: datetime, within: Rows) -> NDArray[np.bool_]:
    """Return whose money is gone within so many hours, and before the month is; 0: never said."""
    month = (at.replace(day=28, hour=0) + timedelta(days=4)).replace(day=1, minute=0, second=0, microsecond=0)
    ends = (month - at).total_seconds() / 3600
    return (found.hours <= within) & (found.hours < ends) & (found.pace >= FASTEST) & (within > 0)
