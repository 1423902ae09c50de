"""Which replicas do work: what answers nobody takes no capacity away when it goes. NO DATA counts as working."""

from agent.observe import Observation
from tools.topology import Topology

FAILING = 0.9  # share of a replica's answers that are errors, from which on it does no good
SILENT = 0.0  # requests answered per second


def idle_replicas(seen: Observation, service: str) -> frozenset[str]:
    """Return the replicas that do no good: not ready, on a node that is not, hung, or failing what they get."""
    topology = seen.topology
    down = {node.name for node in topology.nodes if not node.ready}
    return frozenset(
        each.name
        for each in topology.of(service)
        if not each.ready or each.node in down or _silent(seen, service, each.name)
    )


def has_work(seen: Observation, entity: str) -> bool:
    """Tell whether a replica, as ``replica/service/name``, holds requests or stands beside others that are asked."""
    held = (seen.value("replica_running", entity) or 0) + (seen.value("replica_waiting", entity) or 0)
    service = entity.split("/")[1]
    return held > 0 or (seen.value("requests", f"service/{service}") or 0) > 0.5


def working_of(seen: Observation, service: str) -> int:
    """Return how many ready replicas do work; what the cluster counts and does not list is taken to work."""
    deployment = seen.topology.deployment(service)
    if deployment is None:
        return 0
    idle = idle_replicas(seen, service)
    ready = {each.name for each in seen.topology.of(service) if each.ready}
    return max(deployment.ready - len(ready & idle), 0)


def ready_beside(topology: Topology, service: str, replica: str) -> tuple[int, int] | None:
    """Return how many replicas of a service are ready, and how many beside this one; None where that is not known.

    One that is gone, not ready or on a node that is not ready takes nothing away.
    """
    deployment = topology.deployment(service)
    if deployment is None:
        return None
    nodes = {node.name for node in topology.nodes if not node.ready}
    there = any(each.name == replica and each.ready and each.node not in nodes for each in topology.of(service))
    return deployment.ready, deployment.ready - there


def _silent(seen: Observation, service: str, replica: str) -> bool:
    entity = f"replica/{service}/{replica}"
    answered, errors = seen.value("replica_requests", entity), seen.value("replica_error_ratio", entity)
    if errors is not None and errors >= FAILING:
        return True
    asked = seen.value("requests", f"service/{service}")
    waiting, steps = seen.value("replica_waiting", entity), seen.value("engine_steps", entity)
    if waiting and steps == SILENT:
        return True  # its engine stands still while requests wait
    return answered == SILENT and bool(asked) and bool(waiting)
