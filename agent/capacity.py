"""Capacity arithmetic: how much of what is ready is used, and how many replicas a load wants."""

import math
from collections.abc import Sequence
from datetime import timedelta

from agent.observe import Observation
from config.fleet import Service

TARGET = 0.6  # use of a replica that leaves room for its neighbour's share
MOST_AT_ONCE = 2  # times the present replicas in one plan: a queue says more than the load that will stay
KNOWN_FOR = timedelta(minutes=30)  # after a measure of the load was lost, what it said last still says something
LATELY = timedelta(minutes=5)  # of what it said last, the most of so long counts
CAUTION = 1.1  # nobody says that requests got no heavier since
FULL = 0.85  # of the cache, or of a replica's time: no room is left
PREEMPTING = 0.9  # a cache so full makes requests wait


def use_of(observation: Observation, service: Service) -> float | None:
    """Return how much of the ready capacity is used, 1.0 is all of it; None where nothing says so.

    The busiest part counts: computing, or the cache that holds the requests. Requests in the queue count as load.
    """
    entity = f"service/{service.name}"
    busy = observation.value("gpu_utilisation", entity)
    parts = [busy / 100 if busy is not None else None, observation.value("kv_cache", entity)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return max(known) * _queueing(observation, entity)


def measures_of(observation: Observation, service: Service) -> int:
    """Return how many of the parts that may be busy say how much they are."""
    entity = f"service/{service.name}"
    return sum(observation.value(name, entity) is not None for name in ("gpu_utilisation", "kv_cache"))


def use_lately(looked: Sequence[Observation], service: Service) -> float | None:
    """Return the use now; where a measure of it was lost, at least the most of before, grown with traffic since.

    ``looked``: oldest first. None where it was not known within ``KNOWN_FOR`` either, or the traffic is not.
    """
    now = looked[-1]
    use, recent = use_of(now, service), [seen for seen in looked if seen.at > now.at - KNOWN_FOR]
    whole = max(measures_of(seen, service) for seen in recent)
    if measures_of(now, service) == whole:
        return use
    known = [seen for seen in recent if measures_of(seen, service) == whole]
    before = [seen for seen in known if seen.at > known[-1].at - LATELY]
    entity = f"service/{service.name}"
    asked, then = now.value("requests", entity), max(seen.value("requests", entity) or 0.0 for seen in before)
    ready = ready_of(now, service.name)
    if not asked or not then or not ready:
        return None
    busy = max((use_of(seen, service) or 0.0) * ready_of(seen, service.name) for seen in before)
    return max(use or 0.0, CAUTION * max(asked / then, 1.0) * busy / ready)


def _queueing(observation: Observation, entity: str) -> float:
    """Return how much more than what runs is wanted."""
    running, waiting = observation.value("running", entity), observation.value("waiting", entity)
    return 1 + waiting / running if running and waiting else 1.0


def queues(waiting: float, running: float | None) -> bool:
    """Whether more wait than chance lets wait: more than two, and than a tenth of what runs."""
    return waiting > max(2.0, 0.1 * (running or 0.0))


def ready_of(observation: Observation, service: str) -> int:
    """Return how many replicas are ready, as the cluster says."""
    deployment = observation.topology.deployment(service) if observation.topology else None
    return deployment.ready if deployment else 0


def wanted_of(observation: Observation, service: str) -> int:
    """Return how many replicas are wanted."""
    deployment = observation.topology.deployment(service) if observation.topology else None
    return deployment.replicas if deployment else 0


def enough(ready: int, use: float) -> int:
    """Return how many replicas carry at ``TARGET`` what ``ready`` carry at ``use``; at least one."""
    return max(1, math.ceil(ready * use / TARGET - 1e-9))


def more(observation: Observation, service: Service, recent: Sequence[Observation] = (), least: int = 1) -> int | None:
    """Return the replicas that the load wants, at least ``least`` more than now; None where that is not known.

    The most that was used in ``recent`` observations counts as well: queue and cache breathe from tick to tick.
    """
    use, ready, wanted = (
        _peak((*recent, observation), service),
        ready_of(observation, service.name),
        wanted_of(observation, service.name),
    )
    if use is None or not ready or not wanted:
        return None
    fit = sum(node.gpus_free for node in observation.topology.nodes if node.ready and node.schedulable)
    ceiling = min(service.max_replicas, wanted + fit, wanted * MOST_AT_ONCE, affordable(observation, service, wanted))
    count = min(max(enough(ready, use), wanted + least), ceiling)
    return count if count > wanted else None


def _peak(looked: Sequence[Observation], service: Service) -> float | None:
    return max((use for seen in looked if (use := use_of(seen, service)) is not None), default=None)


def affordable(observation: Observation, service: Service, wanted: int) -> int:
    """Return how many replicas the service's budget pays for; its maximum where no budget or no spending is known."""
    spend = observation.value("spend", f"service/{service.name}")
    if not service.hourly_budget or not spend or not wanted:
        return service.max_replicas
    return math.floor(service.hourly_budget * wanted / spend + 1e-9)


def fewer(observation: Observation, service: Service) -> tuple[int, ...]:
    """Return the falling numbers of replicas that still carry the load; empty where there is nothing to give back."""
    use, ready, wanted = (
        use_of(observation, service),
        ready_of(observation, service.name),
        wanted_of(observation, service.name),
    )
    if use is None or not ready:
        return ()
    least = max(service.min_replicas, enough(ready, use))
    return tuple(range(wanted - 1, least - 1, -1))
