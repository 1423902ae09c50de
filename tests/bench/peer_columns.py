"""The same detector as columns over all series and as one object of river's for each; run by river's environment.

Arguments: SERIES VALUES. Both take the same values, in turns, in one process, in processor time, so that what else the
machine does tells on both. Prints how many times more samples per second the columns take, and in how many places the
two disagree.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agent.eyes.contract import Detector, Tick

TURN = 64  # values that each takes in turn


def values(step: int, series: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return noise of one unit; the level of one series in fifty moves by one at half way."""
    row = np.random.default_rng(step).normal(0.0, 1.0, series).astype(np.float32)
    row[::50] += step >= 384
    return row


def beside(kind: Callable[[int], Detector], make: Callable[[], Any], series: int, steps: int) -> tuple[float, int, int]:
    """Return how many times faster the columns are, the places at which the two disagree, and the changes told."""
    mine, others, took, apart, told = kind(series), [make() for _ in range(series)], [0.0, 0.0], 0, 0
    at, age = np.zeros(series), np.zeros(series, np.int32)
    for start in range(0, steps + TURN, TURN):
        rows = [values(step, series) for step in range(start, start + TURN)]
        plain = [row.tolist() for row in rows]
        begun = time.process_time()
        said = [mine.update(Tick(row[None], age, at)).statistic for row in rows]
        halfway = time.process_time()
        theirs = [
            [detector.update(value) or detector.drift_detected for detector, value in zip(others, row, strict=True)]
            for row in plain
        ]
        ended = time.process_time()
        if start:  # the first turn is for warming up
            took = [took[0] + halfway - begun, took[1] + ended - halfway]
        apart += int((np.array(theirs) != (np.array(said) >= 1)).sum())
        told += int(np.sum(theirs))
    return took[1] / took[0], apart, told


def main() -> None:
    """Compare each detector that both have."""
    from river import drift

    from agent.eyes.changes import KINDS

    series, steps = (int(number) for number in sys.argv[1:])
    found = dict[str, float]()
    for name, make in {"page-hinkley": drift.PageHinkley, "adwin": drift.ADWIN}.items():
        ratio, apart, told = beside(KINDS[name], make, series, steps)
        key = name.replace("-", "_")
        found |= {f"{key}_ratio": ratio, f"{key}_disagreements": apart, f"{key}_changes": told}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
