"""Pods, nodes and GPUs as the pretend cluster keeps them: placement, rollouts, restarts. No chance in here."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.fleet import Fleet, Service
from simulator.world.profile import GPUS_PER_NODE, WARM_LOAD, ZONES, Profile, nodes_for, profile_of, replicas_of
from tools.topology import Revision

ROWS = 64  # pods that may exist at once, at least


def rows_for(fleet: Fleet) -> int:
    """Return how many pods, and routes to vendors, may exist at once: every quota in use, each with a surge of one."""
    pods = sum(service.max_replicas + 1 for service in fleet.services if replicas_of(service))
    return max(ROWS, pods, sum(len(service.vendors) for service in fleet.services))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a revision does to its replicas; the plain one does nothing."""

    errors: float = 0.0
    slow: float = 1.0
    output: float = 1.0
    prompt: float = 1.0
    ail: str = ""  # name of the ail that sits on the revision


@dataclass(slots=True)
class Pod:
    """One replica."""

    name: str
    service: str
    row: int
    revision: str
    created_at: datetime
    gpu: int = -1  # index over the fleet; -1 while unscheduled
    ready_at: datetime | None = None  # when loading ends
    ready: bool = False
    crashing: bool = False  # its GPU is gone: it starts, fails, and starts again
    hung: bool = False


@dataclass(slots=True)
class Workload:
    """The deployment of one service."""

    service: Service
    profile: Profile
    wanted: int
    current: str
    revisions: list[Revision]
    effects: dict[str, Effect] = field(default_factory=dict)
    owners: tuple[str, ...] = ()  # other controllers that write here


@dataclass(slots=True)
class Machine:
    """One node."""

    name: str
    zone: str
    ready: bool = True
    schedulable: bool = True
    ready_at: datetime | None = None  # when it has booted
    silent: bool = False  # nothing on it answers
    gone: bool = False  # the provider has it; another will take its place


class Pods:
    """The cluster's controllers and scheduler. ``version`` moves when the set of pods or their places changes."""

    def __init__(self, fleet: Fleet, seed: int, now: datetime) -> None:
        self.seed = seed
        self.version = 0
        self.pods: dict[str, Pod] = {}
        self._of: dict[str, dict[str, Pod]] = {}  # the same by service
        self.workloads: dict[str, Workload] = {}
        self.removed: Callable[[Pod, bool], None] = _ignored
        self.born: Callable[[Pod], None] = _ignored
        self.rows = rows_for(fleet)
        self._rows = list(range(self.rows - 1, -1, -1))
        self._made = 0
        for service in fleet.services:
            if profile_of(service).replicas:
                self._deploy(service, now)
        count = nodes_for(sum(workload.wanted for workload in self.workloads.values()))
        self.machines = [Machine(f"gpu-{ZONES[i % 2]}{i // 2 + 1}", ZONES[i % 2]) for i in range(count)]
        self.owner: list[Pod | None] = [None] * (count * GPUS_PER_NODE)
        self.lost = [False] * len(self.owner)
        self.leaving: set[str] = set()  # nodes that the provider has given notice of
        self.bare: set[str] = set()  # nodes that came later: what ran here before has to be fetched again
        self.taken: dict[int, datetime] = {}  # GPUs that somebody else's work holds, until when

    def _deploy(self, service: Service, now: datetime) -> None:
        profile = profile_of(service)
        first = Revision(number="1", created_at=now - timedelta(days=9), summary="first release")
        second = Revision(number="2", created_at=now - timedelta(days=4), summary="routine release")
        self.workloads[service.name] = Workload(service, profile, replicas_of(service), "2", [first, second])

    def start(self, now: datetime) -> None:
        """Bring every replica up, ready at once: the world begins healthy."""
        for workload in self.workloads.values():
            for _ in range(workload.wanted):
                pod = self._create(workload, now - timedelta(days=1))
                self._schedule(pod, now - timedelta(days=1))
                pod.ready = True

    # -- reading ---------------------------------------------------------------------------------------------------
    def of(self, service: str) -> list[Pod]:
        """Return the pods of a service, oldest first."""
        return list(self._of.get(service, {}).values())

    def machine_of(self, pod: Pod) -> Machine | None:
        """Return the node beneath a pod; None while unscheduled."""
        return self.machines[pod.gpu // GPUS_PER_NODE] if pod.gpu >= 0 else None

    def machine(self, name: str) -> Machine | None:
        """Return a node by name."""
        return next((m for m in self.machines if m.name == name), None)

    def gpus_of(self, machine: Machine) -> range:
        """Return the GPUs of a node."""
        index = self.machines.index(machine)
        return range(index * GPUS_PER_NODE, (index + 1) * GPUS_PER_NODE)

    def free(self, index: int) -> list[int]:
        """Return the GPUs of a node that nobody holds and that still exist."""
        gpus = range(index * GPUS_PER_NODE, (index + 1) * GPUS_PER_NODE)
        return [g for g in gpus if self.owner[g] is None and not self.lost[g] and g not in self.taken]

    def free_gpus(self) -> int:
        """Count GPUs on which a new replica could be placed now."""
        return sum(
            len(self.free(i))
            for i, m in enumerate(self.machines)
            if m.ready and m.schedulable and m.name not in self.leaving
        )

    # -- controllers -----------------------------------------------------------------------------------------------
    def step(self, now: datetime) -> None:
        """Let controllers and scheduler do one round."""
        for machine in self.machines:
            if machine.ready_at is not None and machine.ready_at <= now:
                machine.ready, machine.ready_at = True, None
        for pod in self.pods.values():
            if not pod.ready and pod.ready_at is not None and pod.ready_at <= now and not pod.crashing:
                pod.ready = True
        for name, workload in self.workloads.items():
            self._reconcile(workload, self.of(name), now)
        for pod in self.pods.values():
            if pod.gpu < 0:
                self._schedule(pod, now)

    def _reconcile(self, workload: Workload, pods: list[Pod], now: datetime) -> None:
        old = [p for p in pods if p.revision != workload.current]
        if not old:
            for _ in range(workload.wanted - len(pods)):
                self._create(workload, now)
            if len(pods) > workload.wanted:
                for pod in sorted(pods, key=_expendable)[: len(pods) - workload.wanted]:
                    self.remove(pod, graceful=True)
            return
        new = [p for p in pods if p.revision == workload.current]
        ready = sum(p.ready for p in pods)
        for pod in sorted(old, key=_expendable)[: max(0, len(pods) - workload.wanted)]:
            if not pod.ready or ready > workload.wanted:
                ready -= pod.ready
                self.remove(pod, graceful=True)
        if len(self.of(workload.service.name)) <= workload.wanted and len(new) < workload.wanted:
            self._create(workload, now)  # a surge of one

    def _create(self, workload: Workload, now: datetime) -> Pod:
        self._made += 1
        tag = _letters(zlib.crc32(f"{self.seed}/{workload.service.name}/{self._made}".encode()), 5)
        name = f"{workload.service.name}-{workload.current}-{tag}"
        pod = Pod(name, workload.service.name, self._rows.pop(), workload.current, now)
        self.pods[name] = pod
        self._of.setdefault(pod.service, {})[name] = pod
        self.version += 1
        self.born(pod)
        return pod

    def _schedule(self, pod: Pod, now: datetime) -> None:
        place = self._choose(pod)
        if place is None:
            return
        self.owner[place] = pod
        pod.gpu = place
        workload = self.workloads[pod.service]
        bare = self.machines[place // GPUS_PER_NODE].name in self.bare
        rolling_back = int(pod.revision) < int(workload.revisions[-1].number) and not bare
        load = WARM_LOAD if rolling_back else workload.profile.load
        jitter = 0.8 + 0.4 * (zlib.crc32(f"{self.seed}/load/{pod.name}".encode()) % 1000) / 1000
        pod.ready_at = now + timedelta(seconds=load * jitter)
        self.version += 1

    def _choose(self, pod: Pod) -> int | None:
        mates = [p.gpu // GPUS_PER_NODE for p in self.of(pod.service) if p.gpu >= 0]
        best: tuple[int, int, int] | None = None
        for index, machine in enumerate(self.machines):
            open_ = machine.ready and machine.schedulable and machine.name not in self.leaving
            if open_ and (free := self.free(index)):
                rank = (mates.count(index), -len(free), index)
                best = rank if best is None or rank < best else best
        return self.free(best[2])[0] if best else None

    # -- what is done to pods --------------------------------------------------------------------------------------
    def remove(self, pod: Pod, graceful: bool) -> None:
        """Take a pod away; its controller will replace it if it is still wanted."""
        self.removed(pod, graceful)
        if pod.gpu >= 0:
            self.owner[pod.gpu] = None
        del self.pods[pod.name], self._of[pod.service][pod.name]
        self._rows.append(pod.row)
        self.version += 1

    def release(self, service: str, summary: str, effect: Effect, now: datetime) -> tuple[str, str]:
        """Add a revision and make it current; returns the revisions before and after."""
        workload = self.workloads[service]
        before = workload.current
        number = str(int(workload.revisions[-1].number) + 1)
        workload.revisions.append(Revision(number=number, created_at=now, summary=summary))
        del workload.revisions[:-10]
        workload.effects[number] = effect
        workload.current = number
        return before, number


def _ignored(*_: object) -> None:
    """Nobody listens yet."""


def _expendable(pod: Pod) -> tuple[bool, float]:
    return pod.ready, -pod.created_at.timestamp()


def _letters(number: int, count: int) -> str:
    letters = "bcdfghjklmnpqrstvwxz2456789"
    out = ""
    for _ in range(count):
        number, digit = divmod(number, len(letters))
        out += letters[digit]
    return out
