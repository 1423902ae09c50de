"""Which loops are compiled: a module of them is imported only for what is worth the half second that Numba takes."""

import importlib
import importlib.util
from functools import cache
from typing import Any


@cache
def loops(module: str) -> Any:
    """Return a module of loops; None where Numba is not there, since as written they are slower than NumPy."""
    return importlib.import_module(module) if importlib.util.find_spec("numba") else None
