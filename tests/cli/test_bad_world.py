"""The real wiring over servers that are away, empty or wrong: a clear word each, exit code 1 or 2, nothing acted on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from simulator.lab.rest import write_kubeconfig
from tests.live.conftest import Script, Served, reply, serve  # noqa: F401 - a fixture
from tools.live.journal import SqlJournal

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"  # the port of "discard": nobody listens there
FLEET = b"fleet: {services: [{name: chat, kind: language}]}\n"
EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
READS = ("GET ", "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews")


def prunella(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    code = "from simulator.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def configured(folder: Path, prometheus: str, kubernetes: str, extra: str = "") -> str:
    """Write a configuration that would act alone, if it could."""
    write_kubeconfig(folder / "kube.yaml", kubernetes, folder / "none", "token")
    objective = "{name: chat, kind: language, objectives: [{signal: error_ratio, target: 0.02}]}"
    (folder / "p.yaml").write_text(
        f"autonomy: act\nfleet: {{services: [{objective}]}}\nmetrics: {{url: '{prometheus}', timeout: 30s}}\n"
        f"cluster: {{kubeconfig: kube.yaml, timeout: 15s}}\n{extra}"
    )
    return str(folder / "p.yaml")


def empty_cluster(handler: BaseHTTPRequestHandler) -> None:
    """Answer as an API server with nothing in it, that allows everything."""
    if handler.command == "POST":
        reply(handler, 201, b'{"status":{"allowed":true}}', Content_Type="application/json")
        return
    group = handler.path.split("?")[0].strip("/").split("/")
    if len(group) == 2 and group[0] == "apis":
        body: dict[str, object] = {"preferredVersion": {"groupVersion": f"{group[1]}/v1"}}
    else:
        body = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []}
    reply(handler, 200, json.dumps(body).encode(), Content_Type="application/json")


def empty_prometheus(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, EMPTY, Content_Type="application/json")


def nothing_done(folder: Path, *servers: Served) -> bool:
    """Whether no server was asked to change anything, and no step was ever intended."""
    asked = [request for server in servers for request in server.requests]
    journal = folder / "prunella.db"
    kinds = [entry.kind for entry in SqlJournal(f"sqlite:///{journal}").entries()] if journal.is_file() else []
    quiet = all(request.startswith(READS) or "/api/v1/query" in request for request in asked)
    return quiet and not kinds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff\xfe\x00", "not YAML"),
        (b"fleet: [", "p.yaml:1: not YAML"),
        (FLEET + b"metrics: {url: http://p}\nautonomi: act\n", "p.yaml:3: autonomi: unknown field"),
        (FLEET + b"metrics: {url: http://p, selector: {}}\n", "p.yaml:2: metrics.selector: selector is empty"),
    ],
)
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_file_that_cannot_be_used_is_exit_2_and_one_line(
    tmp_path: Path, command: str, text: bytes, says: str
) -> None:
    (tmp_path / "p.yaml").write_bytes(text)
    done = prunella(command, "--config", str(tmp_path / "p.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
    assert not (tmp_path / "prunella.db").exists()


def test_servers_that_are_away_are_no_data_and_nothing_is_done(tmp_path: Path) -> None:
    config = configured(tmp_path, NOBODY, NOBODY)
    once = prunella("run", "--once", "--config", config)
    assert once.returncode == 1, once.stderr
    assert "chat no_data" in once.stdout
    assert "Traceback" not in once.stderr
    checks = doctor(config)
    assert checks["metrics"][0] == checks["cluster"][0] == checks["Kubernetes"][0] == "bad"
    assert nothing_done(tmp_path)


def test_metrics_that_are_missing_are_no_data_and_named_and_nothing_is_done(
    tmp_path: Path, serve: Callable[[Script], Served]  # noqa: F811
) -> None:  # fmt: skip
    metrics, cluster = serve(empty_prometheus), serve(empty_cluster)
    config = configured(tmp_path, metrics.url, cluster.url)
    once = prunella("run", "--once", "--config", config)
    assert once.returncode == 1, once.stderr
    assert "chat no_data" in once.stdout
    checks = doctor(config)
    assert checks["metrics of chat"] == (
        "bad",
        "NO DATA for its objectives: error_ratio (no series of http_requests_total)",
    )
    assert checks["workload of chat"] == ("bad", "no Deployment default/chat")
    assert checks["rights"][0] == "ok"
    assert cluster.requests
    assert nothing_done(tmp_path, metrics, cluster)


def doctor(config: str) -> dict[str, tuple[str, str]]:
    """What the doctor says, by name; it is exit 1 when something is bad."""
    done = prunella("doctor", "--config", config, "--json")
    assert done.returncode == 1, done.stderr
    return {check["name"]: (check["state"], check["text"]) for check in json.loads(done.stdout)}


def test_a_cluster_without_credentials_is_one_line(tmp_path: Path) -> None:
    config = configured(tmp_path, NOBODY, NOBODY)
    (tmp_path / "kube.yaml").unlink()
    for command in (("run", "--once"), ("doctor",)):
        done = prunella(*command, "--config", config)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr


def test_a_broken_journal_is_told_and_prunella_only_looks(tmp_path: Path) -> None:
    config = configured(tmp_path, NOBODY, NOBODY)
    (tmp_path / "prunella.db").write_bytes(b"no database at all" * 100)
    done = prunella("run", "--once", "--config", config)
    assert done.returncode == 1
    assert "PROBLEM halted: " in done.stdout
    assert (tmp_path / "prunella.db").read_bytes() == b"no database at all" * 100  # it is evidence: left as it was
