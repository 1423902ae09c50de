"""The proof that what remains can carry the load, made before anything takes capacity away.

From live readings: the load, as replicas kept busy, carried on for as long as the proof has to hold (``agent.load``);
beside it, what the leaving replicas run, begun anew on the others; the use of what remains, at most ``MOST_USED``; and
what every promised time becomes (``agent.queueing``), with ``MARGIN`` to spare. Within the window of a reading one look
sees the worst load and the others a high one. A burst comes of longer requests as far as lengths vary, and of more as
far as arrivals do. No data proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from math import inf

import numpy as np

from agent.capacity import ready_of
from agent.load import Load, load_ahead
from agent.observe import Observation, Scene
from agent.queueing import WAIT, Burst, Engine, Server, behind, shown, wait_shown
from agent.readings import Readings, readings_of
from agent.working import working_of
from config.fleet import Objective, Service, ServiceKind
from tools.buckets import edges_of

MOST_USED = 0.97  # beyond, no approximation of a queue is worth much
MARGIN = 0.05  # of a time, before a histogram shows it
LEAST_READINGS = 6
AHEAD = timedelta(minutes=20)  # for which it has to hold: to notice, decide, and have a replica back
LOADING = timedelta(minutes=3)  # of a replica, where none was seen to load
ANEW = 30.0  # seconds within which the others do what the leaving replicas ran
TIMES = frozenset(("ttft_p95", "latency_p95", "latency_mean"))
LENGTHS = {"ttft_p95": "prompt_length"}  # whose length makes a time longer; of any other, the answer's


@dataclass(frozen=True, slots=True)
class Headroom:
    """Whether what remains holds every objective, and the arithmetic. ``use`` is that of the worst case."""

    proven: bool
    text: str
    use: float | None = None
    early: bool = False  # too little was seen yet: a process that has just begun knows no load


@dataclass(frozen=True, slots=True)
class Remains:
    """What has to carry the load: ``left`` of the ``working`` replicas, for ``ahead`` from now on."""

    left: int
    working: int
    ahead: timedelta
    growth: float = 1.0
    slower: float = 1.0


def headroom(
    scene: Scene, service: Service, left: int, *, moving: bool = False, growth: float = 1.0, slower: float = 1.0
) -> Headroom:
    """Return what is known of a service with ``left`` ready replicas; those that do no work carry nothing.

    ``moving``: a sick replica starts again elsewhere. Then it has to hold for as long as a replica takes to load, and
    an objective that does not hold now is no ground against it. ``growth``: how many times the load of now is foretold.
    ``slower``: how many times as long everything will take, because others share the GPUs.
    """
    readings, working = readings_of(scene, service), working_of(scene.observation, service.name)
    if len(readings.looked) < LEAST_READINGS or working < 1:
        said = f"{len(readings.looked)} readings of the load of {service.name}: too few to prove anything"
        return Headroom(False, said, early=True)
    left -= ready_of(scene.observation, service.name) - working
    if left < 1:
        return Headroom(False, f"nothing would be left of {service.name}")
    loads = loading(scene, service.name)
    remains = Remains(left, working, loads if moving else max(AHEAD, loads), growth, slower)
    asked = [each for each in service.objectives if not (moving and _broken(each, service.name, scene.observation))]
    return _carried(readings, remains, asked)


def staged(scene: Scene, service: Service, counts: Sequence[int]) -> tuple[int, ...]:
    """Return the falling counts as far as the proof reaches; where it reaches none, the first: a person may judge."""
    proven = tuple(takewhile(lambda left: headroom(scene, service, left).proven, counts))
    return proven or tuple(counts[:1])


def _carried(readings: Readings, remains: Remains, objectives: Sequence[Objective]) -> Headroom:
    load = load_ahead(readings.busy, readings.at, remains.ahead.total_seconds()).times(remains.growth * remains.slower)
    anew = _anew(readings, load, remains)
    before, after = load.now / remains.working, float(max(load.peak, load.usual + anew) / remains.left)
    again = f" and {anew:.2f} begun anew" if anew >= 0.005 else ""
    head = (
        f"{readings.service.name} {remains.working} > {remains.left}: {load.now:.2f} replicas busy, at worst "
        f"{load.peak:.2f} within {remains.ahead.total_seconds():.0f} s{again}, so use {before:.0%} > {after:.0%}"
    )
    if after > MOST_USED:
        return Headroom(False, f"{head}, more than {MOST_USED:.0%}", after)
    timed = [each.signal for each in objectives if each.signal in TIMES]
    replica = _replica(readings, remains.working, min(before, MOST_USED), timed)
    found = [
        _promise(each, readings, replica, (load, after * remains.left, remains.left, remains.slower))
        for each in objectives
    ]
    said = "; ".join(text for _, text in found if text)
    return Headroom(all(holds for holds, _ in found), f"{head}, at most {MOST_USED:.0%}; {said}".rstrip("; "), after)


def _anew(readings: Readings, load: Load, remains: Remains) -> float:
    """Return how many replicas are kept busy, for a moment, by what the leaving ones ran and others begin anew."""
    running, requests = readings.mean("running"), readings.mean("requests")
    if not running or not requests:
        return 0.0
    gone = max(remains.working - remains.left, 0) / remains.working
    return running * gone * (load.now / requests) / ANEW


def _replica(readings: Readings, working: int, use: float, timed: Sequence[str]) -> Engine | Server:
    """Return a replica as it is now; where an engine does not tell enough, a server is the more careful guess."""
    if readings.service.kind is not ServiceKind.LANGUAGE:
        uses = readings.busy / working
        return Server(use, max((wait_shown(uses, readings.along(each)) for each in timed), default=WAIT))
    known = {name: readings.mean(name) for name in ("running", "kv_cache", "requests", "gpu_utilisation")}
    if not all(known.values()) or use <= 0:
        return Server(use)
    running, cache, requests, compute = known.values()
    answer, tokens = running / requests, readings.mean("answer_length")
    return Engine(
        use,
        arrivals=requests / working,
        answer=answer,
        token=answer / tokens if tokens else 0.0,
        slots=max(1.0, running / working / cache),
        most=max(1.0, compute / 100 / cache),
    )


def _promise(
    objective: Objective, readings: Readings, replica: Engine | Server, worst: tuple[Load, float, int, float]
) -> tuple[bool, str]:
    """Return whether one objective will hold, and why. What has nothing to do with capacity is not asked about."""
    signal = objective.signal
    if signal not in TIMES or objective.bound != "below":
        return True, ""
    values = readings.of(signal)
    if not len(values):
        return False, f"{signal} is NO DATA"
    now, then = float(np.median(values)), _then(signal, readings, replica, worst)
    sign = "<=" if then <= objective.target else ">"
    return then <= objective.target, f"{signal} {now:.3g} s, at worst {then:.3g} s {sign} {objective.target:.3g} s"


def _then(signal: str, readings: Readings, replica: Engine | Server, worst: tuple[Load, float, int, float]) -> float:
    """Return what a reading becomes whose window holds one look at the worst load."""
    load, peak, left, slower = worst
    now, edges, one = float(np.median(readings.of(signal))), edges_of(signal), readings.look_share
    longer = readings.longer_share(LENGTHS.get(signal, "answer_length"))
    bursts = [
        Burst(each / left, 1 + longer * max(0.0, each / load.grown - 1) if load.grown else 1.0)
        for each in (peak, load.usual)
    ]
    times = [(1 + MARGIN) * slower * replica.then(signal, behind(now, edges), burst) for burst in bursts]
    if edges:
        return shown(times, [one, 1 - one], edges)
    return one * times[0] + (1 - one) * times[1] if max(times) < inf else inf


def _broken(objective: Objective, name: str, seen: Observation) -> bool:
    value = seen.value(objective.signal, f"service/{name}")
    return value is not None and value > objective.target


def loading(scene: Scene, service: str) -> timedelta:
    """Return how long the newest replicas took to become ready, as far as that was seen."""
    ready: dict[str, timedelta] = {}
    first = scene.history[0].at
    for seen in scene.history:
        for each in seen.topology.of(service):
            if each.ready and each.started_at >= first:
                ready.setdefault(each.name, seen.at - each.started_at)
    return max(ready.values(), default=LOADING)
