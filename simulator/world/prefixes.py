"""Prefix caches: which part of a prompt an engine has computed before, and so need not prefill again.

A service's prompts begin with one of ``families`` shared prefixes, popular as Zipf's law says. A replica keeps the
least recently used ones out of what KV memory its running requests leave. Under LRU a prefix is there if it was asked
for within the last ``T`` requests, with T such that the prefixes of so many requests just fill the cache: Che's
approximation (Che, Tung, Wang 2002; Fricker, Robert, Roberts 2012), which holds for a cold cache as well, with T the
requests since it was emptied. Blocks of running requests cannot be evicted (vLLM's reference counts).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulator.world.store import Floats

EXPONENT = (
    1.1  # of Zipf's law over a service's prefixes: fits the published hits by capacity (tests/world/test_prefixes.py)
)
_TIMES = np.concatenate(([0.0], np.geomspace(0.05, 1e5, 400)))  # requests


@lru_cache
def curves(families: int, exponent: float = EXPONENT) -> tuple[Floats, Floats]:
    """Return, for each number of requests in ``_TIMES``, the share of hits and how many prefixes are stored."""
    weight = 1.0 / np.arange(1, families + 1) ** exponent
    weight /= weight.sum()
    seen = -np.expm1(-np.outer(_TIMES, weight))
    return np.asarray(seen @ weight), np.asarray(seen.sum(axis=1))


def hit_share(families: int, requests: Floats, room: Floats, exponent: float = EXPONENT) -> Floats:
    """Return the share of requests whose prefix is there, after so many requests, in a cache of ``room`` prefixes."""
    hits, stored = curves(families, exponent)
    reach = np.where(room >= families, np.inf, np.interp(room, stored, _TIMES))
    found: Floats = np.interp(np.minimum(requests, reach), _TIMES, hits)
    return np.where((requests >= _TIMES[-1]) & (room >= families), 1.0, found)


class PrefixCaches:
    """The caches of all rows. ``asked``: requests since a row's cache was emptied; infinite at the start of a world."""

    def __init__(self, rows: int, families: Floats, reuse: Floats, affinity: Floats) -> None:
        self.asked = np.full(rows, np.inf)
        self.families, self.reuse, self.affinity = families, reuse, affinity  # per service

    def emptied(self, row: int) -> None:
        """Forget what a replica had: its container begins again."""
        self.asked[row] = 0.0

    def look_up(self, service: NDArray[np.intp], requests: Floats, memory: Floats, mates: Floats) -> Floats:
        """Return the share of prompt tokens found, by row; ``requests`` of this tick, ``memory`` in whole prefixes.

        Routing by prefix (affinity 1) shows each of ``mates`` replicas its own part of the prefixes alone.
        """
        kinds = self.families[service]
        spread = np.where(mates > 1, 1.0 - self.affinity[service] * (1.0 - 1.0 / np.maximum(mates, 1.0)), 1.0)
        seen = np.maximum(1, np.round(kinds * spread)).astype(int)
        middle = self.asked + requests / 2
        found = np.zeros(len(service))
        for families in np.unique(seen):
            mine = seen == families
            found[mine] = hit_share(int(families), middle[mine], memory[mine])
        self.asked = self.asked + requests
        shares: Floats = found * self.reuse[service]
        return shares
