"""The moving parts of the world, shared by mechanics and ports. It holds no truth about what is wrong."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from config.fleet import Fleet, ServiceKind
from simulator.world.again import BUDGET, TRIES, Clients
from simulator.world.ails import Ail
from simulator.world.autoscaler import Autoscaler, Measured
from simulator.world.background import Background
from simulator.world.couple import Coupling
from simulator.world.declared import Owners
from simulator.world.engines import Engines
from simulator.world.events import Changes
from simulator.world.filling import Fills
from simulator.world.hardware import Hardware, Labels
from simulator.world.marking import Marking
from simulator.world.pods import Pod, Pods, Workload
from simulator.world.quality import Quality
from simulator.world.rows import Rows
from simulator.world.scoring import Scoring
from simulator.world.store import Axis, Store
from simulator.world.streams import Streams
from simulator.world.vendors import Vendors
from simulator.world.weather import Weather


class VirtualClock:
    """Time of the world."""

    def __init__(self, start: datetime) -> None:
        self.at = start

    def now(self) -> datetime:
        """Return the present virtual instant."""
        return self.at


class Knobs:
    """Coefficients that mutations turn, at rest after ``reset``. Per service (S,) or vendor route (V,)."""

    def __init__(self, services: int, routes: int) -> None:
        self.own = set[str]()  # troubles of the controller itself; always the same set, for its ports ask it
        self._shape = (services, routes)
        self.reset()

    def reset(self) -> None:
        """Put every coefficient to rest."""
        services, routes = self._shape
        self.traffic = np.ones(services)
        self.prompt = np.ones(services)
        self.output = np.ones(services)
        self.slow = np.ones(services)
        self.errors = np.zeros(services)
        self.vendor_errors = np.zeros(routes)
        self.vendor_slow = np.ones(routes)
        self.vendor_throttled = np.zeros(routes)  # share of the failures
        self.vendor_nonsense = np.zeros(routes)
        self.tries = np.full(services, TRIES)  # of clients, after a call that failed
        self.budget = np.full(services, BUDGET)  # such calls for each first one, at most
        self.backoff = np.zeros(services)  # seconds over which they come
        self.timeout = np.full(services, np.inf)  # seconds for a first token after which clients call again
        self.price = 1.0
        self.label_delay: dict[str, float] = {}  # factor by service; of nobody: of all
        self.own.clear()
        self.gaps: set[str] = set()  # metrics that nobody scrapes
        self.noise = 1.0
        self.bursts = 1.0


class Body:
    """The moving parts, shared by mechanics and ports. ``fleet`` is all but batch work, which has parts of its own."""

    def __init__(self, whole: Fleet, seed: int, start: datetime) -> None:
        services = tuple(service for service in whole.services if service.kind is not ServiceKind.BATCH)
        fleet = self.fleet = Fleet(services=services) if whole.batches else whole
        self.index = {service.name: i for i, service in enumerate(services)}
        self.streams = Streams(seed)
        self.clock = VirtualClock(start)
        self.pods = Pods(fleet, seed, start)
        self.services = {service.name: service for service in services}
        routes = sum(len(service.vendors) for service in services)
        sizes: dict[Axis, int] = {
            "pod": self.pods.rows,
            "gpu": len(self.pods.owner),
            "node": len(self.pods.machines),
            "service": len(services),
            "vendor": routes,
        }
        self.store = Store(sizes)
        self.rows = Rows(tuple(self.index), self.pods.rows)
        self.engines = Engines(services, self.store)
        self.scoring = Scoring(services, self.store)
        self.vendors = Vendors(services, self.store)
        self.clients = Clients(len(services), self.store)
        self.hardware = Hardware(fleet, self.pods, self.store, shares=bool(whole.batches))
        self.marking = Marking(self.store, self.hardware, Background(self.streams, sizes))
        self.store.seal()
        self.weather = Weather(fleet, self.streams, self.pods.rows, len(self.pods.owner))
        self.coupling = Coupling(fleet)
        self.changes = Changes(start)
        self.owners = Owners(self.changes)
        self.knobs = Knobs(len(services), routes)
        self.ails: list[Ail] = []
        self.leaks: list[tuple[str, int, float]] = []  # series, row, value
        self.autoscalers: dict[str, Autoscaler] = {}  # by service
        self.failing = np.zeros(len(services))  # share of answers that failed in the last tick
        self.quality = Quality(fleet, self.streams, self.clock, self.changes)
        self._come_alive(start)
        self.fills = Fills()
        self.fills.deploy(whole, start)

    @property
    def workloads(self) -> Mapping[str, Workload]:
        """Every deployment by its service's name, batch work included."""
        return {**self.pods.workloads, **self.fills.workloads}

    def labels(self) -> Labels:
        """Return the labels of every row that is alive."""
        return self.hardware.labels(self.vendors.routes)

    def _come_alive(self, start: datetime) -> None:
        for axis, count in self.store.sizes.items():
            for row in range(count if axis != "pod" else 0):
                self.store.born(axis, row)
        self.pods.born, self.pods.removed = self._born, self._removed
        self.pods.start(start)

    def _born(self, pod: Pod) -> None:
        kind = self.pods.workloads[pod.service].service.kind
        self.store.born("pod", pod.row, kind.value)

    def _removed(self, pod: Pod, graceful: bool) -> None:
        self._hand_over(pod, graceful)
        self.store.died("pod", pod.row)
        self.rows.alive[pod.row] = False

    def _hand_over(self, pod: Pod, graceful: bool) -> None:
        """Give the pod's requests to its ready mates, or lose them."""
        mates = [p.row for p in self.pods.of(pod.service) if p.ready and not p.hung and not p.crashing]
        machine = self.pods.machine_of(pod)
        speaks = graceful and not pod.hung and not (machine is not None and machine.silent)
        heirs = [row for row in mates if row != pod.row] if speaks else []
        self.engines.removed(pod.row, self.index[pod.service], heirs)
        self.scoring.removed(pod.row, self.index[pod.service], heirs)

    def autoscale(self) -> None:
        """Let every autoscaler look at the load of its service's pods, and ask for replicas; the quota may say no."""
        now = self.clock.at
        for name, scaler in self.autoscalers.items():
            workload, pods = self.pods.workloads[name], self.pods.of(name)
            util = self.engines.util + self.scoring.util  # a row is of one kind
            values = self.engines.waiting + self.scoring.waiting if scaler.queue else util
            seen = [Measured(float("nan") if scaler.blind else float(values[pod.row]), pod.ready) for pod in pods]
            before, wanted = workload.wanted, scaler.decide(now, workload.wanted, seen)
            if wanted != before:
                workload.wanted = wanted
                words = f"New size: {wanted}; reason: load {'above' if wanted > before else 'below'} target"
                self.changes.add(now, "scale", f"service/{name}", "hpa", (str(before), str(wanted)), words)

    def restart(self, pod: Pod, seconds: float) -> None:
        """Restart the container in place, drained first: its own counters begin again."""
        self._hand_over(pod, graceful=True)
        self.store.reset("pod", pod.row)
        self.hardware.restarted(pod.row)
        pod.hung = False
        pod.ready = False
        pod.ready_at = self.clock.at + timedelta(seconds=seconds)

    def lose(self, pod: Pod) -> None:
        """Let what the pod works on die with its machine."""
        self._hand_over(pod, graceful=False)

    def crash(self, pod: Pod) -> None:
        """The replica's GPU is gone: it will start and fail for as long as it stays where it is."""
        self._hand_over(pod, graceful=False)
        pod.crashing = True
