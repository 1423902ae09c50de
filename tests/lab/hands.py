"""Controllers' hands as processes that die at chosen points: ``python -m tests.lab.hands``, one JSON command a line.

It imports everything once and forks a child for each run, so that fifty controllers may live and be killed within
seconds. A child is the real executor, journal file and Kubernetes actuator. It kills (or stops) itself by signal right
before or after any journal entry or API write. Where a run waits, the clock file jumps instead.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.servers import ClusterSettings
from playbooks.allowance import Limits
from playbooks.bind import bind
from playbooks.executor import Executor
from playbooks.library import shipped
from playbooks.plan import Execution, Guard, Plan
from playbooks.walk import GuardVerdict
from tests.contracts.conftest import FLEET
from tests.playbooks.fake import Faults as Points
from tests.playbooks.fake import FaultyJournal
from tools.errors import Refused
from tools.live.journal import SqlJournal
from tools.live.kube_actuator import KubernetesActuator
from tools.live.kube_api import Json, KubeApi, Patch
from tools.live.kube_lease import KubernetesLeases


@dataclass(frozen=True)
class Order:
    """What one child is to do."""

    kubeconfig: str
    journal: str
    clock: str  # a file: seconds that the clock is ahead of the machine's
    playbook: str
    bindings: dict[str, str]
    plan: str
    at: str  # when it was planned
    owner: str = "a"
    helps: bool = True  # False: it does not, so that it is undone once it is done
    kill_at: int = 0  # 0: never
    stop_at: str = ""  # name of the point at which it stops itself; empty: nowhere
    jumps: bool = True  # waits by moving the clock
    timeout: str = "10s"
    patience: float = 120.0  # seconds, where the clock does not jump
    out: str = ""

    def bound(self) -> Plan:
        """The plan: the same in every process."""
        book = next(book for book in shipped() if book.id == self.playbook)
        return bind(
            book,
            incident=f"inc-{self.plan}",
            plan_id=self.plan,
            at=datetime.fromisoformat(self.at),
            service="chat",
            fault="some_fault",
            bindings=self.bindings,
            predicted="errors 20 % -> 0 %",
        )


class ShiftedClock:
    """The machine's clock, moved ahead by as much as a file says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        ahead = float(self._path.read_text() or 0) if self._path.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=ahead)

    def jump(self, seconds: float) -> None:
        ahead = float(self._path.read_text() or 0) if self._path.exists() else 0.0
        fresh = self._path.with_suffix(".new")
        fresh.write_text(str(ahead + seconds))
        fresh.replace(self._path)


@dataclass
class Deadly(Points):
    """Counts the points that are passed; at some of them the process is killed, or stops until somebody wakes it."""

    stop_at: str = ""
    passed: list[str] = field(default_factory=list)

    def point(self, name: str) -> None:
        self.passed.append(name)
        if len(self.passed) in self.crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if name == self.stop_at:
            self.stop_at = ""
            os.kill(os.getpid(), signal.SIGSTOP)


class DeadlyApi(KubeApi):
    """The adapter's own session, with a point before and after every write."""

    points: Deadly

    def patch(self, path: str, body: Json | list[Json], kind: Patch, *, dry_run: bool = False) -> Json:
        self.points.point(f"before PATCH {path}")
        answer = super().patch(path, body, kind, dry_run=dry_run)
        self.points.point(f"after PATCH {path}")
        return answer

    def post(self, path: str, body: Json, *, dry_run: bool = False, effect: bool = True) -> Json:
        self.points.point(f"before POST {path}")
        answer = super().post(path, body, dry_run=dry_run, effect=effect)
        self.points.point(f"after POST {path}")
        return answer

    def put(self, path: str, body: Json) -> Json:
        self.points.point(f"before PUT {path}")
        answer = super().put(path, body)
        self.points.point(f"after PUT {path}")
        return answer


def carry_out(order: Order) -> dict[str, Any]:
    """Carry a plan out to its end, or until patience ends; returns how it stands and the points that were passed."""
    clock = ShiftedClock(Path(order.clock))
    points = Deadly(crash_at=frozenset([order.kill_at]), stop_at=order.stop_at)
    config = {"kubeconfig": order.kubeconfig, "timeout": order.timeout}
    api = DeadlyApi(ClusterSettings.model_validate(config))
    api.points = points
    journal = SqlJournal(f"sqlite:///{order.journal}")

    leases = KubernetesLeases(api, FLEET, "prunella")
    actuator = KubernetesActuator(api, FLEET, clock, leases)
    limits = Limits(shared=leases)
    executor = Executor(actuator, FaultyJournal(journal, points), clock, _holds, order.owner, limits)
    try:
        execution = _ended(lambda: executor.advance(order.bound()), clock, order)
        if not order.helps and execution.state == "done":
            execution = _ended(lambda: executor.undo(order.bound(), "it did not help"), clock, order)
    except Refused as error:
        return {"state": "refused", "reason": str(error), "points": points.passed}
    finally:
        journal.close()
        api.close()
    return {"state": execution.state, "reason": execution.reason, "points": points.passed}


def _ended(move: Callable[[], Execution], clock: ShiftedClock, order: Order) -> Execution:
    deadline = time.monotonic() + order.patience
    while (execution := move()).state == "holding" and time.monotonic() < deadline:
        wait = ((execution.resume_at or clock.now()) - clock.now()).total_seconds()
        clock.jump(max(wait, 0.0)) if order.jumps else time.sleep(0.05)
    return execution


def _holds(guard: Guard, plan: Plan) -> GuardVerdict:
    del guard, plan
    return GuardVerdict(verdict="holds")


def _child(order: Order) -> None:
    code = 1
    try:
        found = carry_out(order)
        fresh = Path(order.out + ".new")
        fresh.write_text(json.dumps(found))
        fresh.replace(order.out)
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    """Fork a child for every order; a line that is a number waits for that child, and tells its exit status."""
    for line in sys.stdin:
        said = json.loads(line)
        if isinstance(said, int):
            print(os.waitstatus_to_exitcode(os.waitpid(said, 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _child(Order(**said))
        print(pid, flush=True)


def ordered(order: Order) -> str:
    """Return an order as the line that says it."""
    return json.dumps(asdict(order)) + "\n"


if __name__ == "__main__":
    import kubernetes.client
    import kubernetes.config  # noqa: F401

    main()
