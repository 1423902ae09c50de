"""Loops over numbers of the eyes, compiled where Numba is there: ``tools.compiled``."""

from tools.compiled import compiled

__all__ = ["compiled"]
