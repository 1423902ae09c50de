"""Week: what a series does at the same hour of every week is no news, learned as it goes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Columns, Places, Reals, State
from agent.eyes.engine import Alarm, Engine, Step
from agent.eyes.saved import named, under

HOURS = 168
RATE = np.float32(0.5)  # of the newest week in the mean of an hour: one week alone does not make a habit
ENOUGH = 0.6  # of a departure, that the hour must have had before: two weeks in a row give 0.75, one gives 0.5
MORE = 1.4  # of it, at most
STANDS_OUT = 5.0  # mean misses by which such an hour differs from what is expected
KNOWN = 2 * HOURS  # hours after which an hour's mean is not of one week alone
MOST = np.float32(60_000.0)  # scales; half precision ends there


class Week(Columns):
    """Means of the hours of the week (UTC) in half precision: 168 numbers a series, however long it is watched.

    >>> week, start = Week(1), 1_767_571_200.0  # a Monday
    >>> for hour in range(4 * HOURS):
    ...     week.update(start + 3600 * hour, np.array([50.0 if hour % HOURS == 30 else 10.0]))
    >>> [round(float(week.usual(start + 3600 * (4 * HOURS + hour), np.array([0]))[0]), 1) for hour in (29, 30, 31)]
    [10.0, 50.0, 10.0]
    """

    def __init__(self, series: int) -> None:
        self.of = {
            "mean": np.full((HOURS, series), np.nan, np.float16),  # in scales, from the origin
            "origin": np.full(series, np.nan),
            "scale": np.ones(series, np.float32),
            "miss": np.zeros(series, np.float32),  # mean difference of an hour from its like a week ago
            "sum": np.zeros(series),
            "count": np.zeros(series, np.int32),
            "hour": np.full(series, -1, np.int64),  # since 1970, that is being summed up; the same for every series
            "since": np.full(series, -1, np.int64),  # the first hour
        }

    def update(self, at: float, values: NDArray[np.float64]) -> None:
        """Take a reading of every series, NaN for NO DATA."""
        of, hour = self.of, int(at // 3600)
        before = int(of["hour"].max(initial=-1))
        if hour < before:
            return
        if hour > before >= 0:
            self._close(before)
        of["hour"][:] = hour
        there = np.isfinite(values)
        fresh = there & np.isnan(of["origin"])
        if fresh.any():
            of["origin"][fresh], of["since"][fresh] = values[fresh], hour
            size = np.abs(values[fresh]).astype(np.float32)
            of["scale"][fresh] = np.where(size > 0, size, np.float32(1.0))
        of["sum"] += np.where(there, values, 0.0)
        of["count"] += there

    def usual(self, at: float, places: Places) -> NDArray[np.float64]:
        """Return the mean of this hour in earlier weeks; NaN where fewer than two are known."""
        of, hour = self.of, int(at // 3600)
        mean = of["mean"][hour % HOURS, places].astype(np.float64) * of["scale"][places] + of["origin"][places]
        return np.where(hour - of["since"][places] >= KNOWN, mean, np.nan)

    def _close(self, hour: int) -> None:
        of = self.of
        (seen,) = np.nonzero(of["count"])
        off = of["sum"][seen] / of["count"][seen] - of["origin"][seen]
        self._widen(seen, np.abs(off))
        scaled: Reals = np.clip(off / of["scale"][seen], -MOST, MOST).astype(np.float32)
        old = of["mean"][hour % HOURS, seen].astype(np.float32)
        missed = np.where(np.isnan(old), np.float32(0.0), scaled - old)
        of["mean"][hour % HOURS, seen] = np.where(np.isnan(old), scaled, old + RATE * missed)
        of["miss"][seen] += (np.abs(missed) * of["scale"][seen] - of["miss"][seen]) / np.float32(HOURS)
        of["sum"][:], of["count"][:] = 0.0, 0

    def _widen(self, places: Places, size: NDArray[np.float64]) -> None:
        """Let the scale grow where a mean outgrows half precision."""
        scale = self.of["scale"]
        (large,) = np.nonzero(size > MOST * scale[places])
        for place, reach in zip(places[large].tolist(), size[large].tolist(), strict=True):
            wider = np.float32(2.0 ** np.ceil(np.log2(reach / MOST)))
            self.of["mean"][:, place] = self.of["mean"][:, place].astype(np.float32) * (scale[place] / wider)
            scale[place] = wider


class WeeklyEyes:
    """Any engine, less the alarms that the same hour of earlier weeks explains. Scores stay as they are."""

    def __init__(self, eyes: Engine) -> None:
        self._eyes, self.week = eyes, Week(eyes.series)

    @property
    def threshold(self) -> float:
        """The engine's."""
        return self._eyes.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._eyes.threshold = value

    @property
    def series(self) -> int:
        """How many series are watched."""
        return self._eyes.series

    def update(self, at: "float | NDArray[np.float64]", values: NDArray[np.float64]) -> Step:
        """Take a reading of every series; ``at``: one instant, or one for each, of which the latest is the time."""
        step = self._eyes.update(at, values)
        now = float(np.max(at)) if np.size(at) else 0.0
        told = tuple(alarm for alarm in step.alarms if not self._usual(alarm, now))
        self.week.update(now, np.where(np.abs(values) < 2.0**62, values, np.nan))
        return Step(step.scores, told, step.refused)

    def _usual(self, alarm: Alarm, now: float) -> bool:
        """Whether the hour departed likewise before, and by more than hours of the week differ anyway."""
        place = np.array([alarm.series])
        before = float(self.week.usual(now, place)[0]) - alarm.expected
        off = alarm.value - alarm.expected
        likewise = off != 0 and ENOUGH <= before / off <= MORE  # NaN is not
        return bool(likewise and abs(before) > STANDS_OUT * float(self.week.of["miss"][alarm.series]))

    def grow(self, more: int) -> int:
        """Append series."""
        grown = self._eyes.grow(more)
        self.week.grow(grown)
        return grown

    def forget(self, series: NDArray[np.intp]) -> None:
        """Forget some series."""
        self._eyes.forget(series)
        self.week.put(series, Week(len(series)))

    def state(self) -> State:
        """Return every array, the week's under its name."""
        return {**self._eyes.state(), **named("week", self.week.of)}

    def restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from ``state``."""
        self._eyes.restore_state({name: array for name, array in arrays.items() if not name.startswith("week.")})
        week = Week(self._eyes.series)
        week.restore(under("week", arrays))
        self.week = week
