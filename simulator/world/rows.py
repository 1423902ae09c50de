"""Coefficients of every pod row as arrays, so that the mechanics are vectorised over replicas."""

import numpy as np
from numpy.typing import NDArray

from simulator.world.flow import tally
from simulator.world.pods import Effect, Pods
from simulator.world.store import Floats

PLAIN = Effect()
SPREAD = 2.0  # of prompts about as the trace of simulator.world.traffic has them
FLAP = 2  # ticks of one turn of a crash loop
FLAP_SHARE = 0.5  # of the time it is in the balancer: its health page is green until the first call


class Rows:
    """Who lives in each row and what slows or breaks it. Arrays are float64 or bool of shape (rows,)."""

    def __init__(self, services: tuple[str, ...], rows: int) -> None:
        self.index = {name: i for i, name in enumerate(services)}
        self.service = np.zeros(rows, dtype=np.intp)
        self.alive = np.zeros(rows, dtype=bool)
        self.ready = np.zeros(rows, dtype=bool)
        self.hung = np.zeros(rows, dtype=bool)
        self.crashing = np.zeros(rows, dtype=bool)
        self.gpu = np.full(rows, -1, dtype=np.intp)
        self.errors = np.zeros(rows)
        self.slow = np.ones(rows)
        self.output = np.ones(rows)
        self.prompt = np.ones(rows)
        self.prefix = np.ones(rows)  # share of the shared prefixes that are still what they were
        self.kv = np.ones(rows)  # share of the KV cache's memory that is there
        self.admit = np.full(rows, np.inf)  # tokens of a prompt that must fit for it to be let in; all of them
        self.spread = np.full(rows, SPREAD)  # mean square of prompt lengths over the square of their mean
        self.poison = np.zeros(rows)  # requests a second, of the whole service, that no engine survives
        self.pause = np.zeros(rows)  # seconds that one of them stops an engine
        self.share: Floats = np.zeros(rows)

    def refresh(self, pods: Pods, tick: int) -> None:
        """Read the pods anew; ``share`` becomes each row's part of its service's traffic."""
        self.alive[:] = False
        self.ready[:] = False
        living = list(pods.pods.values())
        for pod in living:
            if pod.crashing:
                pod.ready = tick % FLAP == 0
        columns = [(p.row, self.index[p.service], p.gpu, p.ready, p.hung, p.crashing) for p in living]
        row, service, gpu, ready, hung, crashing = np.array(columns, dtype=np.intp).reshape(-1, 6).T
        self.alive[row] = True
        self.service[row], self.gpu[row] = service, gpu
        self.ready[row], self.hung[row], self.crashing[row] = ready, hung, crashing
        self._releases(pods, row)
        self.rebalance()

    def _releases(self, pods: Pods, row: NDArray[np.intp]) -> None:
        """Write what revisions do to their replicas, which live in these rows."""
        self.errors[row] = 0.0
        self.slow[row] = self.output[row] = self.prompt[row] = self.prefix[row] = self.kv[row] = 1.0
        self.poison[row] = self.pause[row] = 0.0
        self.admit[row], self.spread[row] = np.inf, SPREAD
        for name, workload in pods.workloads.items():
            for pod in pods.of(name) if workload.effects else ():
                effect = workload.effects.get(pod.revision, PLAIN)
                self.errors[pod.row], self.slow[pod.row] = effect.errors, effect.slow
                self.output[pod.row], self.prompt[pod.row] = effect.output, effect.prompt

    def rebalance(self) -> None:
        """Divide each service's traffic evenly over its ready replicas."""
        ready = np.where(self.crashing, FLAP_SHARE, self.ready) * self.alive
        totals = tally(self.service, ready, len(self.index))
        self.share = ready / np.maximum(totals[self.service], 1.0)

    def clocked(self, clock: Floats) -> Floats:
        """Return each row's share of full speed, given that of every GPU; 1 where it has none."""
        return np.append(clock, 1.0)[self.gpu]  # -1: the last

    def sum(self, values: Floats) -> Floats:
        """Add a per-row array up by service."""
        return tally(self.service, np.where(self.alive, values, 0.0), len(self.index))
