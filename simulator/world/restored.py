"""What must be so, beyond every objective, for a fault to be healed: the cause is gone, not only what users feel."""

from simulator.world.body import Body
from simulator.world.pods import Effect
from simulator.world.script import Condition


def restored(condition: Condition, service: str, brought: frozenset[str], body: Body) -> bool:
    """Say whether a condition holds for a service now. ``brought``: versions that the scenario promoted."""
    workload = body.pods.workloads.get(service)
    match condition:
        case "revision_sound":
            return workload is None or workload.effects.get(workload.current, Effect()) == Effect()
        case "champion_sound":
            return body.quality.alias(body.services[service].model, "champion") not in brought
        case "replicas_sound":
            return not any(pod.hung or pod.crashing for pod in body.pods.of(service))
