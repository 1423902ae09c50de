"""Dividing traffic over an API server: one verb (``set_split``), written into the weights of a Gateway API HTTPRoute.

A service names its route; the route's backends are named as the weights are: for calls to vendors by vendor, either
bare or behind the service's name (``acme``, ``translate-acme``). Between two versions of a model one backend follows
the registry's alias ``champion`` and one the alias ``candidate``, and a backend is called as the version is that its
alias points at. Fields and their defaults: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRouteSpec, BackendRef).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from config.fleet import Fleet
from tools.action import Action, Operation, Preimage, Receipt, SetSplit
from tools.clock import Clock
from tools.errors import Malformed, Refused
from tools.lease import TargetLeases
from tools.live import kube_shape
from tools.live.kube_api import Json, KubeApi
from tools.live.kube_stamp import Stamps
from tools.live.kube_writing import Target, Write, Writer, insist, opened, receipt
from tools.ports import Registry
from tools.records import Split

GROUP = "gateway.networking.k8s.io"
CHAMPION, CANDIDATE = "champion", "candidate"  # aliases; the second is also what a backend without a version is called
Weights = Mapping[str, int]
Called = Mapping[str, str]  # backends of a route by what weights call them; empty: as vendors are


# -- what a route means ------------------------------------------------------------------------------------------------
def shares(item: Json, service: str, called: Called = MappingProxyType({})) -> dict[str, int]:
    """Return what each backend of a route gets, per cent, rounded so that they sum to 100.

    ``Refused`` where that cannot be said in one breath: rules that divide differently, a backend that is named twice.

    >>> refs = [{"name": "chat-acme", "weight": 3}, {"name": "umbra"}]
    >>> shares({"metadata": {"name": "chat"}, "spec": {"rules": [{"backendRefs": refs}]}}, "chat")
    {'acme': 75, 'umbra': 25}
    """
    name, found = item["metadata"]["name"], [_weights(rule, service, called) for rule in _rules(item)]
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


def _weights(refs: list[Json], service: str, called: Called) -> dict[str, int]:
    """Return the weight of each backend of a rule: 1 where none is written."""
    try:
        pairs = [(_called(ref, service, called), int(ref.get("weight", 1))) for ref in refs]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Malformed(f"Kubernetes: a backend that cannot be read: {error}") from error
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused(f"{service}: a rule of its route names one backend twice")
    return dict(pairs)


def _called(ref: Json, service: str, called: Called) -> str:
    name = str(ref["name"])
    if called and name not in called:
        raise Refused(f"{service}: its route has a backend {name} that serves neither champion nor candidate")
    return called[name] if called else name.removeprefix(f"{service}-")


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

    def __init__(self, api: KubeApi, fleet: Fleet, registry: Registry | None = None) -> None:
        self._api, self._registry = api, registry
        self._services = {service.name: service for service in fleet.services if service.route}

    def path(self, service: str) -> str:
        """Return where the route of a service lies."""
        if service not in self._services:
            raise Refused(f"{service} names no route that divides its traffic: fleet.services, route")
        found = self._services[service]
        return f"/apis/{self._api.group(GROUP)}/namespaces/{found.namespace}/httproutes/{found.route}"

    def read(self, service: str) -> Json:
        """Return the route of a service."""
        return self._api.get(self.path(service))

    def called(self, service: str) -> Called:
        """Return what the backends of a service are called: as the versions that they serve, or as vendors are."""
        found = self._services.get(service)
        if found is None or found.versions is None:
            return {}
        if self._registry is None:
            raise Refused(f"{service}: no model registry is configured: registry.url")
        aliases = self._registry.model(found.model).aliases
        if not (champion := aliases.get(CHAMPION, "")):
            raise Refused(f"model {found.model} has no alias {CHAMPION}")
        candidate = aliases.get(CANDIDATE, "")
        other = CANDIDATE if candidate in ("", champion) else candidate  # one that serves the same bears no other name
        return {found.versions.champion: champion, found.versions.candidate: other}

    def shares(self, service: str, item: Json) -> dict[str, int]:
        """Return what each backend of a service's route gets, per cent, by what they are called."""
        return shares(item, service, self.called(service))

    def candidate_share(self, service: str) -> int:
        """Return the per cent of requests that the candidate's backend of a service gets."""
        found, called = self._services.get(service), self.called(service)
        if found is None or found.versions is None:
            raise Refused(f"no versions of {service} are configured: fleet.services, versions.candidate")
        return self.shares(service, self.read(service)).get(called[found.versions.candidate], 0)

    def champion(self, service: str) -> str:
        """Return what the champion's backend of a service is called."""
        found, called = self._services[service], self.called(service)
        return called[found.versions.champion] if found.versions else ""

    def ready(self, service: str) -> dict[str, int]:
        """Return the ready replicas behind each backend, by what that is called; empty where none are ours."""
        found = self._services[service]
        if found.versions is None:
            return {}
        behind = {found.versions.champion: found.workload, found.versions.candidate: found.versions.workload}
        called = self.called(service)
        return {called[backend]: self._ready(found.namespace, name) for backend, name in behind.items()}

    def _ready(self, namespace: str, workload: str) -> int:
        item = self._api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{workload}")
        return int((item.get("status") or {}).get("readyReplicas") or 0)

    def split(self, service: str) -> Split | None:
        """Return how the traffic of a service is divided now; None where no route is named, or it leads nowhere."""
        if service not in self._services:
            return None
        found = self.shares(service, self.read(service))
        return Split(service=service, weights=found) if sum(found.values()) == 100 else None


# -- hands -------------------------------------------------------------------------------------------------------------
class RouteActuator:
    """Implements ``tools.ports.Actuator`` for traffic. To be wrapped by the gate before anybody sees it."""

    def __init__(
        self,
        api: KubeApi,
        fleet: Fleet,
        clock: Clock,
        leases: TargetLeases | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.routes, self._writer = Routes(api, fleet, registry), Writer(api, clock, leases)

    @property
    def verbs(self) -> frozenset[str]:
        """Dividing traffic."""
        return frozenset({"set_split"})

    def preimage(self, action: Action) -> Preimage:
        """Read how traffic is divided, and how to divide it so again: in whole per cent."""
        known = _ours(action)
        before = self.routes.shares(known.service, self.routes.read(known.service))
        inverse = SetSplit(service=known.service, weights=before) if sum(before.values()) == 100 else None
        return Preimage(state=_told(before), inverse=inverse)

    def rehearse(self, action: Action) -> str:
        """Have the API server judge the very patch, as a dry run."""
        known = _ours(action)
        return insist(lambda: self._writer.send(self._plan(known, undo=False), dry_run=True))

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once: an operation that has left its mark is answered from it."""
        known = _ours(action)
        undo = operation.undo is True
        return insist(lambda: self._writer.stamped(self._plan(known, undo=undo), _target(known), operation))

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what the route remembers of an operation; None when it certainly did not happen."""
        known = _ours(action)
        item = self.routes.read(known.service)
        mark = Stamps.of(item).find(operation)
        return None if mark is None else receipt(mark, _told(_whole(known, self.routes.shares(known.service, item))))

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write to the route: whatever is still on its way was decided on an older version, or bears a lower epoch."""
        known = _ours(action)
        return insist(lambda: self._fenced(known, operation))

    def _fenced(self, action: SetSplit, operation: Operation) -> Receipt | None:
        item = self.routes.read(action.service)
        mark = self._writer.fenced(self.routes.path(action.service), item, _target(action), operation)
        return None if mark is None else receipt(mark, _told(_whole(action, self.routes.shares(action.service, item))))

    def _plan(self, action: SetSplit, *, undo: bool) -> Write:
        name, item, called = action.service, self.routes.read(action.service), self.routes.called(action.service)
        before = shares(item, name, called)
        if unknown := sorted(set(action.weights) - set(before)):
            hint = "" if called else "; between versions of a model it divides where versions.candidate is named"
            raise Refused(f"the route of {name} has no backend {', '.join(unknown)}{hint}")
        if not accepted(item):
            raise Refused(f"no gateway has accepted route {item['metadata']['name']}: its weights move nothing")
        opened(item)
        if others := kube_shape.owners(item, ()):
            raise Refused(f"route {item['metadata']['name']} is in the hands of {', '.join(others)}")
        after = _whole(action, before)
        if not undo and (short := overloaded(before, after, self.routes.ready(name))):
            raise Refused(f"{name}: {short}")
        words = f"{name} would be split {_said(after)} instead of {_said(before)}"
        body, states = list(_changes(item, name, after, called)), (_told(before), _told(after))
        return Write(self.routes.path(name), item, body, "json", words, *states)


def overloaded(before: Weights, after: Weights, ready: Weights) -> str:
    """Return which backend would get more than its replicas carry: as many for a share as whoever carries most has.

    Nothing is asked of a backend whose share does not rise. Empty: each has enough, or replicas are not known.

    >>> overloaded({"2": 100, "p-1": 0}, {"2": 75, "p-1": 25}, {"2": 8, "p-1": 1})
    'p-1 has 1 ready replicas, and 2 are wanted for 25 %'
    """
    if not ready:
        return ""
    most = ready[max(before, key=lambda name: before[name])]
    for name, share in after.items():
        wanted = -(-most * share // 100)
        if share > before[name] and ready[name] < max(wanted, 1):
            return f"{name} has {ready[name]} ready replicas, and {max(wanted, 1)} are wanted for {share} %"
    return ""


def _whole(action: SetSplit, before: Weights) -> dict[str, int]:
    """Return what each backend is to get: nothing where the action does not name it."""
    return {name: action.weights.get(name, 0) for name in before}


def _changes(item: Json, service: str, after: Weights, called: Called) -> Iterator[Json]:
    """Yield one operation of a JSON patch for every backend of every rule."""
    for i, rule in enumerate(item["spec"]["rules"]):
        for j, ref in enumerate(rule.get("backendRefs") or ()):
            path = f"/spec/rules/{i}/backendRefs/{j}/weight"
            yield {
                "op": "add",
                "path": path,
                "value": after[_called(ref, service, called)],
            }  # "add" replaces what is there


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
