"""Clients that call a second time when a call fails, as meshes let them.

A budget bounds it: second tries may add a fifth to the calls, which is what Linkerd's retry budget and Envoy's do where
nobody says otherwise. Hence errors bring load of their own, though no storm; storms are clients without a budget.
"""

import numpy as np

from simulator.world.store import Floats

BUDGET = 0.2  # second tries for each first one, at most


def second_tries(errors: Floats) -> Floats:
    """Return how many second tries come with each first one where this share of calls fails.

    >>> second_tries(np.array([0.001, 0.5]))
    array([0.001, 0.2  ])
    """
    return np.minimum(errors, BUDGET)


def asked(calls: Floats, errors: Floats) -> Floats:
    """Return how many users stand behind these calls, of which so many fail; whoever calls twice is one of them.

    As though second tries came at once; with the good answers counted as they are, what is left are those whom no try
    has answered well.

    >>> calls, errors = 12_000.0, np.array([0.5])
    >>> answered = calls * (1 - errors)
    >>> answered / asked(np.array([calls]), errors)  # half at once, and a half of the fifth that may try again
    array([0.6])
    """
    return calls / (1 + second_tries(errors))
