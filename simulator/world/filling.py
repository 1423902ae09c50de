"""Batch workers on GPUs that online replicas hold: what they get done, and what they cost their neighbours.

A worker computes in what the online replica leaves of its GPU, up to ``FULL``. Meanwhile everything takes ``SLOWER``
times as long on that GPU, however little it computes: measured for an inference process that may use 80 % of a GPU
under MPS beside one of 20 % (14 % longer: forums.developer.nvidia.com/t/326201, one model, one card); the rest is ours.
No chance in here, and no series of an online service but the shared GPU's: a fleet without batch work is as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.fleet import Fleet
from simulator.world.hardware import FULL, Hardware
from simulator.world.pods import Pod, Pods, Workload
from simulator.world.profile import Profile
from simulator.world.rows import Rows
from tools.topology import Revision

SLOWER = 1.15
LOADS = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Worker:
    """One batch worker beside an online replica, whose GPU it shares."""

    name: str
    service: str
    beside: Pod
    created_at: datetime

    def ready(self, now: datetime) -> bool:
        """Whether it has loaded."""
        return now - self.created_at >= LOADS


@dataclass
class Fills:
    """The batch deployments of a fleet: ``workloads`` and ``workers`` by name, ``done`` in GPU-hours by service."""

    workloads: dict[str, Workload] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    made: int = 0

    def deploy(self, fleet: Fleet, now: datetime) -> None:
        """Begin with as few workers as the owner has at least."""
        for service in fleet.batches:
            first = Revision(number="1", created_at=now - timedelta(days=9), summary="first release")
            profile = Profile(rate=0.0)
            self.workloads[service.name] = Workload(service, profile, service.min_replicas, "1", [first])
            self.done[service.name] = 0.0

    def step(self, pods: Pods, now: datetime) -> None:
        """Let workers go with the replica they sit beside, or with the wish for them; and others come."""
        self.workers = {name: each for name, each in self.workers.items() if each.beside.name in pods.pods}
        for name, workload in self.workloads.items():
            mine = self.of(name)
            for worker in mine[workload.wanted :]:
                del self.workers[worker.name]
            taken = {each.beside.name for each in mine}
            seats = [p for p in pods.of(workload.service.shares_gpus_of) if p.ready and p.name not in taken]
            for pod in seats[: max(0, workload.wanted - len(mine))]:
                self.made += 1
                made = Worker(f"{name}-{self.made}", name, pod, now)
                self.workers[made.name] = made

    def of(self, service: str) -> list[Worker]:
        """Return the workers of a batch service, oldest first."""
        return [each for each in self.workers.values() if each.service == service]

    def press(self, rows: Rows, hardware: Hardware, now: datetime) -> None:
        """Make shared GPUs slower, and say which they are."""
        hardware.shared[:] = False
        for worker in self._working(now):
            rows.slow[worker.beside.row] *= SLOWER
            hardware.shared[worker.beside.gpu] = True

    def work(self, hardware: Hardware, seconds: float, now: datetime) -> None:
        """Count what the workers got done."""
        for worker in self._working(now):
            left = FULL - float(hardware.own[worker.beside.gpu])
            self.done[worker.service] += max(left, 0.0) / 100 * seconds / 3600

    def _working(self, now: datetime) -> Iterator[Worker]:
        return (each for each in self.workers.values() if each.beside.gpu >= 0 and each.ready(now))
