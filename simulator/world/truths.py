"""The true reading of every objective in the newest tick, for scoring alone; of all services at once."""

import numpy as np
from numpy.typing import NDArray

from config.fleet import ServiceKind
from simulator.world.body import Body
from simulator.world.evaluate import interpolate
from simulator.world.flow import Result, tally
from simulator.world.store import Floats
from simulator.world.vendors import EDGES as VENDOR_EDGES
from tools.buckets import E2E, TTFT

TAIL = 0.95


class Truths:
    """Reads what really happened in a tick, one reading for each objective of ``asked``."""

    def __init__(self, body: Body) -> None:
        self._body = body
        services = body.fleet.services
        asked = [(i, o) for i, service in enumerate(services) for o in service.objectives]
        self._names = tuple(services[i].name for i, _ in asked)
        self._services = np.array([i for i, _ in asked], dtype=np.intp)
        signals = [objective.signal for _, objective in asked]
        self._places = {
            signal: np.flatnonzero([each == signal for each in signals]) for signal in dict.fromkeys(signals)
        }
        target = {i: o.target for i, o in reversed(asked) if o.signal == "accuracy"}
        self._accuracy = np.array([target.get(i, 0.0) for i in range(len(services))])  # 0: none is promised
        self._vendor = np.array([s.kind is ServiceKind.VENDOR for s in services])
        self._edges = tuple(np.array(each) for each in (TTFT, E2E, VENDOR_EDGES))

    def read(self, last: Result) -> Floats:
        """Return the reading of every objective of the fleet, in its order; NaN where nobody was answered."""
        columns = {"error_ratio": last.errors, **self._times(last)}
        found = np.empty(len(self._names))
        for signal, places in self._places.items():
            if signal == "accuracy":
                found[places] = [self._body.quality.accuracy(self._names[place]) for place in places]
            else:
                found[places] = columns[signal][self._services[places]]
        return found

    def right(self, readings: Floats) -> Floats:
        """Return the share of answers that count as right, by service: 1, less where accuracy is below its target."""
        places = self._places.get("accuracy", np.empty(0, dtype=np.intp))
        services, accuracy = self._services[places], readings[places]
        target, right = self._accuracy[services], np.ones(len(self._accuracy))
        short = accuracy < target
        right[services[short]] = accuracy[short] / target[short]
        return right

    def _times(self, last: Result) -> dict[str, Floats]:
        body, (ttft, e2e, outside) = self._body, self._edges
        rows = np.flatnonzero(body.rows.alive & body.engines.mask[body.rows.service])
        whose = body.rows.service[rows]
        slow = self._p95(outside, body.vendors.service, body.vendors.seen)
        e2e_p95 = self._p95(e2e, whose, body.engines.e2e_seen[rows])
        return {
            "ttft_p95": self._p95(ttft, whose, body.engines.ttft_seen[rows]),
            "latency_p95": np.where(self._vendor, slow, e2e_p95),
            "latency_mean": np.where(last.finished > 0, body.scoring.latency, np.nan),
        }

    def _p95(self, edges: Floats, whose: NDArray[np.intp], seen: Floats) -> Floats:
        """Add histograms up by service, row by row, and read the tail of each."""
        count, width = len(self._vendor), len(edges) + 1
        places = whose[:, None] * width + np.arange(width)
        summed = tally(places.ravel(), seen.ravel(), count * width).reshape(count, width)
        return interpolate(TAIL, edges, summed)
