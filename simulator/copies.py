"""A fleet several times over, whose services lean on each other within each copy: for the month, and for long quiet."""

from collections.abc import Iterator

from config.fleet import Fleet, Service, ServiceKind
from simulator.world.script import Mutation, Scenario

COPIES = 5


def copies(fleet: Fleet, count: int = COPIES) -> Fleet:
    """Return a fleet of so many copies; ``chat`` becomes ``chat-1``, ``chat-2`` and so on."""
    return Fleet(services=tuple(_copied(fleet, count)))


def _copied(fleet: Fleet, count: int) -> Iterator[Service]:
    for number in range(1, count + 1):
        for service in fleet.services:
            changed = {
                "name": f"{service.name}-{number}",
                "model": service.model and f"{service.model}-{number}",
                "depends_on": tuple(f"{name}-{number}" for name in service.depends_on),
                "shares_gpus_of": service.shares_gpus_of and f"{service.shares_gpus_of}-{number}",
            }
            yield service.model_copy(update=changed)


def everywhere(scenario: Scenario, count: int) -> Scenario:
    """Return a scenario for so many copies: what has targets of its own comes to each copy, the rest to one service."""
    mutations = tuple(each for mutation in scenario.mutations for each in _spread(mutation, count))
    target = tuple(f"{name}-{number}" for number in range(1, count + 1) for name in scenario.target)
    return scenario.model_copy(update={"mutations": mutations, "target": target})


def _spread(mutation: Mutation, count: int) -> Iterator[Mutation]:
    if not mutation.target:
        yield mutation
        return
    for number in range(1, count + 1):
        yield mutation.model_copy(update={"target": tuple(f"{name}-{number}" for name in mutation.target)})


def with_batch(fleet: Fleet) -> Fleet:
    """Return the fleet with batch work beside every service that holds GPUs; ``chat-1-batch`` beside ``chat-1``."""
    holders = [s for s in fleet.services if s.kind in (ServiceKind.LANGUAGE, ServiceKind.TABULAR)]
    beside = tuple(
        Service(
            name=f"{host.name}-batch",
            kind=ServiceKind.BATCH,
            environment=host.environment,
            shares_gpus_of=host.name,
            min_replicas=1,
            max_replicas=host.max_replicas,
        )
        for host in holders
    )
    return Fleet(services=(*fleet.services, *beside))
