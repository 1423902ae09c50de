"""The world's pods, nodes and deployments as Kubernetes objects. Reading alone; no identity is kept here."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from config.fleet import Service
from simulator.world.body import Body
from simulator.world.filling import Worker
from simulator.world.pods import Machine, Pod, Workload
from simulator.world.profile import GPUS_PER_NODE
from tools.topology import Revision

Json = dict[str, Any]
Key = tuple[str, str, str]  # plural, namespace, name
NAME = "app.kubernetes.io/name"
HASH = "pod-template-hash"
SPOT = "aws-node-termination-handler/spot-itn"
GATEWAY = "gateway.networking.k8s.io"


def uid(*parts: str) -> str:
    """Return an identifier that the same object always has."""
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def route_of(service: Service) -> str:
    """Return the name of the HTTPRoute that divides the calls of a service."""
    return service.route or service.name


def backends_of(service: Service) -> tuple[str, str]:
    """Return the backends of a service's route that serve its champion and its candidate."""
    return f"{service.name}-champion", f"{service.name}-candidate"


def template_hash(service: str, revision: str) -> str:
    """Return what a ReplicaSet's name ends with."""
    return hashlib.sha256(f"{service}/{revision}".encode()).hexdigest()[:9]


class Shapes:
    """Writes objects. ``told`` turns the world's instants into text, ``port`` a pod's row into where it listens."""

    def __init__(self, body: Body, told: Callable[[datetime], str], port: Callable[[int], int]) -> None:
        self._body = body
        self._told = told
        self._port = port
        self.templates: dict[tuple[str, str], Json] = {}  # written by people, by service and revision
        self._numbers: dict[str, dict[str, list[int]]] = {}
        self.beside: dict[str, int] = {}  # per cent that the candidate's backend of a service gets

    # -- revisions -------------------------------------------------------------------------------------------------
    def numbers(self, workload: Workload) -> dict[str, list[int]]:
        """Return the numbers that each revision has had: one that is rolled back to gets a new one."""
        had = self._numbers.setdefault(workload.service.name, {})
        for revision in workload.revisions:
            if revision.number not in had:
                had[revision.number] = [max((n for each in had.values() for n in each), default=0) + 1]
        newest = max(n for each in had.values() for n in each)
        if had[workload.current][-1] != newest:
            had[workload.current].append(newest + 1)
        return had

    def template(self, workload: Workload, revision: str) -> Json:
        """Return the pod template of a revision."""
        service = workload.service
        written = self.templates.get((service.name, revision))
        if written is not None:
            return written
        image = f"registry.example/{service.name}:{revision}"
        gpu = {} if service.shares_gpus_of else {"limits": {"nvidia.com/gpu": "1"}}  # what is shared is not asked for
        return {
            "metadata": {"labels": {NAME: service.workload}},
            "spec": {"containers": [{"name": "server", "image": image, "resources": gpu}]},
        }

    # -- all -------------------------------------------------------------------------------------------------------
    def all(self) -> Iterator[tuple[Key, Json]]:
        """Yield every object, without its resourceVersion."""
        pods, workloads = self._body.pods, self._body.workloads
        for workload in workloads.values():
            yield from self._of_workload(workload)
        for pod in pods.pods.values():
            workload = workloads[pod.service]
            yield ("pods", workload.service.namespace, pod.name), self.pod(workload, pod)
        for worker in self._body.fills.workers.values():
            workload = workloads[worker.service]
            yield ("pods", workload.service.namespace, worker.name), self.worker(workload, worker)
        for index, machine in ((i, each) for i, each in enumerate(pods.machines) if not each.gone):
            yield ("nodes", "", machine.name), self.node(index, machine)
        for name in self._body.vendors.weights:
            service = self._body.services[name]
            yield ("httproutes", service.namespace, route_of(service)), self.route(service)
        for namespace in sorted({w.service.namespace for w in workloads.values()}):
            yield ("namespaces", "", namespace), _of("v1", "Namespace", {"name": namespace})

    def _of_workload(self, workload: Workload) -> Iterator[tuple[Key, Json]]:
        namespace = workload.service.namespace
        yield ("deployments", namespace, workload.service.workload), self.deployment(workload)
        if has_model(self._body, workload.service):
            yield ("deployments", namespace, backends_of(workload.service)[1]), self.second(workload)
            yield ("httproutes", namespace, route_of(workload.service)), self.split(workload.service)
        for revision in workload.revisions:
            item = self.replica_set(workload, revision)
            yield ("replicasets", namespace, item["metadata"]["name"]), item

    def _running(self, workload: Workload) -> list[tuple[str, bool]]:
        """Return the revision of every pod of a workload, and whether it is ready."""
        if workload.service.shares_gpus_of:
            workers, now = self._body.fills.of(workload.service.name), self._body.clock.now()
            return [(workload.current, worker.ready(now)) for worker in workers]
        return [(pod.revision, bool(pod.ready)) for pod in self._body.pods.of(workload.service.name)]

    def deployment(self, workload: Workload) -> Json:
        """Write a Deployment."""
        service, pods = workload.service, self._running(workload)
        ready = sum(is_ready for _, is_ready in pods)
        item = _of(
            "apps/v1", "Deployment", self._metadata(workload, service.workload, workload.revisions[0].created_at)
        )
        item["metadata"]["annotations"] = {
            "deployment.kubernetes.io/revision": str(self.numbers(workload)[workload.current][-1])
        }
        item["spec"] = {
            "replicas": workload.wanted,
            "selector": {"matchLabels": {NAME: service.workload}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": self.template(workload, workload.current),
        }
        item["status"] = {
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": sum(revision == workload.current for revision, _ in pods),
        }
        return item

    def second(self, workload: Workload) -> Json:
        """Write the Deployment that serves the candidate: with as many replicas, for the world has none of its own."""
        item, name = self.deployment(workload), backends_of(workload.service)[1]
        item["metadata"] |= {"name": name, "labels": {NAME: name}}
        item["spec"]["selector"] = {"matchLabels": {NAME: name}}
        return item

    def route(self, service: Service) -> Json:
        """Write the HTTPRoute that divides the calls of a service over its vendors."""
        weights = self._body.vendors.weights[service.name]
        return self._route(service, {f"{service.name}-{name}": weights.get(name, 0) for name in service.vendors})

    def split(self, service: Service) -> Json:
        """Write the HTTPRoute that divides the requests of a service over two versions of its model."""
        champion, candidate = backends_of(service)
        share = self.beside.get(service.name, 0)
        return self._route(service, {champion: 100 - share, candidate: share})

    @staticmethod
    def _route(service: Service, weights: dict[str, int]) -> Json:
        metadata = {"name": route_of(service), "namespace": service.namespace}
        item = _of(f"{GATEWAY}/v1", "HTTPRoute", metadata)
        refs = [{"name": name, "port": 443, "weight": weight} for name, weight in weights.items()]
        item["spec"] = {"parentRefs": [{"name": "egress"}], "rules": [{"backendRefs": refs}]}
        accepted = {"type": "Accepted", "status": "True", "reason": "Accepted"}
        item["status"] = {"parents": [{"parentRef": {"name": "egress"}, "conditions": [accepted]}]}
        return item

    def _metadata(self, workload: Workload, name: str, at: datetime) -> Json:
        labels = {NAME: workload.service.workload}
        return {
            "name": name,
            "namespace": workload.service.namespace,
            "labels": labels,
            "creationTimestamp": self._told(at),
        }

    def _set_name(self, workload: Workload, revision: str) -> str:
        return f"{workload.service.workload}-{template_hash(workload.service.name, revision)}"

    def replica_set(self, workload: Workload, revision: Revision) -> Json:
        """Write the ReplicaSet of a revision."""
        name, number = self._set_name(workload, revision.number), revision.number
        item = _of("apps/v1", "ReplicaSet", self._metadata(workload, name, revision.created_at))
        had = self.numbers(workload)[number]
        notes = {
            "deployment.kubernetes.io/revision": str(had[-1]),
            "kubernetes.io/change-cause": revision.summary,
        }
        if had[:-1]:
            notes["deployment.kubernetes.io/revision-history"] = ",".join(map(str, had[:-1]))
        item["metadata"] |= {"annotations": notes, "ownerReferences": [_owner("apps/v1", "Deployment", workload)]}
        pods = [is_ready for revision, is_ready in self._running(workload) if revision == number]
        template = self.template(workload, number)
        labels = {**template["metadata"].get("labels", {}), HASH: template_hash(workload.service.name, number)}
        item["spec"] = {
            "replicas": len(pods),
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        }
        item["status"] = {"replicas": len(pods), "readyReplicas": sum(pods)}
        return item

    def pod(self, workload: Workload, pod: Pod) -> Json:
        """Write a pod; it listens on the loopback, each on a port of its own."""
        item = self._owned(workload, pod.name, pod.revision, pod.created_at)
        item["metadata"]["annotations"] = {"prunella.dev/port": str(self._port(pod.row))}
        machine = self._body.pods.machine_of(pod)
        item["spec"] |= {"nodeName": machine.name} if machine else {}
        item["status"] = self._pod_status(pod, placed=machine is not None)
        return item

    def worker(self, workload: Workload, worker: Worker) -> Json:
        """Write a pod of batch work, which sits where the replica sits whose GPU it shares; it listens nowhere."""
        item = self._owned(workload, worker.name, workload.current, worker.created_at)
        machine = self._body.pods.machine_of(worker.beside)
        item["spec"] |= {"nodeName": machine.name} if machine else {}
        ready = worker.ready(self._body.clock.now())
        item["status"] = self._running_status(worker.created_at, ready, {"running": {}}, restarts=0)
        return item

    def _owned(self, workload: Workload, name: str, revision: str, at: datetime) -> Json:
        """Write a pod that a ReplicaSet owns, without where it is and how it is."""
        template, owned_by = self.template(workload, revision), self._set_name(workload, revision)
        item = _of("v1", "Pod", self._metadata(workload, name, at))
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owned_by, "controller": True}
        owner["uid"] = uid("replicasets", workload.service.namespace, owned_by)
        labels = {**template["metadata"].get("labels", {}), HASH: template_hash(workload.service.name, revision)}
        item["metadata"] |= {"labels": labels, "ownerReferences": [owner]}
        item["spec"] = dict(template["spec"])
        return item

    def _pod_status(self, pod: Pod, *, placed: bool) -> Json:
        if not placed:
            conditions = [
                {"type": "PodScheduled", "status": "False"},
                {"type": "Ready", "status": str(bool(pod.ready))},
            ]
            return {"phase": "Pending", "conditions": conditions}
        state = {"waiting": {"reason": "CrashLoopBackOff"}} if pod.crashing and not pod.ready else {"running": {}}
        restarts = self._body.store.views["kube_pod_container_status_restarts_total"][pod.row, 0]
        return self._running_status(pod.created_at, bool(pod.ready), state, int(restarts))

    def _running_status(self, at: datetime, ready: bool, state: Json, restarts: int) -> Json:
        return {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "startTime": self._told(at),
            "conditions": _conditions(placed=True, ready=ready),
            "containerStatuses": [{"name": "server", "ready": ready, "restartCount": restarts, "state": state}],
        }

    def node(self, index: int, machine: Machine) -> Json:
        """Write a node."""
        lost = sum(self._body.pods.lost[index * GPUS_PER_NODE : (index + 1) * GPUS_PER_NODE])
        item = _of(
            "v1",
            "Node",
            {
                "name": machine.name,
                "labels": {"kubernetes.io/hostname": machine.name, "topology.kubernetes.io/zone": machine.zone},
            },
        )
        item["spec"] = {} if machine.schedulable else {"unschedulable": True}
        if machine.name in self._body.pods.leaving:
            item["spec"]["taints"] = [{"key": SPOT, "effect": "NoSchedule"}]
        amount = {"nvidia.com/gpu": str(GPUS_PER_NODE - lost)}
        conditions = [{"type": "Ready", "status": str(bool(machine.ready))}]
        item["status"] = {"capacity": amount, "allocatable": amount, "conditions": conditions}
        return item


def has_model(body: Body, service: Service) -> bool:
    """Whether a service answers with a model of the registry, of which two versions may stand side by side."""
    return body.quality.weights(service.name) is not None


def _conditions(*, placed: bool, ready: bool) -> list[Json]:
    return [{"type": "PodScheduled", "status": str(placed)}, {"type": "Ready", "status": str(ready)}]


def _of(version: str, kind: str, metadata: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _owner(version: str, kind: str, workload: Workload) -> Json:
    service = workload.service
    named = {"apiVersion": version, "kind": kind, "name": service.workload, "controller": True}
    return {**named, "uid": uid("deployments", service.namespace, service.workload)}
