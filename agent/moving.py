"""Moving replicas off what is sick: which do no good where they are, and which of their neighbours can be spared."""

from collections import Counter
from collections.abc import Sequence

from agent.capacity import ready_of
from agent.casebook import Case
from agent.headroom import headroom
from agent.observe import Observation, Scene
from agent.working import idle_replicas
from playbooks.faults import shipped_faults

MOST_AWAY = 0.34  # share of a neighbour's ready replicas: moving it is no part of the cure, so it is never worth much
MACHINES = frozenset(("node", "gpu"))  # kinds of entity that a service has left once its replicas are elsewhere
SINGLE = frozenset(("replica", "gpu", "node"))  # scopes of faults in which the replicas at fault do no good work


def dead(*scopes: str) -> frozenset[str]:
    """Return the faults in which single replicas or machines, and all upon them, do no good work."""
    return frozenset(profile.id for profile in shipped_faults() if profile.scope in (scopes or SINGLE))


def useless(replica: tuple[str, str], fault: tuple[str, str], scene: Scene) -> bool:
    """Whether a replica (of a service, by name) does no good, so that its going takes no capacity away.

    So the one at fault (the fault's id, and whose it is), all on a sick node, and whatever is seen to serve nobody.
    """
    service, name = replica
    kind, patient = fault
    at_fault = kind in dead("node") or (service == patient and kind in dead())
    return at_fault or name in idle_replicas(scene.observation, service)


def spared(replicas: Sequence[str], fault: tuple[str, str], scene: Scene) -> tuple[str, ...]:
    """Return the replicas (``service/name``) on a sick node that may go: what does no good, and neighbours to spare.

    A neighbour that cannot be spared works on where it is, by proof or because too much of its service would be away;
    where nothing could be moved, the first is named after all: a person may judge. The ones before it are reckoned to
    be still away.
    """
    moved: list[str] = []
    away: Counter[str] = Counter()
    for each in replicas:
        service, name = each.split("/")
        if not useless((service, name), fault, scene):
            ready = ready_of(scene.observation, service)
            left = ready - away[service] - 1
            if ready - left > MOST_AWAY * ready or not _carried(scene, service, left):
                continue
            away[service] += 1
        moved.append(each)
    return tuple(moved) or tuple(replicas[:1])


def _carried(scene: Scene, service: str, left: int) -> bool:
    return headroom(scene, scene.fleet.service(service), left, moving=True).proven


def node_left(case: Case, seen: Observation) -> str:
    """Return the node of a case's likeliest cause, if nothing of its service is there any more; else nothing.

    Another case has moved what was there, or the cluster has: what is sick there hurts this service no longer, and no
    person need come for it. Where anything could not be read, nobody knows.
    """
    top = case.diagnosis.top if case.diagnosis else None
    kind, _, rest = top.entity.partition("/") if top is not None else ("", "", "")
    node = rest.split("/")[0] if kind in MACHINES and not seen.problems else ""
    return "" if any(replica.service == case.incident.service for replica in seen.topology.on(node)) else node
