"""The lab as a whole: up, break, status, down. Everything it starts and knows lies in one run directory.

Example::

    handle = up(Path("/tmp/lab"), progress=print)
    broken = break_(handle.run_dir, "bad_release")
    down(handle.run_dir)
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from simulator.lab import load
from simulator.lab.binaries import LabError, Progress, find_control_plane, find_prometheus, quiet
from simulator.lab.processes import ProcessBook, held, python_env, running, stop_all
from simulator.lab.rest import ApiError, Json, KubeApi, write_kubeconfig
from simulator.lab.servers import ControlPlane, free_port, start_control_plane, start_prometheus, wait_until

NAMESPACE, SERVICE, DEPLOYMENT, MODEL_NAME = "serving", "chat", "chat", "tiny-chat"
FIRST_REVISION = "r41"
HANDLE = "lab.json"
SCRAPE_S = 2
REPLICAS = 3
_KINDS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "PodDisruptionBudget": "/apis/{version}/namespaces/{namespace}/poddisruptionbudgets",
    "Role": "/apis/{version}/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/{version}/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/{version}/clusterroles",
    "ClusterRoleBinding": "/apis/{version}/clusterrolebindings",
}


@dataclass(frozen=True, slots=True)
class LabHandle:
    """Where everything of a running lab is. What a controller may be told: `facts()`; the rest is the lab's own."""

    run_dir: Path
    api_url: str
    prometheus_url: str
    admin_kubeconfig: Path
    controller_kubeconfig: Path
    namespace: str
    service: str
    deployment: str
    model_name: str
    replicas: int
    scrape_interval_s: int
    started_at: float
    up_seconds: float

    def facts(self) -> dict[str, Any]:
        """What an owner would write into a controller's configuration."""
        return {
            "prometheus_url": self.prometheus_url,
            "kubeconfig": str(self.controller_kubeconfig),
            "namespace": self.namespace,
            "service": self.service,
            "deployment": self.deployment,
            "model_name": self.model_name,
            "scrape_interval_s": self.scrape_interval_s,
        }

    def write(self) -> None:
        """Keep the handle in the run directory for other processes."""
        values = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        (self.run_dir / HANDLE).write_text(json.dumps(values, indent=1) + "\n")

    @classmethod
    def read(cls, run_dir: Path) -> LabHandle:
        """The handle of a run; raises LabError when none was brought up there."""
        path = run_dir / HANDLE
        if not path.exists():
            raise LabError(f"no lab is up in {run_dir}: bring one up first")
        values = json.loads(path.read_text())
        for key in ("run_dir", "admin_kubeconfig", "controller_kubeconfig"):
            values[key] = Path(values[key])
        return cls(**values)


def default_run_dir() -> Path:
    """`$XDG_STATE_HOME/prunella/lab`, or the same under `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "prunella" / "lab"


def up(run_dir: Path, progress: Progress = quiet, rate: float = 8.0) -> LabHandle:
    """Bring everything up and wait until all replicas serve; a stale run in `run_dir` is stopped first.

    `rate` is the mean load in requests a second; 0 means no load. Raises LabError, having stopped what it had started.
    """
    run_dir = run_dir.resolve()
    clear(run_dir)
    began = time.time()
    with contextlib.ExitStack() as undone:
        undone.callback(stop_all, run_dir)
        handle = _up(run_dir, progress, rate, began)
        undone.pop_all()  # all is up: nothing is to be undone
        return handle


def _up(run_dir: Path, progress: Progress, rate: float, began: float) -> LabHandle:
    plane, metrics_port = _start_cluster(run_dir, progress)
    with KubeApi.from_kubeconfig(plane.admin_kubeconfig) as api:
        progress("deploying the model service, and the controller's role")
        _deploy(api, run_dir)
        controller = controller_kubeconfig(api, plane, run_dir)
        progress("starting Prometheus")
        prometheus = start_prometheus(run_dir, scrape_configs(run_dir, metrics_port), SCRAPE_S)
        progress(f"waiting for {REPLICAS} replicas of the model server")
        wait_until(lambda: ready_replicas(api) == REPLICAS, f"{REPLICAS} ready replicas", limit_s=120.0, step_s=0.3)
    if rate > 0:
        progress(f"starting clients: {rate:g} requests a second on average")
        _start_load(run_dir, plane, rate)
    handle = _handle(run_dir, plane, prometheus.url, controller, began)
    handle.write()
    progress(f"the lab is up after {handle.up_seconds} s; Prometheus at {handle.prometheus_url}")
    return handle


def _start_cluster(run_dir: Path, progress: Progress) -> tuple[ControlPlane, int]:
    """Start control plane and kubelet, and publish the first release; returns the port of the object figures too."""
    programs = find_control_plane(progress)
    find_prometheus(progress)
    publish(run_dir, "sound", FIRST_REVISION)
    progress("starting etcd, API server, controller-manager and scheduler")
    plane = start_control_plane(run_dir, programs)
    metrics_port = free_port()
    _start_kubelet(run_dir, plane, metrics_port)
    wait_for_release(run_dir, FIRST_REVISION)
    return plane, metrics_port


def _handle(run_dir: Path, plane: ControlPlane, prometheus_url: str, controller: Path, began: float) -> LabHandle:
    return LabHandle(
        run_dir=run_dir,
        api_url=plane.url,
        prometheus_url=prometheus_url,
        admin_kubeconfig=plane.admin_kubeconfig,
        controller_kubeconfig=controller,
        namespace=NAMESPACE,
        service=SERVICE,
        deployment=DEPLOYMENT,
        model_name=MODEL_NAME,
        replicas=REPLICAS,
        scrape_interval_s=SCRAPE_S,
        started_at=began,
        up_seconds=round(time.time() - began, 1),
    )


@contextlib.contextmanager
def running_lab(run_dir: Path, progress: Progress = quiet, rate: float = 8.0) -> Iterator[LabHandle]:
    """A lab for the length of a block; it goes down with the block, or with this process however that ends."""
    clear(run_dir.resolve())
    with held(run_dir.resolve()):
        try:
            yield up(run_dir, progress, rate)
        finally:
            down(run_dir)


def down(run_dir: Path) -> int:
    """Stop every process of the run; returns how many there were. Nothing there is no error. Logs stay for reading."""
    run_dir = run_dir.resolve()
    stopped = stop_all(run_dir) if run_dir.exists() else 0
    (run_dir / HANDLE).unlink(missing_ok=True)
    shutil.rmtree(run_dir / "etcd", ignore_errors=True)  # 60 MB of no further use
    return stopped


def clear(run_dir: Path) -> None:
    """Stop a stale run and empty its directory; refuses a directory with anything in it that is not a lab's."""
    if run_dir.exists():
        if any(run_dir.iterdir()) and not (run_dir / "lab").exists():
            raise LabError(f"{run_dir} holds something that is not a lab: give an empty or a new folder")
        stop_all(run_dir)
        shutil.rmtree(run_dir)
    run_dir.mkdir(parents=True)
    (run_dir / "lab").write_text("A run directory of the Prunella lab; it is emptied when a lab is brought up here.\n")


def _start_kubelet(run_dir: Path, plane: ControlPlane, metrics_port: int) -> None:
    argv = [sys.executable, "-m", "simulator.lab.kubelet", "--kubeconfig", str(plane.kubelet_kubeconfig)]
    argv += ["--run-dir", str(run_dir), "--metrics-port", str(metrics_port)]
    ProcessBook(run_dir).start("kubelet", argv, python_env())


def _start_load(run_dir: Path, plane: ControlPlane, rate: float) -> None:
    argv = [sys.executable, "-m", "simulator.lab.load", "--kubeconfig", str(plane.admin_kubeconfig)]
    argv += ["--run-dir", str(run_dir), "--namespace", NAMESPACE, "--service", SERVICE, "--rate", str(rate)]
    ProcessBook(run_dir).start("load", argv, python_env())


def publish(run_dir: Path, export: str, revision: str) -> None:
    """Begin to write a model release, `sound` or `overflowed`, in a process of its own."""
    argv = [sys.executable, "-m", "simulator.lab.releases", export, str(run_dir / "models"), revision]
    ProcessBook(run_dir).start(f"publish-{revision}", argv, python_env())


def wait_for_release(run_dir: Path, revision: str) -> None:
    """Wait until a release is whole; raises LabError when it is not after two minutes."""
    weights = run_dir / "models" / revision / "weights.pt"
    wait_until(weights.exists, f"model release {revision}")


def manifests(name: str, values: dict[str, str] | None = None) -> Iterator[Json]:
    """The objects of a YAML file of this package, with `{name}` placeholders filled in."""
    text = Path(__file__).with_name(name).read_text()
    for key, value in (values or {}).items():
        text = text.replace(f"{{{key}}}", value)
    yield from yaml.safe_load_all(text)


def apply(api: KubeApi, item: Json) -> None:
    """Create an object unless it exists."""
    path = _KINDS[item["kind"]].format(version=item["apiVersion"], namespace=item["metadata"].get("namespace", ""))
    api.ensure(path, item)


def _deploy(api: KubeApi, run_dir: Path) -> None:
    values = {
        "models": str(run_dir / "models"),
        "revision": FIRST_REVISION,
        "cause": f"dana: first release of the chat model, {FIRST_REVISION}",
    }
    versions = {version["groupVersion"] for group in api.get("/apis")["groups"] for version in group["versions"]}
    for item in manifests("serving.yaml", values):
        if item["apiVersion"].startswith("policy/") and "policy/v1" in versions and _serves_budgets(api):
            item["apiVersion"] = "policy/v1"
        apply(api, item)
    for item in manifests("rbac.yaml"):
        apply(api, item)


def _serves_budgets(api: KubeApi) -> bool:
    return any(found["name"] == "poddisruptionbudgets" for found in api.get("/apis/policy/v1")["resources"])


CONTROLLER = "/api/v1/namespaces/prunella/serviceaccounts/prunella/token"


def controller_kubeconfig(api: KubeApi, plane: ControlPlane, run_dir: Path, account: str = CONTROLLER) -> Path:
    """A kubeconfig with a token of the controller's ServiceAccount, or another's, good for a day."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86_400}}
    token = api.post(account, request)["status"]["token"]
    return write_kubeconfig(run_dir / "controller.kubeconfig", plane.url, plane.ca_file, token, NAMESPACE)


def scrape_configs(run_dir: Path, metrics_port: int) -> list[Json]:
    """What Prometheus looks at: every pod by the kubelet's target file, and the object figures as they are labelled."""
    targets = {"files": [str(run_dir / "targets.json")], "refresh_interval": "1s"}
    exporter = {"targets": [f"127.0.0.1:{metrics_port}"]}
    return [
        {"job_name": "pods", "file_sd_configs": [targets]},
        {"job_name": "kube-state-metrics", "honor_labels": True, "static_configs": [exporter]},
    ]


def ready_replicas(api: KubeApi) -> int:
    """Replicas of the service that are ready and of its newest template; 0 while there is no such Deployment."""
    try:
        found = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}")["status"]
    except ApiError as error:
        if error.status != 404:
            raise
        return 0
    return min(int(found.get("readyReplicas", 0)), int(found.get("updatedReplicas", 0)))


@dataclass(frozen=True, slots=True)
class LabStatus:
    """How a lab stands: live processes by name, pods, the served revision and the clients' last half minute."""

    up: bool
    processes: list[str]
    pods: list[dict[str, Any]]
    revision: str
    ok: int
    bad: int


def status(run_dir: Path) -> LabStatus:
    """Look at a lab; one that is down has no processes."""
    run_dir = run_dir.resolve()
    names = [entry.name for entry in running(run_dir)] if run_dir.exists() else []
    if "kube-apiserver" not in names or not (run_dir / HANDLE).exists():
        return LabStatus(False, names, [], "", 0, 0)
    handle = LabHandle.read(run_dir)
    with KubeApi.from_kubeconfig(handle.admin_kubeconfig) as api:
        deployment = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}")
        pods = [_pod_row(pod) for pod in api.items(f"/api/v1/namespaces/{NAMESPACE}/pods")]
    recent = [second for second in load.read_ledger(run_dir) if second.at >= time.time() - 30]
    ok, bad = sum(second.ok for second in recent), sum(second.bad for second in recent)
    return LabStatus(True, names, pods, revision_of(deployment), ok, bad)


def _pod_row(pod: Json) -> dict[str, Any]:
    containers = pod["status"].get("containerStatuses") or [{}]
    return {
        "name": pod["metadata"]["name"],
        "node": pod["spec"].get("nodeName", ""),
        "phase": pod["status"].get("phase", ""),
        "ready": bool(containers[0].get("ready", False)),
        "restarts": int(containers[0].get("restartCount", 0)),
    }


def revision_of(deployment: Json) -> str:
    """The model revision that a Deployment's template asks for."""
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(entry["value"]) for entry in env if entry["name"] == "MODEL_REVISION")
