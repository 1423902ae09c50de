"""Processes that play side by side, and that end with whoever started them, however it ended."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext
from threading import Thread

FRESH = SpawnContext()


def pool(jobs: int, begin: Callable[..., object] | None = None, *given: object) -> ProcessPoolExecutor:
    """Return so many fresh processes, each of which calls ``begin`` first, with what is given.

    Killed outright, their parent can tell them nothing: each watches it.
    """
    return ProcessPoolExecutor(jobs, mp_context=FRESH, initializer=_begun, initargs=(begin, given))


def _begun(begin: Callable[..., object] | None, given: tuple[object, ...]) -> None:
    Thread(target=_leave_with_parent, daemon=True).start()
    if begin is not None:
        begin(*given)


def _leave_with_parent() -> None:
    """Wait for the parent's end, and end: at the executor's own queue one would wait for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
