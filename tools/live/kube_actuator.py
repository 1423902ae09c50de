"""The Actuator port over a real API server: four verbs, each one guarded patch that carries its own record.

How a write is guarded is in ``tools.live.kube_writing``.
"""

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
from tools.errors import Absent, Refused
from tools.lease import TargetLeases
from tools.live import kube_shape
from tools.live.kube_api import Json, KubeApi, owner
from tools.live.kube_shape import CAUSE, Workload
from tools.live.kube_stamp import Mark, Stamps
from tools.live.kube_writing import Target, Write, Writer, insist, opened, receipt

VERBS = frozenset({"set_replicas", "restore_revision", "evict_replica", "set_schedulable"})
Ours = SetReplicas | RestoreRevision | EvictReplica | SetSchedulable


class KubernetesActuator:
    """Implements ``tools.ports.Actuator``. To be wrapped by the gate before anybody sees it."""

    def __init__(self, api: KubeApi, fleet: Fleet, clock: Clock, leases: TargetLeases | None = None) -> None:
        self._api = api
        self._writer = Writer(api, clock, leases)
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
            opened(self._deployment(known.service))
            self._evict(pod, dry_run=True)
            return f"{known.replica} on {pod['spec'].get('nodeName') or 'no node'} would be evicted"
        return insist(lambda: self._writer.send(self._plan(known), dry_run=True))

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, once: an operation that has left its mark is answered from it."""
        known = _ours(action)
        if isinstance(known, EvictReplica):
            return self._drive_out(known, operation)
        return insist(lambda: self._writer.stamped(self._plan(known), _target(known), operation))

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what the changed object remembers of an operation; None when it certainly did not happen."""
        known = _ours(action)
        mark = Stamps.of(self._home(known)).find(operation)
        if mark is None or (isinstance(known, EvictReplica) and self._stands(known, mark)):
            return None
        return receipt(mark, self._leaves(known))

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write to the object: whatever is still on its way was decided on an older version, or bears a lower epoch.

        An eviction that is on its way is not held up: it is bound to the pod that it was meant for.
        """
        known = _ours(action)
        return insist(lambda: self._fenced(known, operation))

    def _fenced(self, action: Ours, operation: Operation) -> Receipt | None:
        path = f"/api/v1/nodes/{action.node}" if isinstance(action, SetSchedulable) else self._path(action.service)
        mark = self._writer.fenced(path, self._home(action), _target(action), operation)
        if mark is None or (isinstance(action, EvictReplica) and self._stands(action, mark)):
            return None
        return receipt(mark, self._leaves(action))

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

    # -- patches ---------------------------------------------------------------------------------------------------
    def _plan(self, action: SetReplicas | RestoreRevision | SetSchedulable) -> Write:
        match action:
            case SetReplicas(service=name, replicas=wanted):
                item = self._deployment(name)
                before = str(item["spec"].get("replicas", 1))
                words = f"{name} would go from {before} to {wanted} replicas"
                states = {"replicas": before}, self._leaves(action)
                return Write(self._path(name), item, {"spec": {"replicas": wanted}}, "merge", words, *states)
            case RestoreRevision():
                return self._restoring(action)
            case SetSchedulable(node=name, schedulable=wanted):
                words = f"node {name} would be {'un' if wanted else ''}cordoned"
                item, spec = self._node(name), {"unschedulable": None if wanted else True}
                stands = not item["spec"].get("unschedulable", False)
                states = {"schedulable": str(stands).lower()}, self._leaves(action)
                return Write(f"/api/v1/nodes/{name}", item, {"spec": spec}, "merge", words, *states)

    def _restoring(self, action: RestoreRevision) -> Write:
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
        notes = {CAUSE: f"prunella: {words.replace(' would roll', ' rolled')}"}
        return Write(self._path(action.service), workload.item, body, "json", words, *states, notes)

    # -- evictions -------------------------------------------------------------------------------------------------
    def _drive_out(self, action: EvictReplica, operation: Operation) -> Receipt:
        """Mark first, evict second: the pod, and any mark on it, will be gone. A mark whose pod stands is no effect."""
        mark = Stamps.of(self._home(action)).find(operation)
        if mark is None:
            mark = insist(lambda: self._announce(action, operation))
        elif not self._stands(action, mark):
            return receipt(mark)
        self._writer.admit(Stamps.of(self._home(action)), _target(action), operation)
        try:
            pod = self._pod(action)
            if pod["metadata"]["uid"] == mark.target:
                self._evict(pod, dry_run=False)
        except Absent:
            pass  # gone meanwhile: nothing is left to do
        return receipt(mark)

    def _announce(self, action: EvictReplica, operation: Operation) -> Mark:
        pod, item = self._pod(action), self._deployment(action.service)
        stamps = Stamps.of(item)
        if (mark := stamps.find(operation)) is not None:
            return mark
        self._writer.admit(stamps, _target(action), operation)
        if changed := operation.unmet(self._standing(action, pod)):
            raise Refused(f"{action.replica}: {changed}")
        write = Write(self._path(action.service), item, {}, "merge", "")
        return self._writer.mark(write, operation, of=str(pod["metadata"]["uid"]))

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
    def _home(self, action: Ours) -> Json:
        """Return the object that remembers operations of this kind."""
        return self._node(action.node) if isinstance(action, SetSchedulable) else self._deployment(action.service)

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


def _target(action: Ours) -> Target:
    where = f"node/{action.node}" if isinstance(action, SetSchedulable) else f"service/{action.service}"
    return Target(where, action.verb)
