"""Calls to outside vendors, as the gateway's own client metrics tell them. One row per (service, vendor) route."""

import numpy as np

from config.fleet import Service, ServiceKind
from simulator.world.flow import Load, Result, lognormal_share, tally
from simulator.world.profile import profile_of
from simulator.world.store import Floats, Store

EDGES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 20.0, 30.0)
SIGMA = 0.5
CODES = ("200", "429", "500", "timeout", "422")  # 422: the gateway refused the answer
PLAIN = (0.05, 0.75, 0.2)  # 429, 500 and timeouts among failures that are neither throttling nor nonsense
STANDING = (90, 10)  # per cent of traffic to the first and second choice: the second is kept warm


class Vendors:
    """All routes. ``errors`` and ``slow`` are what is wrong with each now, shape (V,)."""

    def __init__(self, services: tuple[Service, ...], store: Store) -> None:
        self.routes = tuple((s.name, v) for s in services for v in s.vendors)
        index = {s.name: i for i, s in enumerate(services)}
        profiles = {s.name: profile_of(s) for s in services}
        self.service = np.array([index[s] for s, _ in self.routes], dtype=np.intp)
        self.base = np.array([profiles[s].base for s, _ in self.routes])
        self.price = np.array([profiles[s].price for s, _ in self.routes])
        self.errors = np.zeros(len(self.routes))
        self.slow = np.ones(len(self.routes))
        self.throttled = np.zeros(len(self.routes))  # share of the failures
        self.nonsense = np.zeros(len(self.routes))
        self.count = len(services)
        self.weights: dict[str, dict[str, int]] = {
            s.name: _standing(s.vendors) for s in services if s.kind is ServiceKind.VENDOR
        }
        self.money = np.zeros(len(self.routes))  # of this tick
        self.seen = np.zeros((len(self.routes), len(EDGES) + 1))
        targets = [next((o.target for o in s.objectives if o.signal == "latency_p95"), 1e9) for s in services]
        self.target = np.array(targets)
        self._views = store.views
        self._edges = np.array(EDGES)
        store.add("vendor_requests_total", "vendor", tuple((("code", code),) for code in CODES))
        store.add_histogram("vendor_request_duration_seconds", "vendor", EDGES)

    def row(self, service: str, vendor: str) -> int:
        """Return the row of a route."""
        return self.routes.index((service, vendor))

    def failures(self, bad: Floats) -> Floats:
        """Divide ``bad`` failed calls of each route, shape (V,), among ``CODES`` but the first; shape (V, 4)."""
        plain = bad * (1 - self.throttled - self.nonsense)
        limited, failed, held = (plain * share for share in PLAIN)
        return np.stack([bad * self.throttled + limited, failed, held, bad * self.nonsense], axis=1)

    def tick(self, load: Load, jitter: Floats) -> Result:
        """Send one tick of calls."""
        share = np.array([self.weights[s].get(v, 0) for s, v in self.routes]) / 100.0
        calls = load.arrivals[self.service] * share
        rate = np.clip(1.0 - (1.0 - self.errors) * (1.0 - load.errors[self.service]), 0.0, 1.0)
        bad = np.clip(calls * rate + np.sqrt(calls * rate) * 0.5 * jitter[: len(calls)], 0.0, calls)
        good = calls - bad
        mean = self.base * self.slow * load.slow[self.service] * np.exp(load.noise * jitter[len(jitter) - len(calls) :])
        self.seen = good[:, None] * lognormal_share(self._edges, mean, SIGMA)
        self._views["vendor_request_duration_seconds_bucket"] += self.seen
        codes = self._views["vendor_requests_total"]
        codes[:, 0] += good
        codes[:, 1:] += self.failures(bad)
        self.money = good * self.price
        return self._result(good, bad, mean)

    def _result(self, good: Floats, bad: Floats, mean: Floats) -> Result:
        finished = tally(self.service, good, self.count)
        failed = tally(self.service, bad, self.count)
        limits = lognormal_share(np.array([1.0]), mean / self.target[self.service], SIGMA)[:, 0]
        fast = tally(self.service, good * limits, self.count)
        extra = tally(self.service, good * (mean - self.base), self.count)
        answered = np.maximum(finished + failed, 1e-9)
        delay = np.maximum(0.0, extra) / np.maximum(finished, 1e-9)
        return Result(finished, failed, fast, np.zeros(self.count), delay, failed / answered)


def _standing(vendors: tuple[str, ...]) -> dict[str, int]:
    if len(vendors) == 1:
        return {vendors[0]: 100}
    return {vendor: (STANDING[i] if i < 2 else 0) for i, vendor in enumerate(vendors)}
