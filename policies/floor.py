"""Floors: no act of ours takes a service below its least number of ready replicas. Looked at right before the act."""

from collections.abc import Callable

from config.fleet import Fleet
from policies.authority import Grant
from policies.decision import Reason
from tools.action import Action, EvictReplica, SetReplicas

Ready = Callable[[str, str], tuple[int, int] | None]
"""A service's ready replicas now, and those beside one of them; None: not known."""


def floor_check(fleet: Fleet, ready: Ready, dead: frozenset[str]) -> Callable[[Action, Grant], Reason | None]:
    """Return a check for the gate. Where ``ready`` does not know, nothing goes.

    What is not ready takes nothing away, and ``dead`` are the faults in which the replica that the plan evicts serves
    nobody, whatever it says of itself.
    """
    floors = {service.name: service.min_replicas for service in fleet.services}

    def check(action: Action, grant: Grant) -> Reason | None:
        match action:
            case SetReplicas(service=name, replicas=wanted):
                return _below(name, wanted, floors.get(name, 1))
            case EvictReplica(service=name, replica=replica):
                if name == grant.plan.service and grant.plan.fault in dead:
                    return None
                known = ready(name, replica)
                if known is None:
                    return Reason(rule="floor", text=f"how many replicas of {name} are ready is not known")
                now, left = known
                return _below(name, left, floors.get(name, 1)) if left < now else None
            case _:
                return None

    return check


def _below(service: str, left: int, floor: int) -> Reason | None:
    return Reason(rule="floor", text=f"{service} would keep {left} replicas < {floor}") if left < floor else None
