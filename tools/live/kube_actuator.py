"""The Actuator port over a real API server: four verbs, each one guarded patch that carries its own record.

Every write names the resourceVersion that it was decided on. Where the object has changed since, all is read and
judged again: nobody's change is overwritten, no superseded controller gets through, no operation is done twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from config.fleet import Fleet, Service, ServiceKind
from tools.action import (
    Action,
    EvictReplica,
    Operation,
    Preimage,
    Receipt,
    RestoreRevision,
    SetReplicas,
    SetSchedulable,
)
from tools.clock import Clock
from tools.errors import Absent, Refused, Transient
from tools.lease import TargetLeases
from tools.live import kube_shape
from tools.live.kube_api import Conflict, Json, KubeApi, annotations, owner
from tools.live.kube_shape import CAUSE, Workload
from tools.live.kube_stamp import Mark, Stamps

T = TypeVar("T")
VERBS = frozenset({"set_replicas", "restore_revision", "evict_replica", "set_schedulable"})
_PAUSES = (0.005, 0.02, 0.06, 0.2, 0.0)  # seconds after each try, when somebody else writes to the same object too
Ours = SetReplicas | RestoreRevision | EvictReplica | SetSchedulable


@dataclass(frozen=True, slots=True)
class _Write:
    """One patch, and what it does in words."""

    path: str
    item: Json  # as it was read
    body: Json | list[Json]
    kind: Literal["merge", "json"]
    words: str
    state: dict[str, str] = field(default_factory=dict)  # of what it changes, as preimage tells it
    leaves: dict[str, str] = field(default_factory=dict)  # the same, afterwards


class KubernetesActuator:
    """Implements ``tools.ports.Actuator``. To be wrapped by the gate before anybody sees it."""

    def __init__(self, api: KubeApi, fleet: Fleet, clock: Clock, leases: TargetLeases | None = None) -> None:
        self._api = api
        self._clock = clock
        self._leases = leases
        self._services = {s.name: s for s in fleet.services if s.kind is not ServiceKind.VENDOR}

    @property
    def verbs(self) -> frozenset[str]:
        """Scaling, rolling back, evicting, cordoning."""
        return VERBS

    # -- the port --------------------------------------------------------------------------------------------------
    def preimage(self, action: Action) -> Preimage:
        """Read what the action would change, and how to change it back."""
        known = _ours(action)
        if isinstance(known, EvictReplica):
            return Preimage(state=self._standing(known, self._pod(known)))
        state = self._plan(known).state if not isinstance(known, RestoreRevision) else self._revision(known)
        match known:
            case SetReplicas(service=name):
                return Preimage(state=state, inverse=SetReplicas(service=name, replicas=int(state["replicas"])))
            case RestoreRevision(service=name):
                revision = state["revision"]
                back = RestoreRevision(service=name, revision=revision) if revision else None
                return Preimage(state=state, inverse=back)
            case SetSchedulable(node=name):
                stands = state["schedulable"] == "true"
                return Preimage(state=state, inverse=SetSchedulable(node=name, schedulable=stands))

    def _revision(self, action: RestoreRevision) -> dict[str, str]:
        return {"revision": kube_shape.current(self._workload(action.service))}

    @staticmethod
    def _standing(action: EvictReplica, pod: Json) -> dict[str, str]:
        return {"replica": action.replica, "node": pod["spec"].get("nodeName") or ""}

    def rehearse(self, action: Action) -> str:
        """Have the API server judge the very patch, as a dry run: quotas, webhooks, rights and budgets included."""
        known = _ours(action)
        if isinstance(known, EvictReplica):
            pod = self._pod(known)
            self._open(self._deployment(known.service))
            self._evict(pod, dry_run=True)
            return f"{known.replica} on {pod['spec'].get('nodeName') or 'no node'} would be evicted"
        return self._insist(lambda: self._send(self._plan(known), dry_run=True))

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once: an operation that has left its mark is answered from it."""
        known = _ours(action)
        if isinstance(known, EvictReplica):
            return self._drive_out(known, operation)
        return self._insist(lambda: self._stamped(known, operation))

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what the changed object remembers of an operation; None when it certainly did not happen."""
        known = _ours(action)
        mark = Stamps.of(self._home(known)).find(operation)
        if mark is None or (isinstance(known, EvictReplica) and self._stands(known, mark)):
            return None
        return _receipt(mark, self._leaves(known))

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write to the object: whatever is still on its way was decided on an older version, or bears a lower epoch.

        An eviction that is on its way is not held up: it is bound to the pod that it was meant for.
        """
        known = _ours(action)
        return self._insist(lambda: self._fenced(known, operation))

    def _fenced(self, action: Ours, operation: Operation) -> Receipt | None:
        item = self._home(action)
        stamps = Stamps.of(item)
        self._admit(stamps, action, operation)
        path = f"/api/v1/nodes/{action.node}" if isinstance(action, SetSchedulable) else self._path(action.service)
        notes = stamps.fenced(operation, self._clock.now())
        self._send(_Write(path, item, {}, "merge", ""), dry_run=False, notes=notes)
        mark = stamps.find(operation)
        if mark is None or (isinstance(action, EvictReplica) and self._stands(action, mark)):
            return None
        return _receipt(mark, self._leaves(action))

    def _leaves(self, action: Ours) -> dict[str, str]:
        """Return the state that an action leaves behind, as preimage tells it; empty where that cannot be said."""
        match action:
            case SetReplicas(replicas=wanted):
                return {"replicas": str(wanted)}
            case SetSchedulable(schedulable=wanted):
                return {"schedulable": str(wanted).lower()}
            case RestoreRevision(service=name, revision=number):
                old = kube_shape.revision_named(self._workload(name), number)
                return {} if old is None else {"revision": str(kube_shape.numbers(old)[0])}
            case EvictReplica():
                return {}

    def _admit(self, stamps: Stamps, action: Ours, operation: Operation) -> None:
        """Refuse whoever has been superseded: by an epoch on the object itself, or by a newer lease of it."""
        target = f"node/{action.node}" if isinstance(action, SetSchedulable) else f"service/{action.service}"
        stamps.admit(operation, f"{action.verb} on {target}")
        held = self._leases.read(target) if self._leases is not None else None
        if held is not None and operation.epoch < held.epoch:
            text = f"epoch {operation.epoch} is below {held.epoch}, under which {held.owner} took its lease"
            raise Refused(f"{action.verb} on {target}: {text}")

    # -- patches ---------------------------------------------------------------------------------------------------
    def _stamped(self, action: SetReplicas | RestoreRevision | SetSchedulable, operation: Operation) -> Receipt:
        write = self._plan(action)
        stamps = Stamps.of(write.item)
        if (mark := stamps.find(operation)) is not None:
            return _receipt(mark, write.leaves)
        name = write.item["metadata"]["name"]
        self._admit(stamps, action, operation)
        if changed := operation.unmet(write.state):
            raise Refused(f"{name}: {changed}")
        after = stamps.after(operation, self._clock.now())
        self._send(write, dry_run=False, notes=after.notes())
        return _receipt(after.marks[-1], write.leaves)

    def _plan(self, action: SetReplicas | RestoreRevision | SetSchedulable) -> _Write:
        match action:
            case SetReplicas(service=name, replicas=wanted):
                item = self._deployment(name)
                before = str(item["spec"].get("replicas", 1))
                words = f"{name} would go from {before} to {wanted} replicas"
                states = {"replicas": before}, self._leaves(action)
                return _Write(self._path(name), item, {"spec": {"replicas": wanted}}, "merge", words, *states)
            case RestoreRevision():
                return self._restoring(action)
            case SetSchedulable(node=name, schedulable=wanted):
                words = f"node {name} would be {'un' if wanted else ''}cordoned"
                item, spec = self._node(name), {"unschedulable": None if wanted else True}
                stands = not item["spec"].get("unschedulable", False)
                states = {"schedulable": str(stands).lower()}, self._leaves(action)
                return _Write(f"/api/v1/nodes/{name}", item, {"spec": spec}, "merge", words, *states)

    def _restoring(self, action: RestoreRevision) -> _Write:
        """Put the old template in place of the present one, whole: merged, leftovers of the present one would stay."""
        workload = self._workload(action.service)
        old = kube_shape.revision_named(workload, action.revision)
        if old is None:
            raise Refused(f"{action.service} has no revision {action.revision}")
        if workload.item["spec"].get("paused"):
            raise Refused(f"{action.service}: the Deployment is paused, and would not roll")
        body: list[Json] = [{"op": "replace", "path": "/spec/template", "value": kube_shape.template(old)}]
        before, after = kube_shape.current(workload), str(kube_shape.numbers(old)[0])
        words = f"{action.service} would roll from revision {before} to {action.revision}"
        states = {"revision": before}, {"revision": after}
        return _Write(self._path(action.service), workload.item, body, "json", words, *states)

    def _send(self, write: _Write, *, dry_run: bool, notes: dict[str, str] | None = None) -> str:
        """Send a patch that holds only for the object as it was read."""
        self._open(write.item, changed=bool(write.body))
        version, kept = write.item["metadata"]["resourceVersion"], {**annotations(write.item), **(notes or {})}
        if isinstance(write.body, list):
            kept[CAUSE] = f"prunella: {write.words.replace(' would roll', ' rolled')}"
            guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
            stamp = {"op": "add", "path": "/metadata/annotations", "value": kept}
            self._api.patch(write.path, [guard, stamp, *write.body], "json", dry_run=dry_run)
        else:
            metadata = {"resourceVersion": version, "annotations": notes or {}}
            self._api.patch(write.path, {"metadata": metadata, **write.body}, write.kind, dry_run=dry_run)
        return write.words

    # -- evictions -------------------------------------------------------------------------------------------------
    def _drive_out(self, action: EvictReplica, operation: Operation) -> Receipt:
        """Mark first, evict second: the pod, and any mark on it, will be gone. A mark whose pod stands is no effect."""
        mark = Stamps.of(self._home(action)).find(operation)
        if mark is None:
            mark = self._insist(lambda: self._announce(action, operation))
        elif not self._stands(action, mark):
            return _receipt(mark)
        self._admit(Stamps.of(self._home(action)), action, operation)
        try:
            pod = self._pod(action)
            if pod["metadata"]["uid"] == mark.target:
                self._evict(pod, dry_run=False)
        except Absent:
            pass  # gone meanwhile: nothing is left to do
        return _receipt(mark)

    def _announce(self, action: EvictReplica, operation: Operation) -> Mark:
        pod, item = self._pod(action), self._deployment(action.service)
        stamps = Stamps.of(item)
        if (mark := stamps.find(operation)) is not None:
            return mark
        self._admit(stamps, action, operation)
        if changed := operation.unmet(self._standing(action, pod)):
            raise Refused(f"{action.replica}: {changed}")
        after = stamps.after(operation, self._clock.now(), str(pod["metadata"]["uid"]))
        write = _Write(self._path(action.service), item, {}, "merge", "")
        self._send(write, dry_run=False, notes=after.notes())
        return after.marks[-1]

    def _stands(self, action: EvictReplica, mark: Mark) -> bool:
        """Whether the pod that a mark is about is there still, and not on its way out."""
        try:
            pod = self._api.get(self._pod_path(action))
        except Absent:
            return False
        return bool(pod["metadata"]["uid"] == mark.target and "deletionTimestamp" not in pod["metadata"])

    def _evict(self, pod: Json, *, dry_run: bool) -> None:
        metadata = pod["metadata"]
        body = {
            "apiVersion": self._eviction_version(),
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            # A namesake that came since is somebody else.
            "deleteOptions": {"preconditions": {"uid": metadata["uid"]}, **({"dryRun": ["All"]} if dry_run else {})},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
        self._api.post(path, body, dry_run=dry_run)

    def _eviction_version(self) -> str:
        """Return what the server says it takes: policy/v1 since 1.22, policy/v1beta1 before."""
        for resource in self._api.discover("/api/v1")["resources"]:
            if resource["name"] == "pods/eviction":
                return f"{resource.get('group', 'policy')}/{resource.get('version', 'v1')}"
        raise Absent("Kubernetes: this API server knows no evictions")

    # -- finding ---------------------------------------------------------------------------------------------------
    def _insist(self, attempt: Callable[[], T]) -> T:
        """Read, judge and write again while somebody else's writes come between: a rollout makes a burst of them."""
        for pause in _PAUSES:
            try:
                return attempt()
            except Conflict as error:
                last = error
            time.sleep(pause)
        raise Transient(f"others keep changing it: {last}") from last

    def _home(self, action: Ours) -> Json:
        """Return the object that remembers operations of this kind."""
        return self._node(action.node) if isinstance(action, SetSchedulable) else self._deployment(action.service)

    def _open(self, item: Json, *, changed: bool = True) -> None:
        name = item["metadata"]["name"]
        if kube_shape.hands_off(item):
            raise Refused(f"{name} is annotated {kube_shape.HANDS_OFF}: hands off")
        if changed and (others := kube_shape.claims(item)):
            raise Refused(f"{name} is in the hands of {', '.join(others)}")

    def _service(self, name: str) -> Service:
        if name not in self._services:
            raise Refused(f"no workload of {name} is guarded")
        return self._services[name]

    def _path(self, service: str) -> str:
        found = self._service(service)
        return f"/apis/apps/v1/namespaces/{found.namespace}/deployments/{found.workload}"

    def _deployment(self, service: str) -> Json:
        return self._api.get(self._path(service))

    def _node(self, name: str) -> Json:
        return self._api.get(f"/api/v1/nodes/{name}")

    def _workload(self, service: str) -> Workload:
        found = self._service(service)
        sets = self._api.items(f"/apis/apps/v1/namespaces/{found.namespace}/replicasets")
        return kube_shape.workload(found, self._deployment(service), sets, ())

    def _pod_path(self, action: EvictReplica) -> str:
        return f"/api/v1/namespaces/{self._service(action.service).namespace}/pods/{action.replica}"

    def _pod(self, action: EvictReplica) -> Json:
        """Return the pod; ``Refused`` when it is no replica of that service."""
        pod = self._api.get(self._pod_path(action))
        uids = {rs["metadata"]["uid"] for rs in self._workload(action.service).sets}
        if owner(pod).get("uid") not in uids:
            raise Refused(f"{action.replica} is no replica of {action.service}")
        return pod


def _ours(action: Action) -> Ours:
    if isinstance(action, SetReplicas | RestoreRevision | EvictReplica | SetSchedulable):
        return action
    raise Refused(f"Kubernetes does not {action.verb}")


def _receipt(mark: Mark, observed: dict[str, str] | None = None) -> Receipt:
    return Receipt(operation=mark.id, state="done", at=mark.at, observed=observed or {})
