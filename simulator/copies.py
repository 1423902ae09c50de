"""The fleet of the month: the demo fleet five times over, forty services that lean on each other within each copy."""

from collections.abc import Iterator

from config.fleet import Fleet, Service

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
            }
            yield service.model_copy(update=changed)
