"""Many series at once: where the engine uses compiled loops, and where a few calls of NumPy are enough."""

import importlib
import importlib.util
from functools import cache
from typing import Any

MANY = 1024  # series of a block; fewer gain little, and need not wait for Numba


def loops_for(series: int) -> Any:
    """Return ``agent.eyes.engine_loops`` for many series where Numba is there, else None."""
    return _loops() if series >= MANY else None


@cache
def _loops() -> Any:
    if importlib.util.find_spec("numba") is None:
        return None
    return importlib.import_module("agent.eyes.engine_loops")
