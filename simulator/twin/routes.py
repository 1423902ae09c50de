"""The twin's HTTPRoutes: what a change of their weights means in the world, which knows vendors and versions alone."""

from collections.abc import Iterator

from config.fleet import Service
from simulator.twin.objects import Json, Key, backends_of, has_model, route_of
from simulator.twin.status import StatusError
from simulator.world.body import Body
from tools.action import Action, SetSplit


class TwinRoutes:
    """Reads routes. ``beside``: the per cent that the candidate's backend of a service gets, kept here."""

    def __init__(self, body: Body, beside: dict[str, int]) -> None:
        self._body, self._beside = body, beside

    def diverted(self, key: Key, before: Json, after: Json) -> list[Action]:
        """Return how the world is to divide calls or requests: of a route, the weights alone can be changed."""
        refs, wanted = (_weighed(spec) for spec in (before, after))
        if list(refs) != list(wanted) or not sum(wanted.values()):
            raise StatusError(422, "Invalid", "the twin changes weights of a route, and not all of them to 0")
        if refs == wanted:
            return []
        service = next(self._of(key))
        if not service.vendors:
            return self._shown(service, wanted)
        first, *rest = [(name.removeprefix(f"{service.name}-"), weight) for name, weight in wanted.items()]
        parts = {name: round(100 * weight / sum(wanted.values())) for name, weight in rest}
        return [SetSplit(service=service.name, weights={first[0]: 100 - sum(parts.values()), **parts})]

    def keep(self, key: Key, wanted: Json) -> None:
        """Keep how a route divides requests between two backends."""
        if key[0] == "httproutes" and (weights := _weighed(wanted.get("spec", {}))):
            for service in self._of(key):
                if not service.vendors:
                    self._beside[service.name] = _candidate_share(service, weights)

    def _of(self, key: Key) -> Iterator[Service]:
        """Yield the services of a route."""
        for service in self._body.services.values():
            if (service.namespace, route_of(service)) == key[1:] and (
                service.vendors or has_model(self._body, service)
            ):
                yield service

    def _shown(self, service: Service, wanted: dict[str, int]) -> list[Action]:
        """Return which versions are to answer: those that the aliases of both backends point at."""
        share = _candidate_share(service, wanted)
        champion, candidate = (self._body.quality.alias(service.model, name) for name in ("champion", "candidate"))
        if share and not candidate:
            raise StatusError(422, "Invalid", f"nothing is loaded behind {backends_of(service)[1]}")
        if champion == candidate or not candidate:
            return []
        return [SetSplit(service=service.name, weights={champion: 100 - share, candidate: share})]


def _candidate_share(service: Service, weights: dict[str, int]) -> int:
    return round(100 * weights[backends_of(service)[1]] / sum(weights.values()))


def _weighed(spec: Json) -> dict[str, int]:
    """Return the weights of the one rule of a route; empty where it has another form."""
    match spec.get("rules"):
        case [{"backendRefs": [*refs]}]:
            return {str(ref.get("name")): int(ref.get("weight", 1)) for ref in refs}
        case _:
            return {}
