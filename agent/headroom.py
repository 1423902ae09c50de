"""The proof that what remains can carry the load, made before anything takes capacity away.

From live readings: the load, as replicas kept busy (its most in the readings at hand, or its trend and scatter carried
on for as long as a replica takes to load, should it be wanted back, whichever is worse); the use of what remains under
that load, at most ``MOST_USED``; and how far every promised time stretches, at most to its target less ``MARGIN``.

- A **batching engine** (language) is an M/G/c queue whose slots share one processor. By Little's law an answer takes
  ``running / arrivals`` now, and at saturation ``compute in use / cache in use`` times that: then every slot is taken.
  A step takes a time that grows linearly with the batch, so the reciprocal of an answer's time falls linearly with the
  load between the two. The wait for a slot is Sakasegawa's approximation.
- Any **other server** is an M/G/1 queue per replica (Pollaczek-Khinchine): the wait grows with ``use / (1 - use)``.

No data proves nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from agent.capacity import ready_of, use_of
from agent.observe import Observation, Scene
from config.fleet import Objective, Service, ServiceKind

MOST_USED = 0.8
MARGIN = 0.1
READINGS = 30  # the newest that are looked at
LEAST_READINGS = 4
VARIATION = 0.0  # of the work of one request, where all are alike: standard deviation over mean
QUANTILE = 0.9  # of the readings of a time: most of them, not the luckiest
SCATTER = 2.5  # standard deviations above the trend
LOADING = timedelta(minutes=3)  # of a replica, where none was seen to load
TIMES = frozenset(("ttft_p95", "latency_p95", "latency_mean"))


@dataclass(frozen=True, slots=True)
class Headroom:
    """Whether what remains holds every objective, and the arithmetic. ``use`` is that of the worst case."""

    proven: bool
    text: str
    use: float | None = None


def headroom(scene: Scene, service: Service, left: int, *, moving: bool = False) -> Headroom:
    """Return what is known of a service with ``left`` ready replicas.

    ``moving``: a sick replica starts again elsewhere, so an objective that does not hold now is no ground against it.
    """
    looked = [seen for seen in scene.history[-READINGS:] if use_of(seen, service) is not None]
    if len(looked) < LEAST_READINGS or ready_of(scene.observation, service.name) < 1:
        return Headroom(False, f"{len(looked)} readings of the load of {service.name}: too few to prove anything")
    if left < 1:
        return Headroom(False, f"nothing would be left of {service.name}")
    busy = np.array([(use_of(seen, service) or 0.0) * ready_of(seen, service.name) for seen in looked])
    ready = ready_of(scene.observation, service.name)
    now, loading = float(busy.mean()), _loading(scene, service.name)
    worst = _worst(busy, looked, loading)
    before, after = min(now / ready, 0.99), worst / left
    head = (
        f"{service.name} {ready} > {left}: {now:.2f} replicas busy, at worst {worst:.2f} within {_seconds(loading)} of "
        f"loading, so use {before:.0%} > {after:.0%}"
    )
    if after > MOST_USED:
        return Headroom(False, f"{head}, more than {MOST_USED:.0%}", after)
    strain = _strain(looked, service, Use(before, after))
    asked = [each for each in service.objectives if not (moving and _broken(each, service.name, scene.observation))]
    found = [_promise(objective, service.name, looked, strain) for objective in asked]
    said = "; ".join(text for _, text in found if text)
    return Headroom(all(holds for holds, _ in found), f"{head}, at most {MOST_USED:.0%}; {said}".rstrip("; "), after)


def staged(scene: Scene, service: Service, counts: Sequence[int]) -> tuple[int, ...]:
    """Return the falling counts as far as the proof reaches; where it reaches none, the first: a person may judge."""
    proven = tuple(takewhile(lambda left: headroom(scene, service, left).proven, counts))
    return proven or tuple(counts[:1])


@dataclass(frozen=True, slots=True)
class Use:
    """Use of the ready replicas now, and of what remains at worst; 1 is all of it."""

    now: float
    then: float


@dataclass(frozen=True, slots=True)
class Strain:
    """What less capacity does to a time: it is stretched, and waiting is added (seconds)."""

    stretch: float
    wait: float


def _strain(looked: Sequence[Observation], service: Service, use: Use) -> Strain:
    means = [_mean(looked, name, service) for name in ("running", "kv_cache", "requests", "gpu_utilisation")]
    if service.kind is ServiceKind.LANGUAGE and all(value for value in means):
        running, cache, arrivals, compute = (value or 0.0 for value in means)
        most = max(1.0, compute / 100 / cache)  # an answer's time at saturation, over that of now
        stretch = 1 / (1 - (1 - 1 / most) * max(0.0, use.then - use.now) / (1 - use.now))
        slots = max(1.0, running / max(ready_of(looked[-1], service.name), 1) / cache)
        wait = most * running / arrivals * use.then ** (math.sqrt(2 * (slots + 1)) - 1) / (slots * (1 - use.then))
        return Strain(stretch, wait)
    waiting = [use.now / (1 - use.now), use.then / (1 - use.then)]
    return Strain(1 + (1 + VARIATION**2) / 2 * max(0.0, waiting[1] - waiting[0]), 0.0)


def _mean(looked: Sequence[Observation], signal: str, service: Service) -> float | None:
    values = [value for seen in looked if (value := seen.value(signal, f"service/{service.name}")) is not None]
    return float(np.mean(values)) if values else None


def _worst(busy: NDArray[np.float64], looked: Sequence[Observation], ahead: timedelta) -> float:
    """Return the most load to reckon with until a replica that was taken away could be back."""
    at = np.array([(seen.at - looked[-1].at).total_seconds() for seen in looked])
    slope, level = np.polyfit(at, busy, 1) if len(set(at)) > 1 else (0.0, float(busy[-1]))
    scatter = float(np.std(busy - (level + slope * at)))
    return max(float(busy.max()), float(level) + max(float(slope), 0.0) * ahead.total_seconds() + SCATTER * scatter)


def _broken(objective: Objective, name: str, seen: Observation) -> bool:
    value = seen.value(objective.signal, f"service/{name}")
    return value is not None and value > objective.target


def _promise(objective: Objective, name: str, looked: Sequence[Observation], strain: Strain) -> tuple[bool, str]:
    """Return whether one objective will hold, and why. What has nothing to do with capacity is not asked about."""
    signal, entity = objective.signal, f"service/{name}"
    if signal not in TIMES or objective.bound != "below":
        return True, ""
    values = [value for seen in looked if (value := seen.value(signal, entity)) is not None]
    if not values:
        return False, f"{signal} is NO DATA"
    value, most = float(np.quantile(values, QUANTILE)), objective.target * (1 - MARGIN)
    then = value * strain.stretch + strain.wait
    sign = "<=" if then <= most else ">"
    more = f" + {strain.wait:.2g}" if strain.wait >= 0.005 else ""
    return then <= most, f"{signal} {value:.3g} x {strain.stretch:.2f}{more} = {then:.3g} s {sign} {most:.3g} s"


def _loading(scene: Scene, service: str) -> timedelta:
    """Return how long the newest replicas took to become ready, as far as that was seen."""
    ready: dict[str, timedelta] = {}
    first = scene.history[0].at
    for seen in scene.history:
        for each in seen.topology.of(service):
            if each.ready and each.started_at >= first:
                ready.setdefault(each.name, seen.at - each.started_at)
    return max(ready.values(), default=LOADING)


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.0f} s"
