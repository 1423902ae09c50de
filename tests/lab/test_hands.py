"""Safe hands on a real control plane: what they did is counted by the API server's own record, not by our journal.

A controller killed at every journal entry and every API write, two that race, a zombie, an API server that goes away:
each effect happens once, and every run ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from simulator.lab import audit
from simulator.lab.lab import apply, controller_kubeconfig, manifests
from simulator.lab.load import is_ready
from simulator.lab.processes import ProcessBook, Running, alive, python_env, running
from simulator.lab.rest import Json, KubeApi
from simulator.lab.servers import ControlPlane, wait_until
from tests.contracts.conftest import APPS, deployment
from tests.lab.hands import Order, ShiftedClock, ordered
from tests.plane import NAMESPACE, standing_plane, there

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("lab"), pytest.mark.timeout(900)]
REPLICAS = 2
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclass
class Theatre:
    """A control plane with a kubelet, the controller's own role, and a process that forks controllers."""

    run_dir: Path
    plane: ControlPlane
    admin: KubeApi
    kubeconfig: Path
    forks: subprocess.Popen[str]
    folder: Path = Path()
    runs: int = 0
    _waiting: dict[int, Path] = field(default_factory=dict)

    def order(self, playbook: str, bindings: dict[str, str], **more: Any) -> Order:
        """A run of its own on a journal of its own, unless told otherwise, planned now."""
        self.runs += 1
        files = {"journal": self.folder / f"{self.runs}.db", "clock": self.run_dir / "clock"}
        fields: dict[str, Any] = {name: str(path) for name, path in files.items()}
        fields["at"] = ShiftedClock(self.run_dir / "clock").now().isoformat()
        fields |= {"kubeconfig": str(self.kubeconfig), "plan": f"plan-{self.folder.name}-{self.runs}", **more}
        return Order(playbook=playbook, bindings=bindings, **fields)

    def start(self, order: Order) -> int:
        """Start a controller; returns its process number."""
        out = self.folder / f"out-{time.monotonic_ns()}.json"
        pid = int(self._say(ordered(Order(**{**order.__dict__, "out": str(out)}))))
        self._waiting[pid] = out
        return pid

    def end(self, pid: int) -> dict[str, Any]:
        """Wait for a controller's end; what it says, or ``{"signal": 9}``."""
        status, out = int(self._say(f"{pid}\n")), self._waiting.pop(pid)
        if status < 0:
            return {"signal": -status}
        assert status == 0, (self.run_dir / "forks.log").read_text()
        found: dict[str, Any] = json.loads(out.read_text())
        return found

    def play(self, order: Order) -> dict[str, Any]:
        """Start a controller and wait for its end."""
        return self.end(self.start(order))

    def _say(self, line: str) -> str:
        assert self.forks.stdin is not None
        assert self.forks.stdout is not None
        self.forks.stdin.write(line)
        self.forks.stdin.flush()
        return self.forks.stdout.readline()

    # -- signals ---------------------------------------------------------------------------------------------------
    def stopped(self, pid: int) -> None:
        """Wait until a controller has stopped itself."""
        wait_until(lambda: _state(pid) in {"T", "Z"}, "a stopped controller", step_s=0.005)
        assert _state(pid) == "T", self.end(pid)

    def jump(self, seconds: float) -> None:
        """Move the controllers' clock."""
        ShiftedClock(self.run_dir / "clock").jump(seconds)

    def server(self) -> Running:
        return next(each for each in running(self.run_dir) if each.name == "kube-apiserver")

    def server_killed(self) -> list[str]:
        """Kill the API server; returns the command that starts it again."""
        found = self.server()
        command = Path(f"/proc/{found.pid}/cmdline").read_text().rstrip("\0").split("\0")
        os.kill(found.pid, signal.SIGKILL)
        wait_until(lambda: not alive(found), "the end of the API server", step_s=0.01)
        return command

    def server_back(self, command: list[str]) -> None:
        ProcessBook(self.run_dir).start("kube-apiserver", command)
        wait_until(lambda: there(self.admin, f"{APPS}/chat"), "an answer of the API server")

    # -- what the API server says ----------------------------------------------------------------------------------
    def chat(self) -> Json:
        return self.admin.get(f"{APPS}/chat")

    def rollouts(self) -> int:
        """How often another template was rolled out: the Deployment's own controller counts."""
        self.settle()
        return int(self.chat()["metadata"]["annotations"]["deployment.kubernetes.io/revision"])

    def release(self) -> str:
        return str(self.chat()["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"])

    def revision_of(self, release: str) -> str:
        """The revision that has a release in its template."""
        sets = self.admin.items(APPS.replace("deployments", "replicasets"))
        of = {
            s["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]: s["metadata"]["annotations"]
            for s in sets
        }
        return str(of[release]["deployment.kubernetes.io/revision"])

    def other(self) -> str:
        return "b" if self.release() == "a" else "a"

    def settle(self) -> None:
        """Wait until what is wanted stands: the new pods ready, the old ones gone."""

        def stands() -> bool:
            found, pods = self.chat(), self.admin.items(PODS)
            seen = found["status"].get("observedGeneration") == found["metadata"]["generation"]
            counts = [found["status"].get(k, 0) for k in ("replicas", "readyReplicas", "updatedReplicas")]
            # The Deployment may not have noticed yet that a pod has gone: its pods are counted too.
            whole = len(pods) == REPLICAS and all(is_ready(pod) for pod in pods)
            leaving = any("deletionTimestamp" in pod["metadata"] for pod in pods)
            return seen and counts == [REPLICAS] * 3 and whole and not leaving

        wait_until(stands, "a settled rollout")

    def lost(self, resource: str) -> int:
        """How many of the controllers' writes have no answer that tells whether they took effect."""
        return sum(w.resource == resource for w in audit.unanswered(self.run_dir))

    def effects(self, resource: str) -> list[audit.Write]:
        """The controllers' writes that changed a resource, by the API server's audit log; not those of marks alone."""
        return [w for w in audit.effects(self.run_dir) if w.resource == resource and _changes_more_than_notes(w)]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _changes_more_than_notes(write: audit.Write) -> bool:
    if write.resource == "pods/eviction":
        return True
    if isinstance(write.body, list):
        return any(not each["path"].startswith("/metadata") for each in write.body)
    return bool(set(write.body) - {"metadata"})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    run_dir = tmp_path_factory.mktemp("hands")
    with standing_plane(run_dir) as plane, _forks(run_dir) as forks:
        admin = plane.admin
        for item in manifests("rbac.yaml"):
            apply(admin, item)
        kubeconfig = controller_kubeconfig(admin, plane.control, run_dir)
        made = Theatre(run_dir, plane.control, admin, kubeconfig, forks)
        admin.post(APPS, deployment("chat", "a", REPLICAS))
        made.settle()
        second = deployment("chat", "b", REPLICAS)
        admin.patch(f"{APPS}/chat", {"metadata": second["metadata"], "spec": second["spec"]}, "strategic-merge")
        made.settle()
        yield made
        assert forks.stdin is not None
        forks.stdin.close()


def _forks(run_dir: Path) -> subprocess.Popen[str]:
    with (run_dir / "forks.log").open("w") as log:
        argv = [sys.executable, "-m", "tests.lab.hands"]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=log, text=True, env=python_env())


@pytest.fixture
def theatre(stage: Theatre, tmp_path: Path) -> Theatre:
    stage.folder, stage.runs = tmp_path, 0
    stage.settle()
    return stage


def rollback(theatre: Theatre, **more: Any) -> Order:
    good = theatre.revision_of(theatre.other())
    return theatre.order("rollback_release", {"service": "chat", "good_revision": good}, **more)


def moments(points: list[str], first: int = 0) -> list[int]:
    """Where to kill, counted from 1: at the first point and after every entry and write; nothing lasts between."""
    return [at for at, name in enumerate(points, 1) if at == first + 1 or (at > first and name.startswith("after"))]


def dies(theatre: Theatre, order: Order) -> bool:
    """Play an order that dies at a point; False where it ended before: the run that was counted made more calls.

    On a busy machine a lease is written again, so that two runs of one plan differ by a call or two.
    """
    ended = theatre.play(order)
    if ended == {"signal": signal.SIGKILL}:
        return True
    assert len(ended["points"]) < order.kill_at, ended
    return False


def test_a_controller_killed_at_each_step_of_a_rollback(theatre: Theatre) -> None:
    points = theatre.play(rollback(theatre))["points"]
    assert {"before STEP_INTENT", "after STEP_INTENT", f"after PATCH {APPS}/chat", "before RUN_END"} <= set(points)
    killed = set()
    for at in moments(points):
        wanted, counted = theatre.other(), len(theatre.effects("deployments"))
        order = rollback(theatre, kill_at=at)
        if not dies(theatre, order):
            break
        killed.add(points[at - 1])
        again = theatre.play(Order(**{**order.__dict__, "kill_at": 0}))
        assert again["state"] == "done", (points[at - 1], again)
        assert len(theatre.effects("deployments")) == counted + 1, points[at - 1]
        assert theatre.release() == wanted, points[at - 1]
    assert {"after STEP_INTENT", f"after PATCH {APPS}/chat", "after STEP_OUTCOME"} <= killed
    theatre.settle()  # and it is no mere wish: the pods of the release that was gone back to are ready


def test_a_controller_killed_while_it_undoes(theatre: Theatre) -> None:
    points = theatre.play(rollback(theatre, helps=False))["points"]
    killed = set()
    for at in moments(points, points.index("before COMPENSATE_INTENT")):
        stood, counted = theatre.release(), len(theatre.effects("deployments"))
        order = rollback(theatre, helps=False, kill_at=at)
        if not dies(theatre, order):
            break
        killed.add(points[at - 1])
        again = theatre.play(Order(**{**order.__dict__, "kill_at": 0}))
        assert again["state"] == "undone", (points[at - 1], again)
        assert theatre.release() == stood, points[at - 1]
        assert len(theatre.effects("deployments")) == counted + 2, points[at - 1]
    assert {
        "after COMPENSATE_INTENT",
        f"after PATCH {APPS}/chat",
        "after COMPENSATE_OUTCOME",
        "after RUN_END",
    } <= killed
    theatre.settle()


def test_a_controller_killed_at_each_write_of_an_eviction(theatre: Theatre) -> None:
    def victim() -> dict[str, str]:
        theatre.settle()
        pod = theatre.admin.items(PODS)[0]["metadata"]
        return {"service": "chat", "replica": pod["name"]}

    points = theatre.play(theatre.order("failover_replica", victim()))["points"]
    for at in moments(points[: points.index("after STEP_OUTCOME")], points.index("after STEP_INTENT")):
        counted, order = len(theatre.effects("pods/eviction")), theatre.order("failover_replica", victim(), kill_at=at)
        assert theatre.play(order) == {"signal": signal.SIGKILL}, points[at - 1]
        assert theatre.play(Order(**{**order.__dict__, "kill_at": 0}))["state"] == "done", points[at - 1]
        evicted = theatre.effects("pods/eviction")[counted:]
        assert [write.name for write in evicted] == [order.bindings["replica"]], points[at - 1]


@pytest.mark.parametrize("trial", range(2))
def test_of_two_controllers_that_race_one_acts(theatre: Theatre, trial: int) -> None:
    del trial
    rollouts, counted = theatre.rollouts(), len(theatre.effects("deployments"))
    order = rollback(theatre, jumps=False, stop_at="before RUN_PLANNED")
    racers = [theatre.start(Order(**{**order.__dict__, "owner": owner})) for owner in ("a", "b")]
    for pid in racers:
        theatre.stopped(pid)
    for pid in racers:
        os.kill(pid, signal.SIGCONT)
    assert [theatre.end(pid)["state"] for pid in racers] == ["done", "done"]  # the loser sees how it ended
    assert (theatre.rollouts(), len(theatre.effects("deployments"))) == (rollouts + 1, counted + 1)


@pytest.mark.parametrize("trial", range(2))
def test_of_two_controllers_with_different_journals_one_acts(theatre: Theatre, trial: int) -> None:
    """The one that comes second gives its plan up, for it was made before the first one's deed."""
    del trial
    rollouts, counted = theatre.rollouts(), len(theatre.effects("deployments"))
    orders = [rollback(theatre, owner=owner, jumps=False, stop_at="before RUN_PLANNED") for owner in ("a", "b")]
    racers = [theatre.start(order) for order in orders]
    for pid in racers:
        theatre.stopped(pid)
    for pid in racers:
        os.kill(pid, signal.SIGCONT)
    ended = sorted(theatre.end(pid)["state"] for pid in racers)
    assert ended == ["done", "failed"]
    assert (theatre.rollouts(), len(theatre.effects("deployments"))) == (rollouts + 1, counted + 1)


def test_a_zombie_with_another_journal_is_refused_by_the_lease_alone(theatre: Theatre) -> None:
    """Nothing was written to the object since it fell asleep: only the lease knows that it was superseded."""
    counted = len(theatre.effects("deployments"))
    patch = f"before PATCH {APPS}/chat"
    order = rollback(theatre, owner="zombie", stop_at="after STEP_INTENT", jumps=False, patience=3.0)
    zombie = theatre.start(order)
    theatre.stopped(zombie)
    theatre.jump(300)
    successor = theatre.start(rollback(theatre, owner="successor", stop_at=patch))
    theatre.stopped(successor)
    os.kill(zombie, signal.SIGCONT)
    ended = theatre.end(zombie)
    assert (ended["state"], ended["reason"][:36]) == ("holding", "service/chat is held by successor fo")
    assert len(theatre.effects("deployments")) == counted
    os.kill(successor, signal.SIGCONT)
    assert theatre.end(successor)["state"] == "done"
    assert len(theatre.effects("deployments")) == counted + 1


def test_a_zombie_that_wakes_up_after_its_run_was_finished_does_nothing(theatre: Theatre) -> None:
    rollouts, counted = theatre.rollouts(), len(theatre.effects("deployments"))
    order = rollback(theatre, owner="zombie", stop_at=f"before PATCH {APPS}/chat")
    zombie = theatre.start(order)
    theatre.stopped(zombie)
    theatre.jump(300)  # its lease has lapsed, and its time is not up
    assert theatre.play(Order(**{**order.__dict__, "owner": "successor", "stop_at": ""}))["state"] == "done"
    os.kill(zombie, signal.SIGCONT)
    assert theatre.end(zombie)["state"] == "done"
    assert (theatre.rollouts(), len(theatre.effects("deployments"))) == (rollouts + 1, counted + 1)


def test_a_zombies_write_is_refused_when_somebody_has_done_something_else(theatre: Theatre) -> None:
    stood, counted = theatre.release(), len(theatre.effects("deployments"))
    zombie = theatre.start(rollback(theatre, owner="zombie", stop_at=f"before PATCH {APPS}/chat"))
    theatre.stopped(zombie)
    theatre.jump(7200)
    wanted = {"service": "chat", "more_replicas": str(REPLICAS + 1)}
    assert theatre.play(theatre.order("scale_out", wanted, owner="successor"))["state"] == "done"
    os.kill(zombie, signal.SIGCONT)
    assert theatre.end(zombie)["state"] == "failed"
    assert theatre.release() == stood
    assert len(theatre.effects("deployments")) == counted + 1
    back = {"service": "chat", "more_replicas": str(REPLICAS)}
    assert theatre.play(theatre.order("scale_out", back))["state"] == "done"


def test_an_api_server_that_goes_away_and_comes_back(theatre: Theatre) -> None:
    rollouts, counted = theatre.rollouts(), len(theatre.effects("deployments"))
    pid = theatre.start(rollback(theatre, jumps=False, stop_at="after STEP_INTENT"))
    theatre.stopped(pid)
    command = theatre.server_killed()
    os.kill(pid, signal.SIGCONT)
    time.sleep(1.0)  # it asks in vain for a while
    theatre.server_back(command)
    ended = theatre.end(pid)
    assert ended["state"] == "done", ended
    assert (theatre.rollouts(), len(theatre.effects("deployments"))) == (rollouts + 1, counted + 1)
    theatre.settle()


@pytest.mark.parametrize("dies", [False, True], ids=["wakes up and does it", "dies and never does it"])
def test_an_api_server_that_hangs_with_our_write_under_way(theatre: Theatre, dies: bool) -> None:
    """The reply is lost either way, and only asking tells what became of the write."""
    rollouts, counted, lost = theatre.rollouts(), len(theatre.effects("deployments")), theatre.lost("deployments")
    order = rollback(theatre, jumps=False, timeout="1500ms", stop_at=f"before PATCH {APPS}/chat")
    pid = theatre.start(order)
    theatre.stopped(pid)
    server = theatre.server()
    os.kill(server.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    time.sleep(2.5)  # the write is sent, and given up
    if dies:
        theatre.server_back(theatre.server_killed())
    else:
        os.kill(server.pid, signal.SIGCONT)
    ended = theatre.end(pid)
    assert ended["state"] == "done", ended
    # The server may note the write that lost its client as cut off, though it was done: the rollout counts, and
    # neither a second write that was answered nor none at all.
    assert theatre.rollouts() == rollouts + 1
    answered = len(theatre.effects("deployments")) - counted
    assert answered <= 1 <= answered + theatre.lost("deployments") - lost
