"""Many seeds, on some processes."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.torture.fate import Violation
from tests.torture.stage import Stage

Result = tuple[int, str, int]
"""Seed, what was violated (empty: nothing), and how many points were passed at which something might fail."""


def trial(seed: int) -> Result:
    """Play one seed."""
    stage = Stage(seed)
    try:
        stage.run()
    except Violation as violation:
        return seed, str(violation), stage.fate.points
    return seed, "", stage.fate.points


def trials(seeds: Iterable[int], jobs: int) -> Iterator[Result]:
    """Play many, in order."""
    if jobs == 1:
        yield from map(trial, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(trial, seeds, chunksize=20)


def replay(seed: int) -> str:
    """Return the command that plays one seed again."""
    return f"python -m tests.torture --first {seed} --seeds 1 --jobs 1"
