"""The lab's parts by themselves: no server, no socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry

from simulator.lab import audit, breaks, load, network, pod_status, processes, releases, traffic
from simulator.lab.binaries import CONTROL_PLANE, LabError, candidates, complete
from simulator.lab.container import Container, ContainerSpec, ContainerState, probe_of
from simulator.lab.engine import CorruptOutputError, Engine
from simulator.lab.kube_state import KubeState, Objects
from simulator.lab.kubelet import Kubelet, LocalPod
from simulator.lab.lab import LabHandle, clear, down, manifests, revision_of, status
from simulator.lab.model_server import tokens_of
from simulator.lab.processes import ProcessBook
from simulator.lab.rest import ApiError
from simulator.lab.servers import wait_until
from simulator.lab.vllm_metrics import EngineMetrics

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


# -- traffic -----------------------------------------------------------------------------------------------------------


def test_replay_keeps_the_rate_and_the_order() -> None:
    sample = traffic.sample_fitted(500, seed=3)
    replayed = [arrival for arrival, _ in zip(traffic.replay(sample, rate=8.0), range(1000), strict=False)]
    assert sum(arrival.gap_s for arrival in replayed) / len(replayed) == pytest.approx(1 / 8)
    assert [arrival.prompt_tokens for arrival in replayed[:500]] == [arrival.prompt_tokens for arrival in sample]
    assert traffic.sample_fitted(500, seed=3) == sample
    assert traffic.sample_fitted(500, seed=4) != sample


def test_requests_fit_the_labs_model() -> None:
    assert traffic.fit(300.0, 7437, 1899) == traffic.Arrival(traffic.QUIET_S, 465, traffic.LONGEST_ANSWER)
    assert traffic.fit(0.0, 3, 0) == traffic.Arrival(0.0, 1, 1)


def test_the_fitted_figures_are_the_traces() -> None:
    path = traffic.find_trace()
    if path is None:
        pytest.skip("the trace is not on this machine (PRUNELLA_TRACE)")
    real, drawn = traffic.read_trace(path), traffic.sample_fitted(8819, seed=1)
    assert len(real) == 8819
    for name in ("prompt_tokens", "max_tokens"):
        means = [sum(getattr(arrival, name) for arrival in arrivals) / len(arrivals) for arrivals in (real, drawn)]
        assert means[1] == pytest.approx(means[0], rel=0.1)


# -- clients -----------------------------------------------------------------------------------------------------------


def test_the_ledger_tells_when_it_broke_and_since_when_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = load.Ledger(tmp_path / load.LOG)
    for second, verdicts in [
        (10, ["ok", "ok"]),
        (11, ["ok", "http_500"]),
        (12, ["timeout"]),
        (14, ["ok"]),
        (15, ["ok"]),
    ]:
        monkeypatch.setattr("time.time", lambda second=second: float(second))
        for verdict in verdicts:
            ledger.add(verdict, 0.1)
    monkeypatch.setattr("time.time", lambda: 16.0)
    ledger.flush()
    rows = load.read_ledger(tmp_path)
    assert [(row.at, row.ok, row.bad) for row in rows] == [(10, 2, 0), (11, 1, 1), (12, 0, 1), (14, 1, 0), (15, 1, 0)]
    assert rows[1].reasons == {"http_500": 1}
    assert load.first_bad_at(rows, after=10.5) == 11
    assert load.first_bad_at(rows, after=13) is None
    assert load.well_since(rows) == 14
    assert load.well_since(rows[:3]) is None


def test_a_short_answer_is_a_bad_answer() -> None:
    assert load.judged(200, b'{"usage": {"completion_tokens": 4}}', 4) == "ok"
    assert load.judged(200, b'{"usage": {"completion_tokens": 3}}', 4) == "short"
    assert load.judged(503, b"", 4) == "http_503"


def test_only_ready_pods_that_stay_get_traffic() -> None:
    leaving = pod("c", ready=True)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert load.ready_addresses([pod("b", ready=True), pod("a", ready=False), leaving]) == ["127.9.9.9:8000"]


# -- kubelet -----------------------------------------------------------------------------------------------------------


def pod(name: str, ready: bool = True) -> dict[str, Any]:
    """A bound pod as the API server shows it."""
    container = {
        "name": "server",
        "image": "registry.example/x:1",
        "command": ["python", "-m", "x"],
        "ports": [{"containerPort": 8000}],
        "env": [
            {"name": "REVISION", "value": "r41"},
            {"name": "MODEL_PATH", "value": "/models/$(REVISION)/$(UNKNOWN)"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 2},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}},
    }
    metadata = {
        "name": name,
        "namespace": "serving",
        "uid": f"uid-{name}",
        "labels": {"app.kubernetes.io/name": "chat"},
    }
    state = ContainerState(pid=1, started_at=1.0, ready=ready, restarts=2)
    bound = {"metadata": metadata, "spec": {"nodeName": "gpu-0", "containers": [container]}}
    return {**bound, **pod_status.pod_status(bound, "127.9.9.9", state, NOW, NOW)}


def test_a_pods_command_environment_and_probes_are_its_own() -> None:
    spec = pod_status.container_spec(pod("a"), "127.9.9.9", Path("/scratch"), {"PATH": "/bin"})
    assert spec.argv == ["python", "-m", "x"]
    assert spec.env["MODEL_PATH"] == "/models/r41/$(UNKNOWN)"
    assert (spec.env["POD_NAME"], spec.env["POD_IP"]) == ("a", "127.9.9.9")
    assert (spec.env["HOST"], spec.env["PORT"], spec.env["POD_DIR"]) == ("127.9.9.9", "8000", "/scratch")
    assert spec.readiness is not None
    assert spec.readiness.url == "http://127.9.9.9:8000/health"
    assert spec.liveness is None
    assert spec.pre_stop == ["sleep", "2"]
    assert probe_of({"tcpSocket": {"port": 1}}, "127.9.9.9") is None


@pytest.mark.parametrize(
    ("state", "phase", "word", "ready"),
    [
        (ContainerState(), "Pending", "waiting", "False"),
        (ContainerState(pid=5, started_at=1.0, ready=True, waiting=""), "Running", "running", "True"),
        (ContainerState(restarts=3, waiting="CrashLoopBackOff", exit_code=-9), "Running", "waiting", "False"),
        (ContainerState(ended=True, exit_code=0, restarts=1), "Running", "terminated", "False"),
    ],
)
def test_a_pods_status_says_how_its_container_stands(state: ContainerState, phase: str, word: str, ready: str) -> None:
    status_ = pod_status.pod_status(pod("a"), "127.9.9.9", state, NOW, NOW)["status"]
    container = status_["containerStatuses"][0]
    assert status_["phase"] == phase
    assert [key for key, inner in container["state"].items() if inner is not None] == [word]
    assert {item["type"]: item["status"] for item in status_["conditions"]}["Ready"] == ready
    assert container["restartCount"] == state.restarts
    if state.exit_code == -9:
        assert container["lastState"]["terminated"]["exitCode"] == 137


class Heard:
    """An API server that hears what is written to it."""

    def __init__(self) -> None:
        self.patches: list[str] = []

    def patch(self, path: str, body: dict[str, Any], kind: str) -> None:
        del body, kind
        self.patches.append(path)


def test_readiness_that_somebody_else_took_from_a_pod_is_written_again(tmp_path: Path) -> None:
    """As the control plane does with the pods of a node from which it has not heard for a while."""
    api = Heard()
    kubelet = Kubelet(api, tmp_path, ["gpu-0"], Objects())  # type: ignore[arg-type]
    local = LocalPod(
        pod("a"), "127.9.9.9", Container(ContainerSpec("a", [], {}, tmp_path / "log"), ProcessBook(tmp_path)), NOW, NOW
    )
    local.container.state = ContainerState(pid=1, started_at=1.0, ready=True, waiting="")
    for shown, written in ((True, 1), (True, 1), (False, 2), (True, 2)):
        local.pod = pod("a", ready=shown)
        kubelet._report(local)
        assert len(api.patches) == written


def test_a_server_that_is_busy_is_asked_again_and_a_no_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    answers: list[ApiError | bool] = [
        ApiError(0, "read timed out"),
        False,
        ApiError(503, "busy"),
        ApiError(429, "slow"),
        True,
    ]

    def holds() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    wait_until(holds, "it")
    assert answers == []
    answers = [ApiError(403, "never")]
    with pytest.raises(ApiError, match="never"):
        wait_until(holds, "it")
    answers = [ApiError(503, "busy")] * 2
    with pytest.raises(LabError, match=r"it did not happen within -1 s \(503: busy\)"):
        wait_until(holds, "it", limit_s=-1.0)


def test_object_figures_have_kube_state_metrics_names_and_the_service() -> None:
    deployment = {
        "metadata": {"namespace": "serving", "name": "chat", "generation": 2, "labels": {"app": "chat"}},
        "spec": {"replicas": 3},
        "status": {"readyReplicas": 2},
    }
    node = {"metadata": {"name": "gpu-0"}, "spec": {"unschedulable": True}, **pod_status.node_status(NOW)}
    registry = CollectorRegistry()
    registry.register(KubeState(Objects([deployment], [pod("a")], [node])))
    text = generate_latest(registry).decode()
    of_pod = 'container="server",namespace="serving",pod="a",service="chat",uid="uid-a"'
    on_node = of_pod.replace(",pod=", ',node="gpu-0",pod=')
    for line in (
        'kube_deployment_spec_replicas{deployment="chat",namespace="serving",service="chat"} 3.0',
        'kube_deployment_status_replicas_ready{deployment="chat",namespace="serving",service="chat"} 2.0',
        f"kube_pod_container_status_restarts_total{{{of_pod}}} 2.0",
        'kube_node_status_condition{condition="Ready",node="gpu-0",status="true"} 1.0',
        'kube_node_spec_unschedulable{node="gpu-0"} 1.0',
        'kube_node_status_allocatable{node="gpu-0",resource="nvidia_com_gpu",unit="integer"} 2.0',
        f"container_gpu_allocation{{{on_node}}} 1.0",
    ):
        assert line in text


# -- model server ------------------------------------------------------------------------------------------------------


def completions(release: Path, lengths: list[tuple[int, int]]) -> tuple[Engine, list[Any]]:
    engine = Engine(release, EngineMetrics("tiny", CollectorRegistry()))
    engine.start()
    return engine, [engine.submit([1] * prompt, answer) for prompt, answer in lengths]


def test_the_engine_answers_a_batch_in_full_and_the_same_each_time(tmp_path: Path) -> None:
    releases.publish_sound(tmp_path, "r41")
    lengths = [(5, 3), (40, 12), (1, 1), (7, 20), (7, 20)]
    engine, futures = completions(tmp_path / "r41", lengths)
    answers = [future.result(timeout=120) for future in futures]
    assert [len(answer.tokens) for answer in answers] == [answer for _, answer in lengths]
    assert {answer.finished_reason for answer in answers} == {"length"}
    assert answers[3].tokens == answers[4].tokens
    assert engine.submit([1] * 7, 20).result(timeout=120).tokens == answers[3].tokens


def test_a_badly_exported_release_loads_and_cannot_answer(tmp_path: Path) -> None:
    releases.publish_badly_exported(tmp_path, "r42")
    broken = network.load(tmp_path / "r42")
    assert not torch.isfinite(broken.head.weight).all()
    _, futures = completions(tmp_path / "r42", [(3, 2)])
    with pytest.raises(CorruptOutputError):
        futures[0].result(timeout=120)


def test_prompts_become_tokens_of_the_vocabulary() -> None:
    assert tokens_of([1, 513]) == [1, 1]
    assert tokens_of([]) == [0]
    words = tokens_of("the same the")
    assert words[0] == words[2] != words[1]
    assert len(tokens_of("")) == 1


# -- processes ---------------------------------------------------------------------------------------------------------


def test_a_book_stops_what_it_started_and_nothing_else(tmp_path: Path) -> None:
    book = processes.ProcessBook(tmp_path)
    pid = book.start("sleeper", ["sleep", "600"])
    stubborn = book.start("stubborn", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    with (tmp_path / processes.PIDS).open("a") as line:
        line.write("somebody else now 1 12345\n")  # a number that the kernel has given to another process since
    assert [entry.pid for entry in processes.running(tmp_path)] == [pid, stubborn]
    assert processes.stop_all(tmp_path, grace_s=0.3) == 2
    assert processes.running(tmp_path) == []
    assert processes.stop_all(tmp_path) == 0


def test_a_run_ends_with_its_holder_even_if_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from simulator.lab.processes import ProcessBook, held\n"
        "with held(pathlib.Path(sys.argv[1])) as run_dir:\n"
        "    ProcessBook(run_dir).start('sleeper', ['sleep', '600'])\n"
        "    print('up', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=processes.python_env(),
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        assert len(processes.running(tmp_path)) == 1
        holder.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes.running(tmp_path), "the end of the run")


# -- the lab -----------------------------------------------------------------------------------------------------------


def test_servers_are_looked_for_in_the_agreed_order(tmp_path: Path) -> None:
    environ = {"KUBEBUILDER_ASSETS": "/assets", "PATH": "/one:/two", "XDG_CACHE_HOME": str(tmp_path)}
    found = [str(folder) for folder in candidates(environ)]
    assert found == ["/assets", "/one", "/two", f"{tmp_path}/prunella/control-plane/bin"]
    for name in CONTROL_PLANE[:2]:  # envtest's own archives hold no more
        (tmp_path / name).touch(mode=0o755)
    assert not complete(tmp_path)


def test_a_folder_that_is_no_labs_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LabError, match="not a lab"):
        clear(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_lab_that_is_not_up_says_so(tmp_path: Path) -> None:
    assert not status(tmp_path / "nowhere").up
    assert down(tmp_path / "nowhere") == 0
    with pytest.raises(LabError, match="no lab is up"):
        breaks.break_(tmp_path, "bad_release")
    with pytest.raises(KeyError):
        breaks.break_(tmp_path, "no_such_break")


def test_a_handle_survives_its_file(tmp_path: Path) -> None:
    handle = LabHandle(
        run_dir=tmp_path,
        api_url="https://127.0.0.1:1",
        prometheus_url="http://127.0.0.1:2",
        admin_kubeconfig=tmp_path / "admin",
        controller_kubeconfig=tmp_path / "controller",
        namespace="serving",
        service="chat",
        deployment="chat",
        model_name="tiny-chat",
        replicas=3,
        scrape_interval_s=2,
        started_at=1.5,
        up_seconds=2.5,
    )
    handle.write()
    assert LabHandle.read(tmp_path) == handle
    assert handle.facts()["kubeconfig"] == str(tmp_path / "controller")
    assert "admin" not in str(handle.facts())


def test_a_release_is_one_patch_and_the_next_has_the_next_name(tmp_path: Path) -> None:
    values = {"models": "/models", "revision": "r41", "cause": "dana: first"}
    deployment = next(item for item in manifests("serving.yaml", values) if item["kind"] == "Deployment")
    assert revision_of(deployment) == "r41"
    patch: Any = breaks.release_patch("r42", "alice: release")
    assert patch["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "MODEL_REVISION", "value": "r42"}]
    for name in ("r41", "r9"):
        (tmp_path / name).mkdir()
    assert breaks.next_revision(tmp_path) == "r42"


def test_the_controllers_role_names_every_verb_and_no_star() -> None:
    rules = [rule for item in manifests("rbac.yaml") for rule in item.get("rules", [])]
    assert rules
    assert "*" not in str(rules)
    writes = {
        (r, v) for rule in rules for r in rule["resources"] for v in rule["verbs"] if v not in {"get", "list", "watch"}
    }
    assert writes == {
        ("deployments", "patch"),
        ("deployments/scale", "patch"),
        ("httproutes", "patch"),
        ("pods/eviction", "create"),
        ("leases", "create"),
        ("leases", "update"),
        ("nodes", "patch"),
    }


# -- audit -------------------------------------------------------------------------------------------------------------


def audit_event(verb: str, resource: str, uri: str = "/x", code: int = 200, sub: str = "") -> str:
    target = {"resource": resource, "name": "chat", **({"subresource": sub} if sub else {})}
    stamp = "2026-01-02T03:04:05.678901Z"
    status_ = {"code": code}
    event = {"verb": verb, "objectRef": target, "requestURI": uri, "requestReceivedTimestamp": stamp}
    return json.dumps({**event, "responseStatus": status_, "requestObject": {"spec": {}}})


def test_effects_are_writes_that_were_meant_and_granted(tmp_path: Path) -> None:
    lines = [
        audit_event("create", "selfsubjectaccessreviews", code=201),
        audit_event("patch", "deployments", uri="/apis/apps/v1/x?dryRun=All&fieldManager=y"),
        audit_event("patch", "deployments"),
        audit_event("create", "pods", code=429, sub="eviction"),
        audit_event("update", "leases"),
    ]
    (tmp_path / audit.LOG).write_text("\n".join(lines) + "\n")
    writes = audit.writes(tmp_path)
    assert [(write.verb, write.resource, write.dry_run, write.code) for write in writes] == [
        ("patch", "deployments", True, 200),
        ("patch", "deployments", False, 200),
        ("create", "pods/eviction", False, 429),
        ("update", "leases", False, 200),
    ]
    assert audit.effects(tmp_path) == [writes[1]]
    assert writes[0].at == datetime(2026, 1, 2, 3, 4, 5, 678901, UTC).timestamp()
    assert audit.effects(tmp_path / "nowhere") == []
