"""Dynamic batching as Triton does it: requests wait for company, at most so long, and run as one. A fluid model. Pure.

A batch of b takes ``first + more x (b - 1)`` seconds of the one instance. It starts when the instance is free and a
preferred size has come together, or the oldest request has waited ``max_queue_delay``; with no delay (the default),
with whoever waits when the instance becomes free.
"""

import numpy as np

from simulator.world.store import Floats

PREFERRED = 8  # requests of a full batch
_STEPS = 6  # of the fixed point


def more_per_request(first: Floats, capacity: Floats, preferred: int = PREFERRED) -> Floats:
    """Return the seconds that one more request adds, of a server that answers ``capacity`` a second in full batches."""
    found: Floats = np.maximum(preferred / capacity - first, 0.0) / (preferred - 1)
    return found


def batch_size(
    rate: Floats, first: Floats, more: Floats, delay: Floats | float = 0.0, preferred: int = PREFERRED
) -> Floats:
    """Return the mean batch at ``rate`` requests a second: who comes while one runs, or while the delay lasts."""
    growing = np.minimum(rate * more, 0.999)
    found: Floats = np.clip(
        rate * (first - more) / (1 - growing), 1.0, preferred
    )  # b = rate x (first + more x (b - 1))
    for _ in range(_STEPS):
        meanwhile = rate * (first + more * (found - 1))  # arrive while one batch runs; at least one makes the next
        found = np.clip(meanwhile + np.exp(-meanwhile), 1.0, preferred)
    return np.asarray(np.clip(np.maximum(found, 1.0 + rate * delay), 1.0, preferred))


def gathering(rate: Floats, delay: Floats | float, preferred: int = PREFERRED) -> Floats:
    """Return the mean seconds that a request waits for company, of a server that is otherwise idle."""
    full = (preferred - 1) / np.maximum(rate, 1e-9)  # until the preferred size has come
    span = np.minimum(delay, full)
    size = 1.0 + rate * span
    found: Floats = span * (1.0 + rate * span / 2) / size  # the first waits all of it, the later ones half on the mean
    return found
