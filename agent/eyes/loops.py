"""Many series at once: where the engine uses compiled loops, and where a few calls of NumPy are enough."""

from typing import Any

from tools.loops import loops

MANY = 1024  # series of a block; fewer gain little, and need not wait for Numba


def loops_for(series: int, module: str = "agent.eyes.engine_loops") -> Any:
    """Return a module of loops for many series where Numba is there, else None."""
    return loops(module) if series >= MANY else None
