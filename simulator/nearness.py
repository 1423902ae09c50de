"""How far from the truth a diagnosis pointed: a replica of the sick service is nearer than somebody else's GPU."""

from agent.correlate import upstream
from config.fleet import Fleet
from simulator.world.ledger import Happened

FAR = 3  # steps: nothing that is known links the two


def steps(named: str, happened: Happened, fleet: Fleet) -> int:
    """Return the steps from a named entity to the true one: 0 the same, 1 of the same service or machine.

    2: of a service that leans on the true one's, or on which it leans. 3: farther. What sits on a sick machine is one
    step from it: ``happened`` says whom it carries.
    """
    if named == happened.entity:
        return 0
    mine, true = _places(named), _places(happened.entity) | {f"service/{happened.service}"}
    if happened.entity.startswith(("node/", "gpu/")):
        true |= {f"service/{name}" for name in happened.beside}
    if mine & true:
        return 1
    known = {service.name for service in fleet.services}
    services = [{place.removeprefix("service/") for place in places} & known for places in (mine, true)]
    return 2 if any(_linked(a, b, fleet) for a in services[0] for b in services[1]) else FAR


def _places(entity: str) -> set[str]:
    """Return what an entity is part of: its service, or its machine; of a service itself."""
    kind, _, rest = entity.partition("/")
    owner = rest.split("/")[0]
    match kind:
        case "node" | "gpu":
            return {f"node/{owner}"}
        case _:
            return {f"service/{owner}"}


def _linked(one: str, other: str, fleet: Fleet) -> bool:
    return one in upstream(fleet.service(other), fleet) or other in upstream(fleet.service(one), fleet)
