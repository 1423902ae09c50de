"""Tabular serving: short requests, dynamic batches, Triton's counters in microseconds. A fluid model over replicas."""

import numpy as np

from config.fleet import Service, ServiceKind
from simulator.world.batching import batch_size, gathering, more_per_request
from simulator.world.flow import Load, Result
from simulator.world.profile import CLIENT_LIMIT, profile_of
from simulator.world.rows import Rows
from simulator.world.store import Floats, Store

KIND = "tabular"
LIMIT = CLIENT_LIMIT[ServiceKind.TABULAR]
_COUNTERS = (
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_pending_request_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_infer_duration_us",
)


class Scoring:
    """All tabular replicas. ``waiting`` is requests per row."""

    def __init__(self, services: tuple[Service, ...], store: Store) -> None:
        rows = store.sizes["pod"]
        profiles = [profile_of(service) for service in services]
        self.mask = np.array([service.kind is ServiceKind.TABULAR for service in services])
        self.base = np.array([p.base for p in profiles])
        self.capacity = np.array([p.capacity for p in profiles])
        targets = [next((o.target for o in s.objectives if o.signal == "latency_mean"), 1e9) for s in services]
        self.target = np.array(targets)
        self.waiting = np.zeros(rows)
        self.util = np.zeros(rows)
        self.lost = np.zeros(len(services))
        self.latency = np.zeros(len(services))  # mean of this tick, seconds
        self.delay = np.array([p.queue_delay for p in profiles])
        self.more = more_per_request(self.base, self.capacity)
        self._views = store.views
        for name in _COUNTERS:
            store.add(name, "pod", only=KIND)

    def tick(self, load: Load, rows: Rows) -> Result:
        """Serve one tick; writes the metrics, returns what came of the requests."""
        s = rows.service
        mine = rows.alive & self.mask[s]
        clock = rows.clocked(load.clock)
        slow = rows.slow * load.slow[s] / clock
        arriving = np.where(mine, load.arrivals[s] * rows.share, 0.0)
        dead = (rows.crashing | rows.hung) & mine
        most = np.where(dead, 0.0, self.capacity[s] / slow)
        offered = self.waiting + arriving
        done = np.minimum(offered, most * load.seconds)
        waiting = offered - done
        expired = np.where(dead, waiting, np.maximum(0.0, waiting - most * LIMIT))
        self.waiting = waiting - expired
        self.util = np.where(most > 0, done / np.maximum(most * load.seconds, 1e-9), 0.0)
        rate = done / load.seconds
        batch = batch_size(rate, self.base[s] * slow, self.more[s] * slow, self.delay[s])
        busy = np.clip(self.util, 0.0, 0.98)
        queue = self.base[s] * slow * 0.5 * busy**2 / (1 - busy) + np.where(
            most > 0, self.waiting / np.maximum(most, 1), 0
        )
        queue = queue + gathering(rate, self.delay[s]) * (1 - busy)  # a busy instance is waited for anyhow
        compute = self.base[s] * slow * np.exp(load.noise * load.jitter)
        share = 1.0 - (1.0 - rows.errors) * (1.0 - load.errors[s])
        errors = np.clip(done * share + np.sqrt(done * share) * 0.5 * load.jitter[::-1], 0.0, done)
        self._views["nv_inference_exec_count"][:, 0] += (done - errors) / batch
        return self._report(rows, done - errors, errors + expired, queue, compute + load.delay[s])

    def _report(self, rows: Rows, good: Floats, bad: Floats, queue: Floats, compute: Floats) -> Result:
        views = self._views
        views["nv_inference_request_success"][:, 0] += good
        views["nv_inference_request_failure"][:, 0] += bad
        views["nv_inference_count"][:, 0] += good
        pending = views["nv_inference_pending_request_count"]
        pending[:, 0] = pending[:, 0] * 0.0 + np.round(self.waiting)
        views["nv_inference_request_duration_us"][:, 0] += good * (queue + compute) * 1e6
        views["nv_inference_queue_duration_us"][:, 0] += good * queue * 1e6
        views["nv_inference_compute_infer_duration_us"][:, 0] += good * compute * 1e6
        finished, failed = rows.sum(good), rows.sum(bad) + self.lost
        self.lost = np.zeros(len(self.target))
        self.latency = rows.sum(good * (queue + compute)) / np.maximum(finished, 1e-9)
        fast = rows.sum(good * (queue + compute <= self.target[rows.service]))
        errors = failed / np.maximum(finished + failed, 1e-9)
        zero = np.zeros(len(self.target))
        return Result(finished, failed, fast, zero, np.maximum(0.0, self.latency - self.base), errors)

    def removed(self, row: int, service: int, heirs: list[int]) -> None:
        """Empty a row: heirs take over what waits; without heirs it is lost."""
        left = self.waiting[row]
        self.waiting[row] = 0.0
        if heirs:
            self.waiting[heirs] += left / len(heirs)
        else:
            self.lost[service] += left
