"""Drills against a real API server: consent, a reverter of their own, and Prunella's healing left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.duration import parse_duration
from config.servers import ClusterSettings
from simulator.lab.lab import apply, controller_kubeconfig
from simulator.lab.load import is_ready
from simulator.lab.processes import python_env
from simulator.lab.rest import Json
from simulator.lab.rest import KubeApi as AdminApi
from simulator.lab.servers import wait_until
from simulator.staging.edits import Edit, setting
from simulator.staging.hands import Hands, Place
from simulator.staging.mark import LAST, MARK, READY, Mark
from simulator.staging_cli import opened
from tests.contracts.conftest import APPS, FLEET, RealCluster, deployment
from tests.plane import NAMESPACE
from tools.action import Operation, RestoreRevision, SetReplicas
from tools.errors import Refused
from tools.live.clock import SystemClock
from tools.live.journal import SqlJournal
from tools.live.kube_actuator import KubernetesActuator

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.enable_socket, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
CHAT = f"{APPS}/chat"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
COMMAND = ["sleep", "600"]
PLACE = Place(NAMESPACE, "chat")


@dataclass
class Ground:
    """A staging cluster that consents, with a service of two replicas, and who may drill it."""

    real: RealCluster
    admin: AdminApi
    config: Path
    folder: Path

    def chat(self) -> Json:
        return self.admin.get(CHAT)

    def note(self, name: str) -> str | None:
        found: str | None = (self.chat()["metadata"].get("annotations") or {}).get(name)
        return found

    def command(self) -> list[str]:
        found: list[str] = self.chat()["spec"]["template"]["spec"]["containers"][0]["command"]
        return found

    def argv(self, *words: str) -> list[str]:
        code = "from simulator.cli import main; main()"
        return [sys.executable, "-c", code, "drill", "--against", str(self.config), "--service", "chat", *words]

    def planned(self, fault: str, ttl: str) -> list[str]:
        """The command line of an approved drill."""
        staging = opened(self.config)
        digest = staging.plan(fault, "chat", parse_duration(ttl)).digest
        staging.hands.api.close()
        return self.argv(fault, "--ttl", ttl, "--approve", digest, "--by", "dana", "--json", "-")

    def driller(self, fault: str, ttl: str) -> subprocess.Popen[bytes]:
        """A driller that has just put its fault in."""
        argv = self.planned(fault, ttl)
        with (self.folder / "driller.log").open("w") as log, (self.folder / "out.json").open("w") as out:
            found = subprocess.Popen(argv, env=python_env(), stdout=out, stderr=log)
        wait_until(lambda: self.note(MARK) is not None or found.poll() is not None, "a fault", 200)
        assert found.poll() is None, (self.folder / "driller.log").read_text()
        return found

    def settle(self) -> None:
        def stands() -> bool:
            found = self.chat()
            wanted, status = found["spec"]["replicas"], found["status"]
            counts = [status.get(k, 0) for k in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")]
            pods = self.admin.items(PODS, labelSelector="app.kubernetes.io/name=chat")
            whole = len(pods) == wanted and all(is_ready(pod) for pod in pods)
            return (
                status.get("observedGeneration") == found["metadata"]["generation"] and counts == [wanted] * 4 and whole
            )

        wait_until(stands, "a settled rollout", 240)

    def states(self) -> list[str]:
        journal = SqlJournal(f"sqlite:///{self.folder}/prunella.db")
        try:
            return [str(entry.body["state"]) for entry in journal.entries(kinds=("DRILL",))]
        finally:
            journal.close()

    def prunella(self) -> KubernetesActuator:
        """Her own hands, with her own rights' way of writing."""
        return KubernetesActuator(self.real.api(), FLEET, SystemClock())


def _config(folder: Path, kubeconfig: Path) -> Path:
    services = [{"name": "chat", "kind": "language", "environment": "staging"}]
    drills = {
        "services": ["chat"],
        "namespaces": [NAMESPACE],
        "approvers": ["dana"],
        "reverter_image": "x",
        "hold": "2s",
    }
    found = {
        "environment": "staging",
        "fleet": {"services": services},
        "metrics": {"url": "http://127.0.0.1:9"},
        "cluster": {"kubeconfig": str(kubeconfig), "namespace": NAMESPACE},
        "drills": drills,
    }
    file = folder / "staging.yaml"
    file.write_text(yaml.safe_dump(found))
    return file


@pytest.fixture
def ground(real_cluster: RealCluster, tmp_path: Path) -> Iterator[Ground]:
    admin = real_cluster.admin
    for name in ("rbac.yaml", "drills.yaml"):
        for item in yaml.safe_load_all((ROOT / "deploy" / name).read_text()):
            apply(admin, item)
    admin.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": {"prunella.dev/drills": "allowed"}}})
    for found in admin.items(APPS):
        admin.delete(f"{APPS}/{found['metadata']['name']}")
    wait_until(lambda: not admin.items(APPS.replace("deployments", "replicasets")), "no ReplicaSet", 120)
    wait_until(
        lambda: not admin.items(PODS, labelSelector="app.kubernetes.io/name=chat"),
        "no pod",
        120,
    )
    leases = "/apis/coordination.k8s.io/v1/namespaces/prunella/leases"
    admin.delete(f"{leases}/prunella-drill")
    admin.post(APPS, deployment("chat", "a", 2))
    account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/prunella-driller/token"
    kubeconfig = controller_kubeconfig(admin, real_cluster.plane, tmp_path, account)
    made = Ground(real_cluster, admin, _config(tmp_path, kubeconfig), tmp_path)
    made.settle()
    yield made
    for path in (f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", PODS):  # the next test may want an empty namespace
        for found in admin.items(path, labelSelector="app.kubernetes.io/name=prunella-reverter"):
            admin.delete(f"{path}/{found['metadata']['name']}")


def test_a_killed_driller_leaves_nothing_behind(ground: Ground) -> None:
    driller = ground.driller("pod_crash_loop", "10s")
    assert ground.command() != COMMAND
    driller.send_signal(signal.SIGKILL)
    driller.wait(60)
    assert ground.states()[:2] == ["planned", "intent"]
    wait_until(lambda: ground.note(MARK) is None, "a reverter", 150)
    assert ground.command() == COMMAND
    assert "1 of 1 fields taken back" in str(ground.note(LAST))
    assert ground.note(READY) is None
    ground.settle()
    assert "scored" not in ground.states()


def test_what_prunella_healed_stays_as_she_left_it(ground: Ground) -> None:
    driller = ground.driller("pod_crash_loop", "20s")
    driller.send_signal(signal.SIGSTOP)  # it shall not clean up before the reverter does
    hands = ground.prunella()
    hands.apply(RestoreRevision(service="chat", revision="1"), Operation(id="op-1", incident="inc-1", epoch=1))
    hands.apply(SetReplicas(service="chat", replicas=3), Operation(id="op-2", incident="inc-1", epoch=1))
    ground.settle()
    before = ground.chat()["spec"]
    wait_until(lambda: ground.note(MARK) is None, "a reverter", 150)
    assert "0 of 1 fields taken back, the others were changed since" in str(ground.note(LAST))
    assert ground.chat()["spec"] == before
    driller.send_signal(signal.SIGKILL)
    driller.wait(60)


def test_a_drill_that_prunella_heals_is_scored_so(ground: Ground) -> None:
    driller = ground.driller("pod_crash_loop", "3m")
    ground.prunella().apply(
        RestoreRevision(service="chat", revision="1"), Operation(id="op-3", incident="inc-1", epoch=1)
    )
    assert driller.wait(220) == 0, (ground.folder / "driller.log").read_text()
    found: dict[str, Any] = json.loads((ground.folder / "out.json").read_text())
    assert (found["healed"], found["by"], found["detected"]) == (True, "prunella", False)
    assert ground.states() == ["planned", "intent", "put_in", "taken_back", "scored"]
    assert ground.note(MARK) is None
    assert ground.command() == COMMAND


def test_no_fault_gets_in_while_no_reverter_stands_ready(ground: Ground) -> None:
    hands = Hands(ClusterSettings.model_validate({"kubeconfig": ground.real.plane.admin_kubeconfig, "timeout": "30s"}))
    edit = setting(ground.chat(), "/spec/template/spec/containers/0/command", ["/nothing"])
    mark = _mark("drill-x", edit)
    with pytest.raises(Refused):
        hands.put_in(PLACE, mark)
    hands.stand_ready(PLACE, "drill-x")
    assert hands.stand_down(PLACE, "drill-x")  # it waited long enough: the driller was a zombie
    with pytest.raises(Refused):
        hands.put_in(PLACE, mark)
    assert ground.command() == COMMAND
    hands.stand_ready(PLACE, "drill-x")
    hands.put_in(PLACE, mark)
    hands.put_in(PLACE, mark)  # the reply was lost
    assert not hands.stand_down(PLACE, "drill-x")
    assert hands.take_back(PLACE, "another") == ""
    assert "1 of 1" in hands.take_back(PLACE, "drill-x")
    assert hands.take_back(PLACE, "drill-x") == ""
    assert ground.command() == COMMAND
    hands.api.close()


def _mark(operation: str, edit: Edit) -> Mark:
    at = datetime.now(UTC)
    return Mark(operation=operation, fault="x", by="dana", at=at, until=at + timedelta(minutes=1), edits=(edit,))


def test_what_stands_is_taken_back_before_its_time_and_nothing_else_gets_in(ground: Ground) -> None:
    driller = ground.driller("scaled_away", "10m")
    driller.send_signal(signal.SIGKILL)
    driller.wait(60)
    staging = opened(ground.config)
    with pytest.raises(Refused, match="one fault at a time"):
        staging.plan("pod_crash_loop", "chat", timedelta(minutes=1))
    assert ground.chat()["spec"]["replicas"] == 1
    assert "1 of 1 fields taken back" in staging.take_all_back()[0]
    assert ground.chat()["spec"]["replicas"] == 2
    ground.settle()
    with pytest.raises(Refused, match="may not approve"):
        staging.carry_out(staging.plan("pod_crash_loop", "chat", timedelta(minutes=1)), "mallory")
    assert ground.note(MARK) is None
    staging.hands.api.close()


def test_the_cluster_s_own_no_counts(ground: Ground) -> None:
    namespace = f"/api/v1/namespaces/{NAMESPACE}"
    cases = {
        "does not carry the label": (namespace, {"labels": {"prunella.dev/drills": None}}),
        "hands-off": (CHAT, {"annotations": {"prunella.dev/hands-off": "true"}}),
    }
    for words, (path, metadata) in cases.items():
        ground.admin.patch(path, {"metadata": metadata})
        staging = opened(ground.config)
        with pytest.raises(Refused, match=words):
            staging.plan("pod_crash_loop", "chat", timedelta(minutes=1))
        staging.hands.api.close()
        ground.admin.patch(namespace, {"metadata": {"labels": {"prunella.dev/drills": "allowed"}}})
    assert ground.note(MARK) is None
