"""One replica of a language model alone, driven through the world's own tick with an even load."""

import numpy as np

from config.fleet import Service, ServiceKind
from simulator.world.engines import OVERHEAD, Engines
from simulator.world.flow import Load
from simulator.world.rows import Rows
from simulator.world.store import Store

SECONDS = 30.0
ROWS = 4


class Replica:
    """An engine with constants of one's own; what is not given is as if it took no time."""

    def __init__(self, prompt: float, output: float, **constants: float) -> None:
        self._store = Store({"pod": ROWS, "gpu": 2, "node": 1, "service": 1, "vendor": 0})
        self.engines = Engines((Service(name="any", kind=ServiceKind.LANGUAGE),), self._store)
        given = {
            "prefill": 1e9,
            "step": 1e-6,
            "step_per_request": 0.0,
            "kv_tokens": 1e9,
            "max_batch": 1e4,
            "reuse": 0.0,
        }
        for name, value in {**given, "prompt": prompt, **constants}.items():
            getattr(self.engines.constants, name)[:] = value
        self.rows, self._shape = Rows(("any",), ROWS), (prompt, output)
        self._store.seal()
        self._store.now[:] = 0.0
        self.rows.alive[0] = self.rows.ready[0] = True
        self.rows.rebalance()

    def play(self, rate: float, ticks: int = 20) -> float:
        """Offer ``rate`` requests a second for so long; returns the mean wait before prefill begins, seconds."""
        one = np.ones(1)
        prompt, output = self._shape
        load = Load(
            seconds=SECONDS,
            arrivals=rate * SECONDS * one,
            prompt=prompt * one,
            output=output * one,
            errors=0 * one,
            delay=0 * one,
            slow=one,
            clock=np.ones(2),
            jitter=np.zeros(ROWS),
            noise=0.0,
            tries=one,
            timeout=np.inf * one,
        )
        for _ in range(ticks):
            self.engines.tick(load, self.rows)
        return float(self.engines.ttft[0]) - OVERHEAD

    def counted(self, metric: str) -> float:
        """Return the first series of a metric of the engine's."""
        return float(self._store.views[metric][0, 0])
