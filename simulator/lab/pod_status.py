"""What a kubelet tells the API server about its nodes and pods: pure builders of Kubernetes objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from simulator.lab.container import ContainerSpec, ContainerState, probe_of
from simulator.lab.rest import Json

ALLOCATABLE = {"cpu": "4", "memory": "8Gi", "pods": "16", "nvidia.com/gpu": "2"}


def stamp(at: datetime | float, micro: bool = False) -> str:
    """An instant as the API server writes it; Unix time is taken too."""
    moment = datetime.fromtimestamp(at, UTC) if isinstance(at, float) else at
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def key_of(pod: Json) -> str:
    """Identity of a pod's incarnation: its uid."""
    return str(pod["metadata"]["uid"])


def service_of(pod: Json) -> str:
    """The service that a pod or a Deployment belongs to, by the recommended label, else by `app`."""
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get("app.kubernetes.io/name") or labels.get("app") or "")


def node_object(name: str) -> Json:
    """A GPU node to register."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "nvidia.com/gpu.present": "true"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def node_status(now: datetime) -> Json:
    """A healthy node's heartbeat."""
    pressure = [_condition(kind, "False", now) for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")]
    conditions = [_condition("Ready", "True", now), *pressure]
    for condition in conditions:
        condition["lastHeartbeatTime"] = stamp(now)
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    info = {"kubeletVersion": "v1.20.2", "operatingSystem": "linux", "architecture": "amd64"}
    return {
        "status": {
            "capacity": ALLOCATABLE,
            "allocatable": ALLOCATABLE,
            "conditions": conditions,
            "addresses": addresses,
            "nodeInfo": info,
        }
    }


def node_lease(name: str, now: datetime) -> Json:
    """The lease by which a node says that it lives."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": stamp(now, micro=True)}
    metadata = {"name": name, "namespace": "kube-node-lease"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _condition(kind: str, status: str, since: datetime | float) -> Json:
    return {"type": kind, "status": status, "lastTransitionTime": stamp(since), "reason": f"Lab{kind}"}


def pod_status(pod: Json, address: str, state: ContainerState, began: datetime, ready_since: datetime) -> Json:
    """The status of a pod whose one container stands so."""
    ready = "True" if state.ready else "False"
    conditions = [_condition("Initialized", "True", began)]
    conditions += [_condition(kind, ready, ready_since) for kind in ("ContainersReady", "Ready")]
    container = pod["spec"]["containers"][0]
    return {
        "status": {
            "phase": _phase(pod, state),
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": "127.0.0.1",
            "startTime": stamp(began),
            "conditions": conditions,
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": container["image"],
                    "ready": state.ready,
                    "started": state.pid is not None,
                    "restartCount": state.restarts,
                    "state": container_state(state),
                    "lastState": _last_state(state),
                }
            ],
        }
    }


def _phase(pod: Json, state: ContainerState) -> str:
    if state.ended and state.exit_code == 0 and may_end(pod):
        return "Succeeded"
    return "Running" if state.pid is not None or state.restarts else "Pending"


def may_end(pod: Json) -> bool:
    """Whether a pod's container is done once it ends well, as those of Jobs are."""
    return pod["spec"].get("restartPolicy") in {"OnFailure", "Never"}


def container_state(state: ContainerState) -> Json:
    """One of running, waiting, terminated, in the API's words; the others are nulled so that a patch removes them."""
    if state.pid is not None:
        return {"running": {"startedAt": stamp(state.started_at)}, "waiting": None, "terminated": None}
    if state.ended:
        return {"terminated": {"exitCode": state.exit_code or 0}, "running": None, "waiting": None}
    return {"waiting": {"reason": state.waiting or "ContainerCreating"}, "running": None, "terminated": None}


def _last_state(state: ContainerState) -> Json:
    if state.exit_code is None:
        return {}
    # A process ended by a signal has a negative exit status here and 128 + the signal in the API.
    code = 128 - state.exit_code if state.exit_code < 0 else state.exit_code
    return {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}}


def container_spec(pod: Json, address: str, folder: Path, base_env: Mapping[str, str]) -> ContainerSpec:
    """What to run for a pod's one container; `folder` is the pod's scratch folder, told to it as POD_DIR."""
    container, metadata = pod["spec"]["containers"][0], pod["metadata"]
    ports = container.get("ports") or [{"containerPort": 8000}]
    given = {"HOST": address, "PORT": str(ports[0]["containerPort"]), "POD_DIR": str(folder)}
    env = {**base_env, **given}
    for entry in container.get("env", []):
        env[entry["name"]] = _expand(_value(entry, pod, address), env)
    hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {})
    return ContainerSpec(
        name=f"{metadata['namespace']}/{metadata['name']}",
        argv=[*container.get("command", []), *container.get("args", [])],
        env=env,
        log=folder / "log",
        readiness=probe_of(container.get("readinessProbe"), address),
        liveness=probe_of(container.get("livenessProbe"), address),
        pre_stop=list(hook.get("command", [])),
        ends=may_end(pod),
    )


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by what has been set before it, as Kubernetes does."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text)


def _value(entry: Json, pod: Json, address: str) -> str:
    """An environment entry's value: written down, or one of the pod's own fields."""
    if "value" in entry or "valueFrom" not in entry:
        return str(entry.get("value", ""))
    field = entry["valueFrom"]["fieldRef"]["fieldPath"]
    if field == "status.podIP":
        return address
    found: object = pod
    for part in field.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return str(found)
