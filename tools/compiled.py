"""Loops over numbers, compiled where Numba is there (the extra ``compiled``); else run as they are written, slowly."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

numba: Any = importlib.import_module("numba") if importlib.util.find_spec("numba") else None


def compiled(function: F) -> F:
    """Return the same function, compiled when it is first called, and kept beside its source or in the user's cache."""
    if numba is None:
        return function
    try:  # without a check for divisions by nought, so that loops become vector instructions
        found: F = numba.njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # it can be kept nowhere: neither an installation nor a home that may be written
        found = numba.njit(function, error_model="numpy")
    return found
