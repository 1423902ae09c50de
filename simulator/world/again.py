"""Clients that call again when a call fails, and what they make of a service that is overloaded.

A client has so many tries after the first, a budget and a backoff. Where nobody says otherwise it is one second try
within a budget of a fifth, which is Linkerd's and Envoy's: errors bring load of their own, though no storm.

Without a budget, and with a timeout after which a call is made again while the engine still works on the first one, a
service has a second stable state: every call is late, is repeated, and keeps the queue as long as it is, although what
began it is over. Bronson et al. (Metastable Failures in Distributed Systems, HotOS 2021) and Huang et al. (Metastable
Failures in the Wild, OSDI 2022) describe the shape: a trigger, a sustaining effect, goodput that stays low until load
is shed, capacity is added or tries are limited.
"""

from math import ceil
from typing import Protocol

import numpy as np

from simulator.world.store import Floats, Store

TRIES = 1.0  # after the first
BUDGET = 0.2  # further tries for each first one, at most
_MOST = 6  # tries of the most stubborn client
_TRIED, _CALLED = "envoy_cluster_upstream_rq_retry", "envoy_cluster_upstream_rq_total"


class Policy(Protocol):
    """What clients do, per service (S,)."""

    tries: Floats
    budget: Floats
    backoff: Floats  # seconds


def further_tries(errors: Floats, tries: Floats | float = TRIES, budget: Floats | float = BUDGET) -> Floats:
    """Return how many further tries come with each first one where this share of calls fails.

    >>> further_tries(np.array([0.001, 0.5]))
    array([0.001, 0.2  ])
    >>> further_tries(np.array([0.5, 1.0]), tries=3.0, budget=np.inf)
    array([0.875, 3.   ])
    """
    total = np.zeros_like(errors)
    for n in range(1, min(_MOST, ceil(np.max(tries))) + 1):
        total = total + errors**n * np.clip(tries - n + 1.0, 0.0, 1.0)  # of four and a half, half make a fifth
    return np.minimum(total, budget)


def asked(calls: Floats, more: Floats) -> Floats:
    """Return how many users stand behind these calls, of which ``more`` for each first one are further tries.

    As though further tries came at once; with the good answers counted as they are, what is left are those whom no try
    has answered well.

    >>> calls, errors = 12_000.0, np.array([0.5])
    >>> answered = calls * (1 - errors)
    >>> answered / asked(np.array([calls]), further_tries(errors))  # half at once, half of the fifth that tries again
    array([0.6])
    """
    return calls / (1 + more)


class Clients:
    """All who call the services, and what the mesh before them counts."""

    def __init__(self, services: int, store: Store) -> None:
        self._more = np.zeros(services)  # further tries for each first one
        self._views = store.views
        for name in (_TRIED, _CALLED):
            store.add(name, "service")

    def more(self, errors: Floats, usual: Floats, policy: Policy, seconds: float) -> Floats:
        """Return the further tries of this tick for each first one, beyond those in the traffic of every day.

        ``errors`` is the share of calls that failed in the last tick, ``usual`` what fails every day.
        """
        wanted = further_tries(errors, policy.tries, policy.budget) - further_tries(usual, policy.tries, policy.budget)
        wanted = np.maximum(0.0, wanted)
        pace = np.where(policy.backoff > 0, -np.expm1(-seconds / np.maximum(policy.backoff, 1e-9)), 1.0)
        self._more = self._more + pace * (wanted - self._more)
        return self._more

    def count(self, first: Floats, again: Floats) -> None:
        """Add this tick's calls to the mesh's counters."""
        self._views[_TRIED][:, 0] += again
        self._views[_CALLED][:, 0] += first + again
