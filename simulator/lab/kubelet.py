"""A small kubelet for several nodes at once: registers them, keeps them alive, and runs bound pods as local processes.

Every pod has an address of its own on the loopback (127.x.y.z), so containers listen on the ports that they name.
One container per pod; no images, volumes or init containers. `python -m simulator.lab.kubelet --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from prometheus_client import start_http_server
from prometheus_client.core import CollectorRegistry

from simulator.lab.container import Container, ContainerState
from simulator.lab.kube_state import KubeState, Objects
from simulator.lab.load import is_ready
from simulator.lab.pod_status import (
    container_spec,
    key_of,
    node_lease,
    node_object,
    node_status,
    pod_status,
    service_of,
)
from simulator.lab.processes import ProcessBook, python_env
from simulator.lab.rest import ApiError, Json, KubeApi, write_kubeconfig

TICK_S = 0.4
HEARTBEAT_S = 5.0
SHUTDOWN_GRACE_S = 3.0


@dataclass(slots=True)
class LocalPod:
    """A pod that runs here: its object as last seen, its container, and what was last reported of it."""

    pod: Json
    address: str
    container: Container
    began: datetime
    ready_since: datetime
    reported: ContainerState | None = None


@dataclass(slots=True)
class Addresses:
    """Hands out loopback addresses of a network of this run's own, never one twice in a row."""

    network: str = field(default_factory=lambda: f"127.{random.randint(16, 250)}.{random.randint(0, 250)}")
    last: int = 0

    def next(self, taken: set[str]) -> str:
        """The next free address."""
        for _ in range(253):
            self.last = self.last % 253 + 1
            address = f"{self.network}.{self.last}"
            if address not in taken:
                return address
        raise RuntimeError("no loopback address is left: more than 253 pods")


class Kubelet:
    """Looks at what should run, makes it so, reports. Level-based: a lost step is made up by the next."""

    def __init__(self, api: KubeApi, run_dir: Path, nodes: list[str], objects: Objects) -> None:
        self._api = api
        self._run_dir = run_dir
        self._nodes = nodes
        self._objects = objects
        self._book = ProcessBook(run_dir)
        self._pods: dict[str, LocalPod] = {}
        self._addresses = Addresses()
        self._beat_at = 0.0
        self._written = ""

    def register(self) -> None:
        """Make the nodes known."""
        for name in self._nodes:
            self._api.ensure("/api/v1/nodes", node_object(name))

    def tick(self) -> None:
        """One round: heartbeats, look, run and end, report, tell Prometheus where to scrape."""
        if time.monotonic() >= self._beat_at:
            self._heartbeat()
            self._beat_at = time.monotonic() + HEARTBEAT_S
        self._look()
        bound = {key_of(pod): pod for pod in self._objects.pods if pod["spec"].get("nodeName") in self._nodes}
        for key, pod in bound.items():
            try:
                self._see(key, pod)
            except ApiError as error:  # one pod's trouble must not keep the others waiting
                sys.stderr.write(f"kubelet: {pod['metadata']['name']}: {error}\n")
        for key in sorted(self._pods.keys() - bound.keys()):
            self._drop(key)
        self._publish()

    def shut_down(self) -> None:
        """End all containers."""
        for local in self._pods.values():
            local.container.stop(SHUTDOWN_GRACE_S)
        for local in self._pods.values():
            local.container.join(SHUTDOWN_GRACE_S + 2)

    def _heartbeat(self) -> None:
        now = datetime.now(UTC)
        for name in self._nodes:
            self._api.patch(f"/api/v1/nodes/{name}/status", node_status(now), "strategic-merge")
            lease = node_lease(name, now)
            path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
            try:
                self._api.patch(f"{path}/{name}", {"spec": lease["spec"]})
            except ApiError as error:
                if error.status != 404:
                    raise
                self._api.post(path, lease)

    def _look(self) -> None:
        self._objects.pods = self._api.items("/api/v1/pods")
        self._objects.deployments = self._api.items("/apis/apps/v1/deployments")
        self._objects.nodes = self._api.items("/api/v1/nodes")

    def _see(self, key: str, pod: Json) -> None:
        """Bring one bound pod a step further."""
        local = self._pods.get(key)
        deleted = pod["metadata"].get("deletionTimestamp") is not None
        if local is None:
            if deleted:
                self._api.delete(self._path(pod), grace_s=0)
            elif pod["status"].get("phase") not in ("Succeeded", "Failed"):
                self._pods[key] = self._start(pod)
            return
        local.pod = pod
        if deleted:
            local.container.stop(float(pod["metadata"].get("deletionGracePeriodSeconds", 10)))
        self._report(local)
        if deleted and local.container.state.ended:
            self._api.delete(self._path(pod), grace_s=0)

    def _start(self, pod: Json) -> LocalPod:
        address = self._addresses.next({local.address for local in self._pods.values()})
        folder = self._run_dir / "pods" / pod["metadata"]["name"]
        folder.mkdir(parents=True, exist_ok=True)
        container = Container(container_spec(pod, address, folder, self._environment(pod, folder)), self._book)
        container.start()
        now = datetime.now(UTC)
        return LocalPod(pod, address, container, now, now)

    def _environment(self, pod: Json, folder: Path) -> dict[str, str]:
        """Give a pod the rights of its own service account, where it has one, as a kubeconfig: KUBECONFIG names it."""
        account = pod["spec"].get("serviceAccountName", "default")
        if account == "default":
            return python_env()
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/{account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self._api.post(path, request)["status"]["token"]
        config = write_kubeconfig(folder / "kubeconfig", self._api.url, Path(self._api.ca_file), token)
        return python_env({"KUBECONFIG": str(config)})

    def _drop(self, key: str) -> None:
        """Forget a pod whose object is gone, after its process is."""
        container = self._pods[key].container
        container.stop(SHUTDOWN_GRACE_S)
        if not container.is_alive():
            del self._pods[key]

    def _report(self, local: LocalPod) -> None:
        """Write the pod's status if it has changed, or if somebody else has: a node given up takes readiness away."""
        state = local.container.state
        if state == local.reported and (is_ready(local.pod) or not state.ready):
            return
        if local.reported is None or local.reported.ready != state.ready:
            local.ready_since = datetime.now(UTC)
        status = pod_status(local.pod, local.address, state, local.began, local.ready_since)
        try:
            self._api.patch(f"{self._path(local.pod)}/status", status, "strategic-merge")
        except ApiError as error:
            if error.status != 404:
                raise
        local.reported = state

    def _path(self, pod: Json) -> str:
        return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    def _publish(self) -> None:
        """Write Prometheus's targets and, for people and breaks, which process is which pod; only when changed."""
        pods = [local for local in self._pods.values() if local.container.state.pid is not None]
        text = json.dumps([_target(local) for local in pods], indent=1)
        if text == self._written:
            return
        _replace(self._run_dir / "targets.json", text)
        processes = {local.pod["metadata"]["name"]: _process(local) for local in pods}
        _replace(self._run_dir / "containers.json", json.dumps(processes, indent=1))
        self._written = text


def _target(local: LocalPod) -> Json:
    metadata = local.pod["metadata"]
    labels = {"namespace": metadata["namespace"], "pod": metadata["name"], "node": local.pod["spec"]["nodeName"]}
    address = f"{local.address}:{local.container.spec.env['PORT']}"
    # The number makes the file change when a container restarts; Prometheus drops labels with two underscores.
    number = str(local.container.state.pid)
    return {"targets": [address], "labels": {**labels, "service": service_of(local.pod), "__lab_pid": number}}


def _process(local: LocalPod) -> Json:
    env = local.container.spec.env
    return {"pid": local.container.state.pid, "address": f"{local.address}:{env['PORT']}", "folder": env["POD_DIR"]}


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def serve(kubelet: Kubelet, stopped: threading.Event) -> None:
    """Tick until told to stop; an API server that refuses or is away is tried again at the next tick."""
    registered = False
    while not stopped.wait(TICK_S):
        try:
            if not registered:
                kubelet.register()
                registered = True
            kubelet.tick()
        except ApiError as error:
            sys.stderr.write(f"kubelet: {error}\n")


def main() -> int:
    """Run until SIGTERM, then end every container."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--nodes", default="gpu-0,gpu-1,gpu-2", help="names of the nodes to be, separated by commas")
    parser.add_argument("--metrics-port", type=int, required=True)
    options = parser.parse_args()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    objects = Objects()
    registry = CollectorRegistry()
    registry.register(KubeState(objects))
    start_http_server(options.metrics_port, addr="127.0.0.1", registry=registry)
    kubelet = Kubelet(KubeApi.from_kubeconfig(options.kubeconfig), options.run_dir, options.nodes.split(","), objects)
    serve(kubelet, stopped)
    kubelet.shut_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
