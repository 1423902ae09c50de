"""Changes: one of the textbook change detectors on every series, instead of what Prunella watches by itself.

They keep no season and know no budget of false alerts; their thresholds are in units of the series. For streams that
are like what they were made for, such as the errors of a model, and for whoever wants to compare.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.eyes.adwin import Adwin
from agent.eyes.columns import Columns, Places
from agent.eyes.contract import Detector, Tick
from agent.eyes.engine import Alarm, Step
from agent.eyes.gaussian import Gaussian
from agent.eyes.intake import usable
from agent.eyes.page_hinkley import PageHinkley


class ChangeDetector(Detector, Protocol):
    """A detector whose statistic of 1 and more is a change, and that can say from what and since when."""

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return the mean before the change that was just told."""
        ...

    def since(self, places: Places, tick: Tick) -> NDArray[np.float64]:
        """Return how many values ago it began, 1 for the newest."""
        ...


KINDS: Mapping[str, type[ChangeDetector]] = MappingProxyType(
    {"adwin": Adwin, "page-hinkley": PageHinkley, "gaussian": Gaussian}
)


class Came(Columns):
    """What has come of each series: the first value, when, how many, and when the last one."""

    def __init__(self, series: int) -> None:
        self.of: dict[str, NDArray[Any]] = {
            "origin": np.zeros(series),
            "first_at": np.zeros(series),
            "last_at": np.full(series, -np.inf),
            "age": np.zeros(series, np.int32),
        }

    def tick(self, at: NDArray[np.float64], values: NDArray[np.float64]) -> Tick:
        """Count a value of each series; return it relative to the first, so that 32 bits do."""
        of = self.of
        first = of["age"] == 0
        of["origin"][first], of["first_at"][first], of["last_at"][:] = values[first], at[first], at
        tick = Tick((values - of["origin"]).astype(np.float32)[None], of["age"].copy(), at)
        of["age"] += np.int32(1)
        return tick


class Changes:
    """Watches ``series`` series with one detector; alarms where it tells a change.

    >>> changes = Changes("adwin", 2)
    >>> for minute in range(400):
    ...     wrong = minute % 10 == 0, minute % 10 == 0 or minute > 200
    ...     for alarm in changes.update(60.0 * minute, np.array(wrong, float)).alarms:
    ...         print(minute, alarm.series, alarm.onset_at / 60, round(alarm.expected, 2), alarm.reason)
    223 1 200.0 0.1 has another mean than before
    """

    threshold = 1.0

    def __init__(self, kind: str, series: int) -> None:
        self._detector: ChangeDetector = KINDS[kind](series)
        self._came = Came(series)

    def update(self, at: float, values: NDArray[np.float64]) -> Step:
        """Take a reading of every series, NaN for NO DATA: a series without a usable one stays as it is."""
        refused, instants = Counter[str](), np.full(len(values), at)
        fit = usable(instants, values, self._came.of["last_at"], refused)
        (idle,) = np.nonzero(~fit)
        if len(idle) == len(values):
            return Step(np.zeros(len(values), np.float32), (), refused)
        came, detector = self._came.taken(idle), self._detector.taken(idle)
        tick = self._came.tick(instants, np.where(fit, values, 0.0))
        said = self._detector.update(tick)
        (places,) = np.nonzero((said.statistic >= self.threshold) & fit)
        alarms = self._alarms(places, tick, values, said.statistic)
        self._came.put(idle, came)
        self._detector.put(idle, detector)
        return Step(np.where(fit, said.statistic, np.float32(0.0)), alarms, refused)

    def _alarms(
        self, places: Places, tick: Tick, values: NDArray[np.float64], scores: NDArray[np.float32]
    ) -> tuple[Alarm, ...]:
        came = {name: array[places] for name, array in self._came.of.items()}
        expected = self._detector.expected(places) + came["origin"]
        pace = (came["last_at"] - came["first_at"]) / np.maximum(came["age"] - 1, 1)
        onset = came["last_at"] - pace * (self._detector.since(places, tick) - 1)
        return tuple(
            Alarm(
                series=int(place),
                at=float(tick.at[place]),
                onset_at=float(began),
                score=float(scores[place]),
                threshold=self.threshold,
                expected=float(usual),
                value=float(values[place]),
                reason=self._detector.words[0],
            )
            for place, began, usual in zip(places, onset, expected, strict=True)
        )
