"""The implementations that every contract is held against: the pretend world, its twin, and a real API server."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from config.fleet import Fleet, Service, ServiceKind
from config.load import load_fleet
from config.servers import ClusterSettings
from simulator.lab.load import is_ready
from simulator.lab.rest import Json
from simulator.lab.rest import KubeApi as AdminApi
from simulator.lab.servers import ControlPlane, wait_until
from simulator.twin.serve import served, write_kubeconfig
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.plane import NAMESPACE, standing_plane
from tools.live.clock import SystemClock
from tools.live.kube_actuator import KubernetesActuator
from tools.live.kube_api import KubeApi
from tools.live.kubernetes import KubernetesCluster
from tools.ports import Actuator, Cluster

APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
FLEET = Fleet(
    services=(
        Service(name="chat", kind=ServiceKind.LANGUAGE, namespace=NAMESPACE),
        Service(name="spare", kind=ServiceKind.LANGUAGE, namespace=NAMESPACE),
        Service(name="translate", kind=ServiceKind.VENDOR, vendors=("acme",)),
    )
)


class Stage:
    """A fleet with a service ``chat`` of some replicas and two revisions, seen and moved through the ports."""

    cluster: Cluster
    actuator: Actuator
    node: str

    def settle(self) -> None:
        """Let what was asked for happen."""
        raise NotImplementedError

    def now(self) -> datetime:
        """The time there."""
        raise NotImplementedError


class PretendStage(Stage):
    def __init__(self) -> None:
        demo = Path(__file__).parents[2] / "config" / "demo.yaml"
        self.world = World(load_fleet(demo))
        self.cluster, self.actuator = self.world.cluster, self.world.actuator
        self.settle()
        self.node = self.cluster.topology().nodes[0].name

    def settle(self) -> None:
        for _ in range(30):
            self.world.advance(30.0)

    def now(self) -> datetime:
        return self.world.clock.now()


class TwinStage(Stage):
    """The pretend world again, through its servers and the live adapters."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        fleet = load_fleet(Path(__file__).parents[2] / "config" / "demo.yaml")
        self.twin = Twin(World(fleet))
        clock = self.twin.world.clock
        where = stack.enter_context(served(self.twin, clock.now))
        kubeconfig = write_kubeconfig(folder / "kubeconfig", where.cluster_url, "default")
        self.api = KubeApi(ClusterSettings.model_validate({"kubeconfig": kubeconfig, "timeout": "30s"}))
        stack.callback(self.api.close)
        self.cluster = KubernetesCluster(self.api, fleet, clock)
        self.actuator = KubernetesActuator(self.api, fleet, clock)
        self.settle()
        self.node = self.cluster.topology().nodes[0].name

    def settle(self) -> None:
        for _ in range(30):
            self.twin.advance()

    def now(self) -> datetime:
        return self.twin.world.clock.now()


@dataclass
class RealCluster:
    """A control plane whose kubelet runs pods that sleep."""

    plane: ControlPlane
    admin: AdminApi

    def api(self, kubeconfig: Path | None = None, timeout: str = "30s") -> KubeApi:
        config = {"kubeconfig": kubeconfig or self.plane.admin_kubeconfig, "timeout": timeout}
        return KubeApi(ClusterSettings.model_validate(config))


def deployment(name: str, label: str, replicas: int) -> Json:
    """A Deployment of pods that sleep; ``label`` makes its template differ."""
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": "server",
        "image": "registry.example/sleeper:1",
        "command": ["sleep", "600"],
        "env": [{"name": "RELEASE", "value": label}],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "annotations": {"kubernetes.io/change-cause": f"dana: release {label}"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""What the control plane itself adds to a cordoned node, and takes away again, some time after."""


class RealStage(Stage):
    def __init__(self, real: RealCluster) -> None:
        self.real = real
        self.api = real.api()
        clock = SystemClock()
        self.cluster, self.actuator = (
            KubernetesCluster(self.api, FLEET, clock),
            KubernetesActuator(self.api, FLEET, clock),
        )
        self.node = "gpu-0"
        self._fresh()

    def _fresh(self) -> None:
        admin = self.real.admin
        for found in admin.items(APPS):
            admin.delete(f"{APPS}/{found['metadata']['name']}")
        wait_until(lambda: not admin.items(f"/api/v1/namespaces/{NAMESPACE}/pods"), "an empty namespace")
        wait_until(lambda: not admin.items(APPS.replace("deployments", "replicasets")), "no ReplicaSet")
        admin.patch(f"/api/v1/nodes/{self.node}", {"spec": {"unschedulable": None}, "metadata": {"annotations": None}})
        wait_until(lambda: UNSCHEDULABLE not in self.taints(), "the end of the cordon of the test before")
        admin.post(APPS, deployment("chat", "a", 3))
        self.settle()
        second = deployment("chat", "b", 3)
        admin.patch(f"{APPS}/chat", {"metadata": second["metadata"], "spec": second["spec"]}, "strategic-merge")
        self.settle()

    def settle(self) -> None:
        admin = self.real.admin

        def stands() -> bool:
            count = 0
            for item in admin.items(APPS):
                wanted, status = item["spec"]["replicas"], item["status"]
                whole = [status.get(k, 0) for k in ("replicas", "readyReplicas", "updatedReplicas")] == [wanted] * 3
                if status.get("observedGeneration") != item["metadata"]["generation"] or not whole:
                    return False
                count += wanted
            # A Deployment may not have noticed yet that a pod has gone: its pods are counted too.
            pods = admin.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
            return len(pods) == count and all(
                is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods
            )

        wait_until(stands, "a settled rollout")

    def taints(self) -> list[str]:
        """The keys of the node's taints, as the server has them."""
        return [taint["key"] for taint in self.real.admin.get(f"/api/v1/nodes/{self.node}")["spec"].get("taints", [])]

    def now(self) -> datetime:
        return SystemClock().now()


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A control plane and a kubelet, for the whole session; skips with the reason, but never under CI=true."""
    with standing_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield RealCluster(plane.control, plane.admin)


@pytest.fixture
def real_stage(real_cluster: RealCluster) -> Iterator[RealStage]:
    made = RealStage(real_cluster)
    yield made
    made.api.close()


@pytest.fixture
def twin_stage(tmp_path: Path) -> Iterator[TwinStage]:
    with ExitStack() as stack:
        yield TwinStage(tmp_path, stack)
    gc.collect()  # a world holds fifty megabytes, and refers to itself


WIRED = [pytest.mark.real, pytest.mark.enable_socket]


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("kubernetes", marks=WIRED)])
def stage(request: pytest.FixtureRequest) -> Stage:
    """Any implementation, fresh."""
    if request.param == "world":
        return PretendStage()
    made: Any = request.getfixturevalue("twin_stage" if request.param == "twin" else "real_stage")
    assert isinstance(made, Stage)
    return made
