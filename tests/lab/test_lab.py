"""The lab breaks for real, shows it in real metrics, and heals by what a person would do through the API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator.lab import audit, breaks, load
from simulator.lab.lab import LabHandle, down, ready_replicas, revision_of, status
from simulator.lab.processes import python_env
from simulator.lab.rest import ApiError, KubeApi
from simulator.lab.servers import answers_200, wait_until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("lab"), pytest.mark.timeout(900)]

DEPLOYMENT = "/apis/apps/v1/namespaces/serving/deployments/chat"
PODS = "/api/v1/namespaces/serving/pods"


def query(lab: LabHandle, promql: str) -> dict[str, float]:
    """Ask Prometheus; values by pod, or by '' where there is no such label."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{lab.prometheus_url}/api/v1/query", params={"query": promql}, timeout=60).json()
    rows: list[dict[str, Any]] = answer["data"]["result"]
    return {row["metric"].get("pod", ""): float(row["value"][1]) for row in rows}


def value(lab: LabHandle, promql: str) -> float:
    """The one value of a query; 0 when there is none."""
    return query(lab, promql).get("", 0.0)


def pod_names(api: KubeApi) -> set[str]:
    return {pod["metadata"]["name"] for pod in api.items(PODS) if "deletionTimestamp" not in pod["metadata"]}


def restarts_of(api: KubeApi, pod: str) -> int:
    return int(api.get(f"{PODS}/{pod}")["status"]["containerStatuses"][0]["restartCount"])


def well_for(lab: LabHandle, seconds: int) -> bool:
    """Whether clients have got good answers only for so many seconds."""
    rows = load.read_ledger(lab.run_dir)
    since = load.well_since(rows)
    return since is not None and rows[-1].at - since >= seconds


def settle(lab: LabHandle, admin: KubeApi) -> None:
    wait_until(lambda: ready_replicas(admin) == 3 and len(admin.items(PODS)) == 3, "three settled pods", 240)
    wait_until(lambda: well_for(lab, 6), "good answers", 240)


def containers(lab: LabHandle) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((lab.run_dir / "containers.json").read_text())
    return found


def bad_since(lab: LabHandle, at: float) -> bool:
    return load.first_bad_at(load.read_ledger(lab.run_dir), at) is not None


def truth(lab: LabHandle) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (lab.run_dir / breaks.TRUTH).read_text().splitlines()]


def test_three_replicas_are_ready_scraped_and_answer(lab: LabHandle, admin: KubeApi) -> None:
    settle(lab, admin)
    wait_until(lambda: value(lab, 'sum(up{job="pods"})') == 3, "three scraped pods")
    wait_until(lambda: value(lab, 'sum(rate(http_requests_total{service="chat",status="2xx"}[10s]))') > 1, "traffic")
    # A scrape may be late or fail on a busy machine: what the next one shows counts.
    running = 'vllm:num_requests_running{namespace="serving",service="chat"}'
    wait_until(lambda: pod_names(admin) == set(query(lab, running)), "every pod in Prometheus")
    ready = 'sum(kube_deployment_status_replicas_ready{namespace="serving",service="chat"})'
    wait_until(lambda: value(lab, ready) == 3, "three ready replicas in Prometheus")
    nodes = 'sum(kube_node_status_condition{condition="Ready",status="true"})'
    wait_until(lambda: value(lab, nodes) == 3, "three ready nodes in Prometheus")
    wait_until(lambda: value(lab, "sum(rate(vllm:generation_tokens_total[10s]))") > 0, "tokens")
    assert len({pod["spec"]["nodeName"] for pod in admin.items(PODS)}) >= 2  # soft spread
    assert status(lab.run_dir).up


def test_the_controllers_role_is_enough_and_no_more(lab: LabHandle, controller: KubeApi) -> None:
    for path in (DEPLOYMENT, PODS, "/api/v1/nodes", "/apis/apps/v1/namespaces/serving/replicasets"):
        assert controller.get(path)
    assert controller.get("/api/v1/namespaces/serving/events")["kind"] == "EventList"
    same = controller.get(DEPLOYMENT)["spec"]["replicas"]
    assert controller.patch(f"{DEPLOYMENT}/scale", {"spec": {"replicas": same}})["spec"]["replicas"] == same
    assert controller.patch("/api/v1/nodes/gpu-0", {"spec": {"unschedulable": None}})["kind"] == "Node"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "chat"}, "spec": {}}
    controller.ensure("/apis/coordination.k8s.io/v1/namespaces/serving/leases", lease)
    forbidden = {
        "/api/v1/namespaces/serving/secrets",
        "/api/v1/namespaces/serving/configmaps",
        "/api/v1/namespaces/kube-system/pods",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    }
    for path in sorted(forbidden):
        with pytest.raises(ApiError, match="403"):
            controller.get(path)
    pod = sorted(containers(lab))[0]
    for path in (f"{PODS}/{pod}", DEPLOYMENT, "/api/v1/nodes/gpu-0"):
        with pytest.raises(ApiError, match="403"):
            controller.delete(path)


def test_a_bad_release_fails_and_going_back_heals(lab: LabHandle, admin: KubeApi, controller: KubeApi) -> None:
    settle(lab, admin)
    good = revision_of(admin.get(DEPLOYMENT))
    broken = breaks.break_(lab.run_dir, "bad_release")
    assert broken.target != good
    assert truth(lab)[-1] == {"id": "bad_release", "target": broken.target, "at": broken.at}
    errors = 'sum(rate(http_requests_total{service="chat",status="5xx"}[10s]))'
    wait_until(lambda: value(lab, errors) > 1, "errors in Prometheus")
    wait_until(lambda: bad_since(lab, broken.at), "a bad answer in the clients' book")
    wait_until(lambda: value(lab, "sum(increase(vllm:corrupted_requests_total[20s]))") > 0, "corrupted requests")
    wait_until(
        lambda: ready_replicas(admin) == 3, "a finished roll-out"
    )  # every check of Kubernetes is content with it
    causes = [
        item["metadata"]["annotations"] for item in controller.items("/apis/apps/v1/namespaces/serving/replicasets")
    ]
    assert any(broken.target in cause["kubernetes.io/change-cause"] for cause in causes)
    controller.patch(f"{DEPLOYMENT}?dryRun=All", breaks.release_patch(good, "would do"), "strategic-merge")
    controller.patch(DEPLOYMENT, breaks.release_patch(good, f"back to {good}"), "strategic-merge")
    # The server may write a line of its record after the answer that it is about.
    wait_until(lambda: len([w for w in audit.writes(lab.run_dir) if w.at > broken.at]) >= 2, "both writes on record")
    assert [write.dry_run for write in audit.writes(lab.run_dir) if write.at > broken.at] == [True, False]
    assert [write.resource for write in audit.effects(lab.run_dir) if write.at > broken.at] == ["deployments"]
    settle(lab, admin)
    wait_until(lambda: value(lab, errors) == 0, "no errors in Prometheus")


def test_a_hung_engine_stands_still_behind_a_green_page(lab: LabHandle, admin: KubeApi, controller: KubeApi) -> None:
    settle(lab, admin)
    broken = breaks.break_(lab.run_dir, "engine_hang_200")
    pod = broken.target
    assert truth(lab)[-1] == {"id": "engine_hang_200", "target": pod, "at": broken.at}
    steps = f'sum(increase(vllm:iteration_tokens_total_count{{pod="{pod}"}}[10s]))'
    wait_until(lambda: value(lab, steps) == 0 and value(lab, f'sum(up{{pod="{pod}"}})') == 1, "an idle engine")
    waiting = f'sum(vllm:num_requests_waiting{{pod="{pod}"}})'
    wait_until(lambda: value(lab, waiting) > 0, "requests that wait")
    wait_until(lambda: answers_200(f"http://{containers(lab)[pod]['address']}/health"), "a green page")
    wait_until(lambda: ready_replicas(admin) == 3, "three ready replicas")
    wait_until(lambda: bad_since(lab, broken.at), "a client's timeout")
    before = pod_names(admin)
    version = "policy/v1" if int(controller.get("/version")["minor"].rstrip("+")) >= 22 else "policy/v1beta1"
    eviction = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": pod, "namespace": "serving"}}
    # While another replica is not ready for a moment, the budget allows no eviction (429): asked again.
    wait_until(lambda: bool(controller.post(f"{PODS}/{pod}/eviction", eviction)), "an eviction that the budget allows")
    settle(lab, admin)
    assert pod not in pod_names(admin)
    assert len(pod_names(admin) - before) == 1
    evictions = [write for write in audit.effects(lab.run_dir) if write.resource == "pods/eviction"]
    assert [(write.verb, write.name, write.code) for write in evictions] == [("create", pod, 201)]


def test_a_crashed_server_is_started_again_and_counted(lab: LabHandle, admin: KubeApi) -> None:
    settle(lab, admin)
    pod, process = sorted(containers(lab).items())[0]
    restarts = f'sum(kube_pod_container_status_restarts_total{{pod="{pod}",service="chat"}})'
    wait_until(lambda: restarts_of(admin, pod) == value(lab, restarts), "the restarts of before in Prometheus")
    before = restarts_of(admin, pod)
    os.kill(process["pid"], signal.SIGKILL)
    wait_until(lambda: value(lab, restarts) > before, "a counted restart")
    settle(lab, admin)
    assert containers(lab)[pod]["pid"] != process["pid"]


def test_a_lab_outlives_who_brought_it_up_and_goes_down_from_anywhere(tmp_path: Path) -> None:
    run_dir = tmp_path / "second"
    code = "import sys, pathlib; from simulator.lab.lab import up; up(pathlib.Path(sys.argv[1]), rate=0)"
    subprocess.run([sys.executable, "-c", code, str(run_dir)], env=python_env(), check=True)
    assert status(run_dir).up
    assert len(status(run_dir).pods) == 3
    assert down(run_dir) >= 9
    assert not status(run_dir).up
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(run_dir).encode() in read(path)] == []
    assert down(run_dir) == 0


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
