"""GPUs, nodes and money, as dcgm-exporter, kube-state-metrics and OpenCost tell them."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from config.fleet import Fleet
from simulator.world.flow import tally
from simulator.world.pods import Pod, Pods
from simulator.world.profile import GPU_HOURLY, GPUS_PER_NODE
from simulator.world.rows import Rows
from simulator.world.store import Axis, Floats, Store
from tools.catalogue import OWN_METRIC as OWN

CLOCK = 1980.0  # MHz at full speed
FULL = 95.0  # per cent of its time in which a GPU computes that batch work shares
HOT = 0.95  # below this share of full speed the hardware reports thermal slow-downs
EVENTS, MOST_EVENTS = 0.3, 45  # a second, while a GPU is hot; in the window
NO_READING = float(0x7FFFFFFFFFFFFFF0)  # DCGM_INT64_BLANK; not found, not supported and not permitted are 1 to 3 more
WINDOW = 300.0  # seconds that dcgm-exporter counts XIDs over
XIDS = (13, 31, 48, 79, 94, 95)
READ = tuple(f"DCGM_FI_DEV_{name}" for name in ("GPU_TEMP", "SM_CLOCK", "POWER_USAGE", "GPU_UTIL"))  # by the driver
_PRESSURE = (("condition", "DiskPressure"), ("status", "true"))
Bools = NDArray[np.bool_]
Labels = dict[Axis, dict[int, dict[str, str]]]


class Hardware:
    """What the machines report. Arrays over GPUs have shape (G,)."""

    def __init__(self, fleet: Fleet, pods: Pods, store: Store, *, shares: bool = False) -> None:
        self.fleet = fleet
        self._index = {service.name: i for i, service in enumerate(fleet.services)}
        self.pods = pods
        count = len(pods.owner)
        self.clock = np.ones(count)  # share of full speed that heat leaves
        self.xid = np.zeros(count)  # the last one, until the driver is loaded again
        self.dated = np.arange(count) // GPUS_PER_NODE % 3 == 2  # exporters that say Hostname, and show blank values
        self._codes: list[tuple[float, int, int]] = []  # when (seconds of uptime), on which GPU, which
        self._up = 0.0
        self.busy = np.zeros(count)  # per cent that the device really computes
        self.price = 1.0  # times the usual
        self.flicker = np.zeros(count)  # harmless slow-downs that noise brings
        self.events = np.zeros(count)
        self.own = np.zeros(count)  # per cent that its replica computes
        self.shared = np.zeros(count, dtype=bool)  # with a batch worker
        self._views = store.views
        for name in ("FB_USED", "SM_CLOCK", "GPU_TEMP", "GPU_UTIL", "POWER_USAGE", "XID_ERRORS"):
            store.add(f"DCGM_FI_DEV_{name}", "gpu")
        events = ("gpu_idle", "sw_thermal", "hw_thermal", "hw_slowdown", "power_cap")
        self._by_container = shares
        if shares:
            store.add(OWN, "gpu")
        store.add("DCGM_EXP_XID_ERRORS_COUNT", "gpu", tuple((("xid", str(code)),) for code in XIDS))
        store.add("DCGM_EXP_CLOCK_EVENTS_COUNT", "gpu", tuple((("clock_event", e),) for e in events))
        scalers = ("spec_max_replicas", "status_current_replicas", "status_desired_replicas")
        scaled = tuple(f"kube_horizontalpodautoscaler_{name}" for name in scalers)
        for name in ("kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready", *scaled):
            store.add(name, "service")
        store.add("container_memory_working_set_bytes", "pod")
        for name in ("kube_pod_container_status_restarts_total", "kube_pod_status_ready", "container_gpu_allocation"):
            store.add(name, "pod")
        store.add(
            "kube_node_status_condition",
            "node",
            (*((("condition", "Ready"), ("status", s)) for s in ("true", "false")), _PRESSURE),
        )
        for name in ("kube_node_spec_unschedulable", "node_gpu_hourly_cost", "node_gpu_count"):
            store.add(name, "node")

    def restarted(self, row: int) -> None:
        """Count a container restart."""
        self._views["kube_pod_container_status_restarts_total"][row, 0] += 1

    def report(self, gpus: Collection[int], code: int) -> None:
        """Show an XID: the gauge keeps it whatever becomes of its cause, the count loses it after ``WINDOW``."""
        for gpu in gpus:
            self.xid[gpu] = code
            self._codes.append((self._up, gpu, code))

    def reset(self, gpu: int) -> None:
        """Load the driver of a GPU anew: its last XID is forgotten."""
        self.xid[gpu] = 0.0
        self._codes = [each for each in self._codes if each[1] != gpu]

    def silence(self, gpus: Collection[int]) -> None:
        """Let the driver of these GPUs answer nothing in this tick; called after ``tick``."""
        self._unread(list(gpus))

    def tick(self, rows: Rows, util: Floats, noise: Floats, seconds: float) -> None:
        """Write every gauge as of ``seconds`` later. ``util`` per row 0..1, ``noise`` standard normal (G, 2)."""
        self._up += seconds
        self._count(seconds)
        self._gpus(rows, util, noise)
        self._cluster()

    def _count(self, seconds: float) -> None:
        """Let the events of a hot GPU rise to what a window holds, and fall again when it has cooled."""
        grown = np.where(self.clock < HOT, EVENTS, -EVENTS) * seconds
        self.events = np.clip(self.events + grown, 0, MOST_EVENTS)

    def _gpus(self, rows: Rows, util: Floats, noise: Floats) -> None:
        views = self._views
        used = np.zeros(len(self.clock))
        placed = rows.alive & (rows.gpu >= 0)
        used[list(self.pods.taken)] = 1.0
        used[rows.gpu[placed]] = np.where(rows.ready[placed], 0.08 + 0.9 * util[placed], 0.0)
        lost = np.array(self.pods.lost)
        busy = np.clip(100 * used + 2 * noise[:, 0] * (used > 0), 0, 100)
        if self._by_container:
            busy = self._shared(busy, noise, lost)
        hot = self.clock < HOT
        views["DCGM_FI_DEV_GPU_UTIL"][:, 0] = np.round(busy)
        self.busy = np.where(lost, 0.0, np.round(busy))
        temp = 36 + 0.36 * busy + noise[:, 1] + np.where(hot, 30 + 20 * (1 - self.clock), 0)
        views["DCGM_FI_DEV_GPU_TEMP"][:, 0] = np.round(np.minimum(temp, 95))
        clock = CLOCK * self.clock * np.where(busy > 0, 1.0, 0.6)
        views["DCGM_FI_DEV_SM_CLOCK"][:, 0] = np.round(clock / 15) * 15
        views["DCGM_FI_DEV_POWER_USAGE"][:, 0] = 70 + 5.6 * busy * self.clock
        views["DCGM_FI_DEV_XID_ERRORS"][:, 0] = self.xid
        self._unread(np.flatnonzero(lost))
        self._count_xids()
        events = views["DCGM_EXP_CLOCK_EVENTS_COUNT"]
        events[:] = 0.0
        events[:, 2] = np.round(self.events) + self.flicker

    def _unread(self, gpus: Sequence[int] | NDArray[np.intp]) -> None:
        """Take readings of GPUs away: older exporters pass dcgm's blank value on, newer ones leave the series out."""
        for name in READ:
            self._views[name][gpus, 0] = np.where(self.dated[gpus], NO_READING, np.nan)

    def _count_xids(self) -> None:
        """Write the XIDs of the last minutes."""
        counts = self._views["DCGM_EXP_XID_ERRORS_COUNT"]
        counts[:] = 0.0
        self._codes = [each for each in self._codes if self._up - each[0] < WINDOW]
        for _, gpu, code in self._codes:
            counts[gpu, [each == code for each in XIDS]] += 1

    def _shared(self, busy: Floats, noise: Floats, lost: Bools) -> Floats:
        """Tell what each replica uses itself, and return what the device does."""
        self.own = np.where(lost, FULL, busy)  # nothing is done on a GPU that is gone
        self._views[OWN][:, 0] = np.where(lost, np.nan, np.round(busy))
        return np.where(self.shared, np.maximum(busy, np.clip(FULL + 2 * noise[:, 0], 0, 100)), busy)

    def _cluster(self) -> None:
        views, pods = self._views, self.pods
        for i, service in enumerate(self.fleet.services):
            workload = pods.workloads.get(service.name)
            if workload is not None:
                views["kube_deployment_spec_replicas"][i, 0] = workload.wanted
        living = list(pods.pods.values())
        rows, up = [pod.row for pod in living], np.array([pod.ready for pod in living], dtype=np.float64)
        views["kube_pod_status_ready"][rows, 0] = up
        views["container_gpu_allocation"][rows, 0] = [pod.gpu >= 0 for pod in living]
        ready = tally(self._services_of(living), up, len(self.fleet.services))
        views["kube_deployment_status_replicas_ready"][:, 0] = ready
        well = np.array([machine.ready for machine in pods.machines], dtype=np.float64)
        views["kube_node_status_condition"][:] = np.stack((well, 1.0 - well, np.zeros(len(well))), axis=1)
        views["kube_node_spec_unschedulable"][:, 0] = [not machine.schedulable for machine in pods.machines]
        views["node_gpu_hourly_cost"][:, 0] = GPU_HOURLY * self.price
        views["node_gpu_count"][:, 0] = GPUS_PER_NODE

    def spend(self) -> Floats:
        """Return GPU money per hour by service, shape (S,)."""
        held = [pod for pod in self.pods.pods.values() if pod.gpu >= 0]
        return tally(self._services_of(held), np.full(len(held), GPU_HOURLY * self.price), len(self.fleet.services))

    def _services_of(self, pods: Collection[Pod]) -> NDArray[np.intp]:
        return np.array([self._index[pod.service] for pod in pods], dtype=np.intp)

    def labels(self, routes: tuple[tuple[str, str], ...]) -> Labels:
        """Return the labels of every row that is alive."""
        services = {service.name: service for service in self.fleet.services}
        pods: dict[int, dict[str, str]] = {}
        gpus: dict[int, dict[str, str]] = {}
        names = [machine.name for machine in self.pods.machines]
        there = {i: machine.name for i, machine in enumerate(self.pods.machines) if not machine.gone}
        for i in (i for i in range(len(self.pods.owner)) if i // GPUS_PER_NODE in there):
            host = "Hostname" if self.dated[i] else "hostname"
            gpus[i] = {host: names[i // GPUS_PER_NODE], "gpu": str(i % GPUS_PER_NODE)}
        for pod in self.pods.pods.values():
            service = services[pod.service]
            mine = {"service": pod.service, "pod": pod.name, "namespace": service.namespace}
            pods[pod.row] = {**mine, "kind": service.kind.value, "deployment": service.workload}
            if pod.gpu >= 0:
                gpus[pod.gpu] |= mine
                pods[pod.row]["node"] = names[pod.gpu // GPUS_PER_NODE]
        deployed = {
            i: {"service": s.name, "deployment": s.workload, "namespace": s.namespace}
            for i, s in enumerate(self.fleet.services)
            if s.name in self.pods.workloads
        }
        vendors = {i: {"service": s, "vendor": v} for i, (s, v) in enumerate(routes)}
        nodes = {i: {"node": name} for i, name in there.items()}
        return {"pod": pods, "gpu": gpus, "service": deployed, "vendor": vendors, "node": nodes}
