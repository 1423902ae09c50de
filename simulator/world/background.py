"""What exporters show of a fleet in which nothing is wrong: habits of a service, what every start brings, what passes.

No figure here is from elsewhere: no public count of such marks in healthy clusters is known to us. They are set high on
purpose, so that a diagnosis which reads its cause off any mark at all is wrong more often than in a real cluster. What
is shown here harms no request.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.world.pods import Pod, Pods
from simulator.world.rows import Rows
from simulator.world.store import Axis
from simulator.world.streams import Streams

CREATED = timedelta(seconds=40)  # of a start: image and volumes are fetched; then a readiness probe fails to its end
PROBED = 0.1  # probes a second
DAY = 86400.0
Range = tuple[float, float]
Places = NDArray[np.intp]


class Shown(NamedTuple):
    """A mark, on rows of its axis, and what its series reads there."""

    finding: str
    rows: Places
    value: float


class Habit(NamedTuple):
    """A mark that stands on a service or all its replicas from the first day; ``share`` of the services have it."""

    finding: str
    axis: Axis
    share: float
    value: Range


class Passing(NamedTuple):
    """A mark that comes ``daily`` times a day to each of its kind, and is gone after so many ``seconds``."""

    finding: str
    axis: Axis
    daily: float
    seconds: Range
    value: Range


HABITS = (
    Habit("cpu_throttled", "pod", 0.08, (5.2, 6.5)),  # of 10 periods a second
    Habit("tokenizer_busy", "pod", 0.05, (0.97, 1.3)),
    Habit("long_prompts", "pod", 0.05, (0.6, 0.78)),
    Habit("quota_full", "service", 0.08, (24.0, 24.0)),
    Habit("job_failed", "service", 0.08, (1.0, 1.0)),  # nobody has deleted it
    Habit("job_lingers", "service", 0.05, (1.0, 2.0)),
    Habit("features_old", "service", 0.05, (7_200.0, 90_000.0)),
    Habit("answer_cache_cold", "service", 0.05, (0.02, 0.12)),
    Habit("connections_refused", "service", 0.03, (0.022, 0.05)),
    Habit("names_unresolved", "service", 0.03, (0.022, 0.05)),
)
PASSING = (
    Passing("liveness_failing", "pod", 0.05, (60.0, 120.0), (0.03, PROBED)),
    Passing("readiness_failing", "pod", 0.1, (60.0, 180.0), (0.03, PROBED)),
    Passing("cpu_throttled", "pod", 0.2, (120.0, 600.0), (5.2, 8.0)),
    Passing("tokenizer_busy", "pod", 0.1, (120.0, 600.0), (0.97, 1.3)),
    Passing("oom_killed", "pod", 0.01, (3_600.0, 2 * DAY), (1.0, 1.0)),  # once, and the last reason is kept
    Passing("image_missing", "pod", 0.01, (60.0, 180.0), (1.0, 1.0)),
    Passing("names_unresolved", "service", 0.1, (60.0, 180.0), (0.03, 0.1)),
    Passing("connections_refused", "service", 0.1, (60.0, 180.0), (0.03, 0.1)),
    Passing("job_failed", "service", 0.03, (3_600.0, 2 * DAY), (1.0, 1.0)),
    Passing("job_lingers", "service", 0.5, (600.0, 7_200.0), (1.0, 1.0)),
    Passing("network_drops", "node", 0.1, (60.0, 300.0), (6.0, 20.0)),
    Passing("disk_pressure", "node", 0.02, (300.0, 1_200.0), (1.0, 1.0)),
    Passing("clock_off", "node", 0.02, (60.0, 600.0), (0.55, 0.9)),
    Passing("power_capped", "gpu", 0.05, (60.0, 300.0), (1.0, 5.0)),
    Passing("nvlink_errors", "gpu", 0.02, (60.0, 300.0), (0.02, 0.1)),
)


@dataclass(slots=True)
class _Spell:
    finding: str
    row: int
    left: float  # seconds
    value: float
    life: int  # of the row, for replicas: what began with a pod ends with it


class Background:
    """Draws habits once and spells as time goes by, from streams of its own: the weather is the same without it."""

    def __init__(self, streams: Streams, sizes: dict[Axis, int]) -> None:
        self._sizes = sizes
        self._habits = tuple(_habits(streams.named("background/habits"), sizes["service"]))
        self._chance = streams.named("background/spells")
        self._per_second = np.array([each.daily * sizes[each.axis] / DAY for each in PASSING])
        self._spells: list[_Spell] = []
        self._lives = np.zeros(sizes["pod"], dtype=np.intp)  # pods that each row has had
        self._alive = np.zeros(sizes["pod"], dtype=bool)

    def tick(self, rows: Rows, pods: Pods, now: datetime, seconds: float) -> Iterator[Shown]:
        """Let time pass, and yield what is shown now."""
        self._lives += rows.alive & ~self._alive
        self._alive = rows.alive.copy()
        yield from self._starts(pods, now)
        for habit, services, values in self._habits:
            for service, value in zip(services, values, strict=True):
                mine = np.flatnonzero(rows.alive & (rows.service == service))
                yield Shown(habit.finding, np.array([service]) if habit.axis == "service" else mine, float(value))
        yield from self._passing(seconds)

    def _starts(self, pods: Pods, now: datetime) -> Iterator[Shown]:
        """Yield what belongs to every start of a container, and to a pod that has no place."""
        waiting = [pod for pod in pods.pods.values() if not pod.ready and not pod.crashing]
        loading = [pod for pod in waiting if pod.gpu >= 0 and pod.ready_at is not None and pod.ready_at > now]
        yield Shown("unschedulable", _rows(pod for pod in waiting if pod.gpu < 0), 1.0)
        yield Shown("container_creating", _rows(pod for pod in loading if now - pod.created_at <= CREATED), 1.0)
        yield Shown("readiness_failing", _rows(pod for pod in loading if now - pod.created_at > CREATED), PROBED)

    def _passing(self, seconds: float) -> Iterator[Shown]:
        for kind in np.flatnonzero(self._chance.random(len(PASSING)) < -np.expm1(-self._per_second * seconds)):
            self._begin(PASSING[int(kind)])
        for spell in self._spells:
            spell.left -= seconds
        self._spells = [each for each in self._spells if each.left > 0 and not self._is_over(each)]
        for each in self._spells:
            yield Shown(each.finding, np.array([each.row]), each.value)

    def _begin(self, kind: Passing) -> None:
        place, length, size = self._chance.random(3)
        row = int(place * self._sizes[kind.axis])
        if kind.axis == "pod" and not self._alive[row]:
            return
        low, high = np.log(kind.seconds)
        value = kind.value[0] + (kind.value[1] - kind.value[0]) * float(size)
        life = int(self._lives[row]) if kind.axis == "pod" else -1
        self._spells.append(_Spell(kind.finding, row, float(np.exp(low + (high - low) * length)), value, life))

    def _is_over(self, spell: _Spell) -> bool:
        return spell.life >= 0 and (not self._alive[spell.row] or self._lives[spell.row] != spell.life)


def _rows(pods: Iterable[Pod]) -> Places:
    return np.array([pod.row for pod in pods], dtype=np.intp)


def _habits(chance: np.random.Generator, services: int) -> Iterator[tuple[Habit, Places, NDArray[np.float64]]]:
    for habit in HABITS:
        has, values = chance.random(services) < habit.share, chance.uniform(*habit.value, services)
        yield habit, np.flatnonzero(has), values[has]
