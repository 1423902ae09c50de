"""Episodes spread over a Ray cluster; Ray is an extra, imported here alone and only when it is asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Yield (task, result) as they come, of the cluster that ``RAY_ADDRESS`` names, or of a local one.

    ``ModuleNotFoundError`` where Ray is not installed. A task that fails raises here, and the others are cancelled.
    """
    import importlib

    ray: Any = importlib.import_module("ray")
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        remote = ray.remote(work)
        waiting = {remote.remote(task): task for task in tasks}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(done[0]), ray.get(done[0])
    finally:
        if ours:
            ray.shutdown()
