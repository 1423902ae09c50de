"""Looking at capacity and error budget once more, right before a step that takes a working replica away."""

from collections.abc import Callable
from datetime import timedelta

from agent.budget import overspent
from agent.capacity import ready_of
from agent.headroom import headroom
from agent.moving import dead, useless
from agent.observe import Scene
from config.fleet import ServiceKind
from policies.authority import Grant
from policies.decision import Reason, Verdict
from policies.gate import GrantCheck
from tools.action import Action, EvictReplica, SetReplicas
from tools.errors import Transient

WAIT = timedelta(minutes=4)  # by then a new process has looked often enough


def capacity_check(look: Callable[[], Scene | None]) -> GrantCheck:
    """Return a check for the gate: what was decided some looks ago has to be true of the newest one, if there is any.

    What a person said yes to, having read the arithmetic, is not held up. Where what goes is sick, an overspent error
    budget is a ground to go on.
    """

    def check(action: Action, grant: Grant) -> Reason | None:
        scene = look() if grant.decision.verdict is Verdict.ALLOW else None
        if scene and scene.fleet.service(grant.plan.service).kind is ServiceKind.BATCH:
            return None  # what it gives back is nobody's capacity
        left = _left(action, grant, scene) if scene else None
        if scene is None or left is None:
            return None
        name, count = left
        service, moving = scene.fleet.service(name), grant.plan.fault in dead()
        if not moving and (text := overspent(scene, service)):
            return Reason(rule="error-budget", text=text)
        shown = headroom(scene, service, count, moving=moving)
        if shown.early:  # no ground to fail a plan that was proven before: look a while, then go on
            raise Transient(shown.text, WAIT)
        return None if shown.proven else Reason(rule="capacity-proof", text=shown.text)

    return check


def _left(action: Action, grant: Grant, scene: Scene) -> tuple[str, int] | None:
    """Return the service from which an action takes working replicas, and how many ready ones it leaves."""
    match action:
        case EvictReplica(service=name, replica=replica):
            fault = (grant.plan.fault, grant.plan.service)
            return None if useless((name, replica), fault, scene) else (name, ready_of(scene.observation, name) - 1)
        case SetReplicas(service=name, replicas=count) if count < ready_of(scene.observation, name):
            return name, count
        case _:
            return None
