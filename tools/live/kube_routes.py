"""Dividing traffic over an API server: one verb (``set_split``), written into the weights of a Gateway API HTTPRoute.

A service names its route; the route's backends are named as the weights are: for calls to vendors by vendor, either
bare or behind the service's name (``acme``, ``translate-acme``). Fields and their defaults:
https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRouteSpec, BackendRef).
"""

from collections.abc import Iterator, Mapping

from config.fleet import Fleet
from tools.action import Action, Operation, Preimage, Receipt, SetSplit
from tools.clock import Clock
from tools.errors import Malformed, Refused
from tools.lease import TargetLeases
from tools.live import kube_shape
from tools.live.kube_api import Json, KubeApi
from tools.live.kube_stamp import Stamps
from tools.live.kube_writing import Target, Write, Writer, insist, opened, receipt
from tools.records import Split

GROUP = "gateway.networking.k8s.io"
Weights = Mapping[str, int]


# -- what a route means ------------------------------------------------------------------------------------------------
def shares(item: Json, service: str) -> dict[str, int]:
    """Return what each backend of a route gets, per cent, rounded so that they sum to 100.

    ``Refused`` where that cannot be said in one breath: rules that divide differently, a backend that is named twice.

    >>> refs = [{"name": "chat-acme", "weight": 3}, {"name": "umbra"}]
    >>> shares({"metadata": {"name": "chat"}, "spec": {"rules": [{"backendRefs": refs}]}}, "chat")
    {'acme': 75, 'umbra': 25}
    """
    name, found = item["metadata"]["name"], [_weights(rule, service) for rule in _rules(item)]
    if not found:
        raise Refused(f"route {name} names no backend")
    if any(_percent(each) != _percent(found[0]) for each in found):
        raise Refused(f"the rules of route {name} divide traffic differently")
    return _percent(found[0])


def _rules(item: Json) -> list[list[Json]]:
    """Return the backends of each rule that has any; one that only redirects has none."""
    try:
        return [refs for rule in item["spec"].get("rules") or () if (refs := list(rule.get("backendRefs") or ()))]
    except (AttributeError, KeyError, TypeError) as error:
        raise Malformed(f"Kubernetes: a route that cannot be read: {error}") from error


def _weights(refs: list[Json], service: str) -> dict[str, int]:
    """Return the weight of each backend of a rule: 1 where none is written."""
    try:
        pairs = [(_called(ref, service), int(ref.get("weight", 1))) for ref in refs]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Malformed(f"Kubernetes: a backend that cannot be read: {error}") from error
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused(f"{service}: a rule of its route names one backend twice")
    return dict(pairs)


def _called(ref: Json, service: str) -> str:
    return str(ref["name"]).removeprefix(f"{service}-")


def _percent(weights: Weights) -> dict[str, int]:
    """Return shares by the largest remainder; all 0 where nothing gets anything."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    down = {name: weight * 100 // whole for name, weight in weights.items()}
    by_rest = sorted(weights, key=lambda name: -(weights[name] * 100 % whole))
    for name in by_rest[: 100 - sum(down.values())]:
        down[name] += 1
    return down


def accepted(item: Json) -> bool:
    """Whether any gateway says that it serves the route."""
    parents = (item.get("status") or {}).get("parents") or ()
    conditions = [each for parent in parents for each in parent.get("conditions") or ()]
    return any(each.get("type") == "Accepted" and each.get("status") == "True" for each in conditions)


class Routes:
    """Reads the routes that services name."""

    def __init__(self, api: KubeApi, fleet: Fleet) -> None:
        self._api = api
        self._services = {service.name: service for service in fleet.services if service.route}

    def path(self, service: str) -> str:
        """Return where the route of a service lies."""
        if service not in self._services:
            raise Refused(f"{service} names no route that divides its traffic")
        found = self._services[service]
        return f"/apis/{self._api.group(GROUP)}/namespaces/{found.namespace}/httproutes/{found.route}"

    def read(self, service: str) -> Json:
        """Return the route of a service."""
        return self._api.get(self.path(service))

    def split(self, service: str) -> Split | None:
        """Return how the traffic of a service is divided now; None where no route is named, or it leads nowhere."""
        if service not in self._services:
            return None
        found = shares(self.read(service), service)
        return Split(service=service, weights=found) if sum(found.values()) == 100 else None


# -- hands -------------------------------------------------------------------------------------------------------------
class RouteActuator:
    """Implements ``tools.ports.Actuator`` for traffic. To be wrapped by the gate before anybody sees it."""

    def __init__(self, api: KubeApi, fleet: Fleet, clock: Clock, leases: TargetLeases | None = None) -> None:
        self._routes, self._writer = Routes(api, fleet), Writer(api, clock, leases)

    @property
    def verbs(self) -> frozenset[str]:
        """Dividing traffic."""
        return frozenset({"set_split"})

    def preimage(self, action: Action) -> Preimage:
        """Read how traffic is divided, and how to divide it so again: in whole per cent."""
        known = _ours(action)
        before = shares(self._routes.read(known.service), known.service)
        inverse = SetSplit(service=known.service, weights=before) if sum(before.values()) == 100 else None
        return Preimage(state=_told(before), inverse=inverse)

    def rehearse(self, action: Action) -> str:
        """Have the API server judge the very patch, as a dry run."""
        known = _ours(action)
        return insist(lambda: self._writer.send(self._plan(known), dry_run=True))

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once: an operation that has left its mark is answered from it."""
        known = _ours(action)
        return insist(lambda: self._writer.stamped(self._plan(known), _target(known), operation))

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what the route remembers of an operation; None when it certainly did not happen."""
        known = _ours(action)
        item = self._routes.read(known.service)
        mark = Stamps.of(item).find(operation)
        return None if mark is None else receipt(mark, _told(_whole(known, shares(item, known.service))))

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write to the route: whatever is still on its way was decided on an older version, or bears a lower epoch."""
        known = _ours(action)
        return insist(lambda: self._fenced(known, operation))

    def _fenced(self, action: SetSplit, operation: Operation) -> Receipt | None:
        item = self._routes.read(action.service)
        mark = self._writer.fenced(self._routes.path(action.service), item, _target(action), operation)
        return None if mark is None else receipt(mark, _told(_whole(action, shares(item, action.service))))

    def _plan(self, action: SetSplit) -> Write:
        name, item = action.service, self._routes.read(action.service)
        before = shares(item, name)
        if unknown := sorted(set(action.weights) - set(before)):
            raise Refused(f"the route of {name} has no backend {', '.join(unknown)}")
        if not accepted(item):
            raise Refused(f"no gateway has accepted route {item['metadata']['name']}: its weights move nothing")
        opened(item)
        if others := kube_shape.owners(item, ()):
            raise Refused(f"route {item['metadata']['name']} is in the hands of {', '.join(others)}")
        after = _whole(action, before)
        words = f"{name} would be split {_said(after)} instead of {_said(before)}"
        return Write(
            self._routes.path(name), item, list(_changes(item, name, after)), "json", words, _told(before), _told(after)
        )


def _whole(action: SetSplit, before: Weights) -> dict[str, int]:
    """Return what each backend is to get: nothing where the action does not name it."""
    return {name: action.weights.get(name, 0) for name in before}


def _changes(item: Json, service: str, after: Weights) -> Iterator[Json]:
    """Yield one operation of a JSON patch for every backend of every rule."""
    for i, rule in enumerate(item["spec"]["rules"]):
        for j, ref in enumerate(rule.get("backendRefs") or ()):
            path = f"/spec/rules/{i}/backendRefs/{j}/weight"
            yield {"op": "add", "path": path, "value": after[_called(ref, service)]}  # "add" replaces what is there


def _told(weights: Weights) -> dict[str, str]:
    return {name: str(share) for name, share in weights.items()}


def _said(weights: Weights) -> str:
    return ", ".join(f"{name} {share} %" for name, share in weights.items())


def _target(action: SetSplit) -> Target:
    return Target(f"service/{action.service}", action.verb)


def _ours(action: Action) -> SetSplit:
    if isinstance(action, SetSplit):
        return action
    raise Refused(f"a route does not {action.verb}")
