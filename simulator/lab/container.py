"""One container of a pod as a real local process: started, probed, restarted after a crash, ended politely."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulator.lab.processes import ProcessBook, reap, signal_group
from simulator.lab.rest import Json
from simulator.lab.servers import answers_200

TICK_S = 0.2
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
STEADY_S = 120.0


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP probe; times in seconds."""

    url: str
    period_s: float
    timeout_s: float
    failures: int
    delay_s: float


def probe_of(spec: Json | None, address: str) -> Probe | None:
    """The HTTP probe of a container's specification, asked of `address`; None without one."""
    if not spec or "httpGet" not in spec:
        return None
    target = spec["httpGet"]
    return Probe(
        url=f"http://{address}:{target['port']}{target.get('path', '/')}",
        period_s=spec.get("periodSeconds", 10),
        timeout_s=spec.get("timeoutSeconds", 1),
        failures=spec.get("failureThreshold", 3),
        delay_s=spec.get("initialDelaySeconds", 0),
    )


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to run and how to look after it."""

    name: str
    argv: list[str]
    env: dict[str, str]
    log: Path
    readiness: Probe | None = None
    liveness: Probe | None = None
    pre_stop: list[str] = field(default_factory=list)
    ends: bool = False  # may end well, as the pods of Jobs do


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container stands: `pid` is None while it waits; `started_at` is Unix time; `exit_code` is its last one."""

    pid: int | None = None
    started_at: float = 0.0
    ready: bool = False
    restarts: int = 0
    waiting: str = "ContainerCreating"
    exit_code: int | None = None
    ended: bool = False


class Container(threading.Thread):
    """Runs one container until told to stop. `state` is replaced as a whole, so any thread may read it."""

    def __init__(self, spec: ContainerSpec, book: ProcessBook) -> None:
        super().__init__(name=f"container-{spec.name}", daemon=True)
        self.spec = spec
        self.state = ContainerState()
        self._book = book
        self._stop_after: float | None = None
        self._asked = threading.Event()
        self._start_at = 0.0
        self._next_probe: dict[str, float] = {}
        self._failed: dict[str, int] = {}

    def stop(self, grace_s: float) -> None:
        """Ask for the end; the process gets `grace_s` seconds from now, then is killed."""
        if not self._asked.is_set():
            self._stop_after = time.monotonic() + grace_s
            self._asked.set()

    def run(self) -> None:
        """Keep the container going until `stop`, then end it."""
        while not self._asked.wait(TICK_S):
            if self.state.pid is None and self.state.ended:
                continue
            if self.state.pid is None:
                self._start_if_due()
            elif not self._collect(self.state.pid):
                self._probe_all()
        self._end()

    def _start_if_due(self) -> None:
        if time.monotonic() < self._start_at:
            return
        try:
            pid = self._book.start(f"pod/{self.spec.name}", self.spec.argv, self.spec.env, self.spec.log)
        except OSError:
            waiting = "CrashLoopBackOff" if self.state.restarts else "RunContainerError"  # as kubelets call the pause
            self.state = replace(self.state, waiting=waiting, restarts=self.state.restarts + 1)
            self._start_at = time.monotonic() + self._backoff()
            return
        now = time.monotonic()
        probes = {"readiness": self.spec.readiness, "liveness": self.spec.liveness}
        self._next_probe = {kind: now + probe.delay_s for kind, probe in probes.items() if probe}
        self._failed = dict.fromkeys(self._next_probe, 0)
        self.state = replace(self.state, pid=pid, started_at=time.time(), waiting="", ready=self.spec.readiness is None)

    def _collect(self, pid: int) -> bool:
        """Notice a process that has ended by itself; it is started again after a growing pause."""
        code = reap(pid)
        if code is None:
            return False
        if code == 0 and self.spec.ends:
            self.state = replace(self.state, pid=None, ready=False, waiting="", exit_code=0, ended=True)
            return True
        # One that ran well for long starts afresh; a first crash is repeated at once, as kubelets do.
        steady = time.time() - self.state.started_at > STEADY_S
        self._start_at = time.monotonic() + (0.0 if steady or not self.state.restarts else self._backoff())
        waiting = "CrashLoopBackOff" if self.state.restarts and not steady else "ContainerCreating"
        self.state = replace(
            self.state, pid=None, ready=False, restarts=self.state.restarts + 1, waiting=waiting, exit_code=code
        )
        return True

    def _backoff(self) -> float:
        return min(FIRST_BACKOFF_S * 2.0 ** min(self.state.restarts, 10), LONGEST_BACKOFF_S)

    def _probe_all(self) -> None:
        if self._probe("readiness", self.spec.readiness) is not None:
            ready = self._failed["readiness"] == 0 or (self.state.ready and not self._exhausted("readiness"))
            self.state = replace(self.state, ready=ready)
        self._probe("liveness", self.spec.liveness)
        if self._exhausted("liveness") and self.state.pid is not None:
            self._failed["liveness"] = 0
            signal_group(self.state.pid, signal.SIGKILL)

    def _probe(self, kind: str, probe: Probe | None) -> bool | None:
        """Ask one probe if it is due and keep count of its failures in a row; None when it was not due."""
        if probe is None or time.monotonic() < self._next_probe[kind]:
            return None
        well = answers_200(probe.url, probe.timeout_s)
        self._failed[kind] = 0 if well else self._failed[kind] + 1
        # A server that is starting is asked often, so that readiness is seen when it comes.
        waiting_for_start = kind == "readiness" and not self.state.ready
        self._next_probe[kind] = time.monotonic() + (TICK_S if waiting_for_start else probe.period_s)
        return well

    def _exhausted(self, kind: str) -> bool:
        probe = self.spec.liveness if kind == "liveness" else self.spec.readiness
        return probe is not None and self._failed.get(kind, 0) >= probe.failures

    def _end(self) -> None:
        pid, deadline = self.state.pid, self._stop_after or 0.0
        if pid is not None and reap(pid) is None:
            self._pre_stop(deadline)
            signal_group(pid, signal.SIGTERM)
            while reap(pid) is None and _exists(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            signal_group(pid, signal.SIGKILL)
            while _exists(pid) and reap(pid) is None:
                time.sleep(0.02)
        self.state = replace(self.state, pid=None, ready=False, waiting="", ended=True)

    def _pre_stop(self, deadline: float) -> None:
        left = deadline - time.monotonic() - 1.0
        if self.spec.pre_stop and left > 0:
            try:
                subprocess.run(self.spec.pre_stop, env=self.spec.env, timeout=left, check=False)  # noqa: S603
            except (OSError, subprocess.TimeoutExpired):
                return


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
