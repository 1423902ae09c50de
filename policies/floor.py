"""Floors: no act of ours takes a service below its least number of ready replicas. Looked at right before the act."""

from collections.abc import Callable

from config.fleet import Fleet
from policies.authority import Grant
from policies.decision import Reason
from tools.action import Action, EvictReplica, SetReplicas


def floor_check(
    fleet: Fleet, ready: Callable[[str], int | None], dead: frozenset[str]
) -> Callable[[Action, Grant], Reason | None]:
    """Return a check for the gate. ``ready`` counts a service's ready replicas now; None: not known, so nothing goes.

    ``dead`` are the faults in which the replica that the plan evicts serves nobody, whatever it says of itself.
    """
    floors = {service.name: service.min_replicas for service in fleet.services}

    def check(action: Action, grant: Grant) -> Reason | None:
        match action:
            case SetReplicas(service=name, replicas=left):
                return _below(name, left, floors.get(name, 1))
            case EvictReplica(service=name):
                if name == grant.plan.service and grant.plan.fault in dead:
                    return None
                now = ready(name)
                if now is None:
                    return Reason(rule="floor", text=f"how many replicas of {name} are ready is not known")
                return _below(name, now - 1, floors.get(name, 1))
            case _:
                return None

    return check


def _below(service: str, left: int, floor: int) -> Reason | None:
    return Reason(rule="floor", text=f"{service} would keep {left} replicas < {floor}") if left < floor else None
