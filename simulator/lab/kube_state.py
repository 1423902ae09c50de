"""The figures about Kubernetes objects that a controller reads, by kube-state-metrics' exact names;
and OpenCost's two about GPUs.

Each carries one label more than the original, `service`, as a relabelling of a recommended label would give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simulator.lab.pod_status import service_of
from simulator.lab.rest import Json

_DEPLOYMENT = {
    "kube_deployment_spec_replicas": ("spec", "replicas"),
    "kube_deployment_status_replicas": ("status", "replicas"),
    "kube_deployment_status_replicas_ready": ("status", "readyReplicas"),
    "kube_deployment_status_replicas_available": ("status", "availableReplicas"),
    "kube_deployment_status_replicas_unavailable": ("status", "unavailableReplicas"),
    "kube_deployment_status_replicas_updated": ("status", "updatedReplicas"),
    "kube_deployment_status_observed_generation": ("status", "observedGeneration"),
    "kube_deployment_metadata_generation": ("metadata", "generation"),
}
_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
GPU_HOURLY_COST = 2.5
_POD = ("namespace", "pod", "uid", "service")


@dataclass(slots=True)
class Objects:
    """The objects last listed; replaced list by list."""

    deployments: list[Json] = field(default_factory=list)
    pods: list[Json] = field(default_factory=list)
    nodes: list[Json] = field(default_factory=list)


class KubeState(Collector):
    """Turns the listed objects into metric families at every scrape."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from deployment_metrics(self._objects.deployments)
        yield from pod_metrics(self._objects.pods)
        yield from container_metrics(self._objects.pods)
        yield from node_metrics(self._objects.nodes)
        yield from cost_metrics(self._objects.pods, self._objects.nodes)


def deployment_metrics(deployments: list[Json]) -> Iterator[Metric]:
    """Replica counts and generations of Deployments."""
    for name, (part, key) in _DEPLOYMENT.items():
        family = GaugeMetricFamily(name, name, labels=("namespace", "deployment", "service"))
        for item in deployments:
            metadata = item["metadata"]
            family.add_metric((metadata["namespace"], metadata["name"], service_of(item)), item[part].get(key) or 0)
        yield family


def pod_metrics(pods: list[Json]) -> Iterator[Metric]:
    """Place, phase and readiness of pods."""
    info = GaugeMetricFamily(
        "kube_pod_info", "Information.", labels=(*_POD, "node", "created_by_kind", "created_by_name", "pod_ip")
    )
    phase = GaugeMetricFamily("kube_pod_status_phase", "Phase.", labels=(*_POD, "phase"))
    ready = GaugeMetricFamily("kube_pod_status_ready", "Readiness.", labels=(*_POD, "condition"))
    for pod in pods:
        labels, status = pod_labels(pod), pod["status"]
        owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
        place = (pod["spec"].get("nodeName", ""), owner.get("kind", ""), owner.get("name", ""), status.get("podIP", ""))
        info.add_metric((*labels, *place), 1)
        for name in _PHASES:
            phase.add_metric((*labels, name), float(status.get("phase") == name))
        is_ready = {c["type"]: c["status"] for c in status.get("conditions", [])}.get("Ready") == "True"
        ready.add_metric((*labels, "true"), float(is_ready))
        ready.add_metric((*labels, "false"), float(not is_ready))
    yield from (info, phase, ready)


def container_metrics(pods: list[Json]) -> Iterator[Metric]:
    """Restarts, readiness and the reason to wait of containers."""
    labels = (*_POD, "container")
    restarts = CounterMetricFamily("kube_pod_container_status_restarts", "Restarts.", labels=labels)
    ready = GaugeMetricFamily("kube_pod_container_status_ready", "Readiness.", labels=labels)
    waiting = GaugeMetricFamily("kube_pod_container_status_waiting_reason", "Reason.", labels=(*labels, "reason"))
    for pod in pods:
        for container in pod["status"].get("containerStatuses", []):
            values = (*pod_labels(pod), container["name"])
            restarts.add_metric(values, container["restartCount"])
            ready.add_metric(values, float(container["ready"]))
            if why := container["state"].get("waiting"):
                waiting.add_metric((*values, why.get("reason", "")), 1)
    yield from (restarts, ready, waiting)


def node_metrics(nodes: list[Json]) -> Iterator[Metric]:
    """Conditions, cordons and resources of nodes."""
    condition = GaugeMetricFamily("kube_node_status_condition", "Condition.", labels=("node", "condition", "status"))
    cordoned = GaugeMetricFamily("kube_node_spec_unschedulable", "Cordoned.", labels=("node",))
    resources = {
        kind: GaugeMetricFamily(f"kube_node_status_{kind}", kind, labels=("node", "resource", "unit"))
        for kind in ("capacity", "allocatable")
    }
    for node in nodes:
        name = node["metadata"]["name"]
        cordoned.add_metric((name,), float(node["spec"].get("unschedulable", False)))
        for entry in node["status"].get("conditions", []):
            for status in ("true", "false", "unknown"):
                condition.add_metric((name, entry["type"], status), float(entry["status"].lower() == status))
        for kind, family in resources.items():
            gpus = node["status"].get(kind, {}).get("nvidia.com/gpu", "0")
            family.add_metric((name, "nvidia_com_gpu", "integer"), float(gpus))
    yield from (condition, cordoned, *resources.values())


def cost_metrics(pods: list[Json], nodes: list[Json]) -> Iterator[Metric]:
    """GPUs given to containers and money per GPU-hour, by OpenCost's names."""
    given = GaugeMetricFamily("container_gpu_allocation", "GPUs.", labels=(*_POD, "container", "node"))
    price = GaugeMetricFamily("node_gpu_hourly_cost", "Money per GPU-hour.", labels=("node",))
    for pod in pods:
        container = pod["spec"]["containers"][0]
        gpus = container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", "0")
        if "nodeName" in pod["spec"]:
            given.add_metric((*pod_labels(pod), container["name"], pod["spec"]["nodeName"]), float(gpus))
    for node in nodes:
        price.add_metric((node["metadata"]["name"],), GPU_HOURLY_COST)
    yield from (given, price)


def pod_labels(pod: Json) -> tuple[str, str, str, str]:
    """Namespace, name, uid and service of a pod."""
    metadata = pod["metadata"]
    return metadata["namespace"], metadata["name"], metadata["uid"], service_of(pod)
