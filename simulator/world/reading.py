"""The Cluster and Serving ports."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

from config.frozen import Frozen
from simulator.world.events import Changes
from simulator.world.filling import Fills, Worker
from simulator.world.pods import Pod, Pods, Workload
from simulator.world.profile import GPUS_PER_NODE
from simulator.world.quality import Quality
from simulator.world.vendors import Vendors
from tools.change import Change
from tools.clock import Clock
from tools.errors import Absent
from tools.records import Probe, Split
from tools.topology import Deployment, Node, Replica, Topology

Value = TypeVar("Value", bound=Frozen | tuple[Frozen, ...])


class WorldCluster:
    """Reads pods, nodes, deployments and what was changed."""

    def __init__(self, pods: Pods, changes: Changes, clock: Clock, fills: Fills | None = None) -> None:
        self._pods = pods
        self._changes = changes
        self._clock = clock
        self._fills = fills or Fills()
        self._known: dict[tuple[str, str], tuple[tuple[object, ...], Frozen | tuple[Frozen, ...]]] = {}

    def topology(self) -> Topology:
        """Return the fleet as it stands now; what has not changed since the last look is the same object."""
        pods, fills, now = self._pods, self._fills, self._clock.now()
        living, workers = pods.pods.values(), fills.workers.values()
        placed = [(pod.name, pod.gpu, pod.ready, pod.revision) for pod in living]
        filling = [(worker.name, worker.ready(now)) for worker in workers]
        workloads = (*pods.workloads.values(), *fills.workloads.values())
        wanted = [(w.service.name, w.wanted, w.current, tuple(w.revisions), w.owners) for w in workloads]
        machines = [(machine.name, machine.ready, machine.schedulable, machine.gone) for machine in pods.machines]
        gpus = [pod is None for pod in pods.owner], pods.lost.copy()
        return Topology.model_construct(  # of nouns that were checked when they were made
            at=now,
            deployments=self._same(
                ("deployments", ""), (wanted, placed, filling), lambda: self._deployments(workloads, now)
            ),
            replicas=self._same(
                ("replicas", ""),
                (placed, filling),
                lambda: (*map(self._replica, living), *(self._worker(worker, now) for worker in workers)),
            ),
            nodes=self._same(
                ("nodes", ""),
                (machines, gpus, sorted(pods.leaving)),
                lambda: tuple(self._node(i) for i, each in enumerate(pods.machines) if not each.gone),
            ),
        )

    def _deployments(self, workloads: tuple[Workload, ...], now: datetime) -> tuple[Deployment, ...]:
        ready = Counter(pod.service for pod in self._pods.pods.values() if pod.ready)
        ready.update(worker.service for worker in self._fills.workers.values() if worker.ready(now))
        return tuple(self._deployment(workload, ready[workload.service.name]) for workload in workloads)

    def _deployment(self, workload: Workload, ready: int) -> Deployment:
        revisions = tuple(workload.revisions)
        return self._same(
            ("deployment", workload.service.name),
            (workload.wanted, ready, workload.current, revisions, workload.owners),
            lambda: Deployment(
                service=workload.service.name,
                replicas=workload.wanted,
                ready=ready,
                current=workload.current,
                revisions=revisions,
                owners=workload.owners,
            ),
        )

    def _replica(self, pod: Pod) -> Replica:
        machine = self._pods.machine_of(pod)
        node = machine.name if machine else ""
        return self._same(
            ("replica", pod.name),
            (node, pod.ready, pod.revision),
            lambda: Replica(
                name=pod.name,
                service=pod.service,
                node=node,
                ready=pod.ready,
                revision=pod.revision,
                started_at=pod.created_at,
            ),
        )

    def _worker(self, worker: Worker, now: datetime) -> Replica:
        machine, ready = self._pods.machine_of(worker.beside), worker.ready(now)
        return self._same(
            ("replica", worker.name),
            (ready,),
            lambda: Replica(
                name=worker.name,
                service=worker.service,
                node=machine.name if machine else "",
                ready=ready,
                revision="1",
                started_at=worker.created_at,
            ),
        )

    def _node(self, index: int) -> Node:
        machine = self._pods.machines[index]
        gpus = GPUS_PER_NODE - sum(self._pods.lost[index * GPUS_PER_NODE : (index + 1) * GPUS_PER_NODE])
        free = len(self._pods.free(index))
        return self._same(
            ("node", machine.name),
            (machine.ready, machine.schedulable, gpus, free, machine.name in self._pods.leaving),
            lambda: Node(
                name=machine.name,
                ready=machine.ready,
                schedulable=machine.schedulable,
                gpus=gpus,
                gpus_free=free,
                zone=machine.zone,
                leaving=machine.name in self._pods.leaving,
            ),
        )

    def _same(self, who: tuple[str, str], state: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """Return the value of the last look where nothing has changed: most of a fleet stands still."""
        known = self._known.get(who)
        if known is None or known[0] != state:
            known = self._known[who] = (state, make())
        return cast("Value", known[1])

    def changes(self, since: datetime) -> tuple[Change, ...]:
        """Return what was changed at or after ``since``, oldest first; promotions are the registry's."""
        return self._changes.since(since, promotions=False)


class WorldServing:
    """Looks at replicas and traffic from outside."""

    def __init__(self, pods: Pods, vendors: Vendors, quality: Quality, clock: Clock) -> None:
        self._pods = pods
        self._vendors = vendors
        self._quality = quality
        self._clock = clock

    def probe(self, service: str, replica: str) -> Probe:
        """Ask health page and engine of one replica; ``Absent`` when there is none of that name."""
        pod = self._pods.pods.get(replica)
        if pod is None or pod.service != service:
            raise Absent(f"{service} has no replica {replica}")
        answers = pod.ready and not pod.hung and not pod.crashing
        return Probe(
            replica=replica,
            at=self._clock.now(),
            health_ok=pod.ready,
            answers=answers,
            seconds=0.2 if answers else None,
        )

    def split(self, service: str) -> Split | None:
        """Return how the traffic is divided now: over vendors, or over model versions; None for the rest."""
        weights = self._vendors.weights.get(service) or self._quality.weights(service)
        return Split(service=service, weights=dict(weights)) if weights else None
