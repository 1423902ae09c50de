"""The Cluster port over a real API server. The Actuator is in ``tools.live.kube_actuator``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from config.fleet import Fleet, Service, ServiceKind
from tools.change import Change
from tools.clock import Clock
from tools.errors import Absent, Malformed, Refused
from tools.live import kube_changes, kube_shape
from tools.live.kube_api import Json, KubeApi, annotations
from tools.live.kube_shape import Workload
from tools.topology import Topology

_PORTS = ("prunella.dev/port", "prometheus.io/port")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a replica listens. ``port`` is None where the pod does not say."""

    host: str
    port: int | None


class KubernetesCluster:
    """Implements ``tools.ports.Cluster`` for the services that a cluster runs; vendors have no workload."""

    def __init__(self, api: KubeApi, fleet: Fleet, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._services = tuple(s for s in fleet.services if s.kind is not ServiceKind.VENDOR)
        self._no_scalers: set[str] = set()  # namespaces whose HPAs we may not list

    # -- the port --------------------------------------------------------------------------------------------------
    def topology(self) -> Topology:
        """Return the guarded workloads as they stand, and every node."""
        found, pods = self._workloads()
        scalers = {namespace: self._scalers(namespace) for namespace in {w.service.namespace for w in found}}
        nodes = self._api.items("/api/v1/nodes")
        with_shape = [kube_shape.node(item, pods) for item in nodes]
        return Topology(
            at=self._clock.now(),
            deployments=tuple(kube_shape.deployment(w, scalers[w.service.namespace]) for w in found),
            replicas=tuple(replica for w in found for replica in kube_shape.replicas(w)),
            nodes=tuple(sorted(with_shape, key=lambda node: node.name)),
        )

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return releases, scalings, evictions and cordons at or after ``since``, oldest first."""
        found, _ = self._workloads()
        events = [e for name in self._namespaces() for e in self._api.items(f"/api/v1/namespaces/{name}/events")]
        changes = [*kube_changes.cordons(self._api.items("/api/v1/nodes"))]
        for workload in found:
            changes += kube_changes.releases(workload)
            changes += kube_changes.scalings(workload, events)
            changes += kube_changes.moved(workload, events)
        return tuple(sorted((c for c in changes if c.at >= since), key=lambda c: (c.at, c.id)))

    # -- for the adapters beside -----------------------------------------------------------------------------------
    def address(self, service: str, replica: str) -> Address:
        """Return where a replica listens; ``Absent`` when there is no such pod, or it has no address yet."""
        guarded = next((s for s in self._services if s.name == service), None)
        if guarded is None:
            raise Absent(f"no workload of {service} is guarded")
        pod = self._api.get(f"/api/v1/namespaces/{guarded.namespace}/pods/{replica}")
        host = (pod.get("status") or {}).get("podIP")
        if not host:
            raise Absent(f"replica {replica} has no address yet")
        return Address(str(host), _port(pod))

    # -- gathering -------------------------------------------------------------------------------------------------
    def _namespaces(self) -> list[str]:
        return sorted({service.namespace for service in self._services})

    def _workloads(self) -> tuple[list[Workload], list[Json]]:
        """Return the guarded workloads that exist, and every pod in sight."""
        found: list[Workload] = []
        seen: list[Json] = []
        for namespace in self._namespaces():
            apps, core = f"/apis/apps/v1/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
            deployments = self._api.items(f"{apps}/deployments")
            sets, pods = self._api.items(f"{apps}/replicasets"), self._api.items(f"{core}/pods")
            found += _matched((s for s in self._services if s.namespace == namespace), deployments, sets, pods)
            seen += pods
        return found, seen

    def _scalers(self, namespace: str) -> list[Json] | None:
        """Return the HPAs of a namespace, None where we may not list them; that is asked only once."""
        if namespace in self._no_scalers:
            return None
        try:
            group = self._api.group("autoscaling")
            return self._api.items(f"/apis/{group}/namespaces/{namespace}/horizontalpodautoscalers")
        except Refused:
            self._no_scalers.add(namespace)
            return None
        except Absent:
            return []


def _matched(
    services: Iterable[Service], deployments: list[Json], sets: list[Json], pods: list[Json]
) -> list[Workload]:
    by_name = {item["metadata"]["name"]: item for item in deployments}
    try:
        return [
            kube_shape.workload(service, by_name[service.workload], sets, pods)
            for service in services
            if service.workload in by_name
        ]
    except (KeyError, TypeError) as error:
        raise Malformed(f"Kubernetes: an object lacks {error}") from error


def _port(pod: Json) -> int | None:
    notes = annotations(pod)
    for name in _PORTS:
        if notes.get(name, "").isdigit():
            return int(notes[name])
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    named = [port for port in ports if port.get("name") in ("http", "http1", "api")]
    chosen = (named or ports or [{}])[0].get("containerPort")
    return int(chosen) if chosen else None
