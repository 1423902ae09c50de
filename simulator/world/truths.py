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
    """Reads what really happened in a tick."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._asked = {s.name: tuple(o.signal for o in s.objectives) for s in body.fleet.services}
        self._vendor = np.array([s.kind is ServiceKind.VENDOR for s in body.fleet.services])
        self._edges = tuple(np.array(each) for each in (TTFT, E2E, VENDOR_EDGES))

    def read(self, last: Result) -> dict[str, dict[str, float]]:
        """Return the readings of every objective by service and signal; NaN where nobody was answered."""
        body, columns = self._body, {"error_ratio": last.errors.tolist(), **self._times(last)}
        return {
            name: {
                signal: body.quality.accuracy(name) if signal == "accuracy" else columns[signal][i]
                for signal in self._asked[name]
            }
            for name, i in body.index.items()
        }

    def _times(self, last: Result) -> dict[str, list[float]]:
        body, (ttft, e2e, outside) = self._body, self._edges
        rows = np.flatnonzero(body.rows.alive & body.engines.mask[body.rows.service])
        whose = body.rows.service[rows]
        slow = self._p95(outside, body.vendors.service, body.vendors.seen)
        e2e_p95 = self._p95(e2e, whose, body.engines.e2e_seen[rows])
        return {
            "ttft_p95": self._p95(ttft, whose, body.engines.ttft_seen[rows]).tolist(),
            "latency_p95": np.where(self._vendor, slow, e2e_p95).tolist(),
            "latency_mean": np.where(last.finished > 0, body.scoring.latency, np.nan).tolist(),
        }

    def _p95(self, edges: Floats, whose: NDArray[np.intp], seen: Floats) -> Floats:
        """Add histograms up by service, row by row, and read the tail of each."""
        count, width = len(self._asked), len(edges) + 1
        places = whose[:, None] * width + np.arange(width)
        summed = tally(places.ravel(), seen.ravel(), count * width).reshape(count, width)
        return interpolate(TAIL, edges, summed)
