"""The same detector as columns over all series and as one object of river's for each; run by river's environment.

Arguments: SERIES VALUES. Both take the same values, in turns, in one process, in processor time, so that what else the
machine does tells on both. Prints how many times more samples per second the columns take in the median turn, how long
a sample takes each over all turns, how often a change is told, and in how many places the two disagree.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agent.eyes.contract import Detector, Tick
from agent.eyes.gaussian import FAR

TURN = 64  # values that each takes in turn


def values(step: int, series: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return noise of one unit; the level of one series in fifty moves by one at half way."""
    row = np.random.default_rng(step).normal(0.0, 1.0, series).astype(np.float32)
    row[::50] += step >= 384
    return row


Turn = Callable[[list[Any], list[float]], list[bool]]


def changed(others: list[Any], row: list[float]) -> list[bool]:
    """Show a value to each change detector of river's; return which tell a change."""
    return [detector.update(value) or detector.drift_detected for detector, value in zip(others, row, strict=True)]


def scored(others: list[Any], row: list[float]) -> list[bool]:
    """Score and learn a value with each anomaly detector of river's; return which score above the distance allowed."""
    most = math.erf(FAR / math.sqrt(2))
    scores = [detector.score_one(None, value) > most for detector, value in zip(others, row, strict=True)]
    for detector, value in zip(others, row, strict=True):
        detector.learn_one(None, value)
    return scores


def beside(kind: Callable[[int], Detector], others: list[Any], turn: Turn, steps: int) -> dict[str, float]:
    """Return how many times faster the columns are, in the median turn, and where the two agree and disagree."""
    series = len(others)
    mine, ratios, took, apart, told = kind(series), list[float](), [0.0, 0.0], 0, 0
    at, age = np.zeros(series), np.zeros(series, np.int32)
    for start in range(0, steps + TURN, TURN):
        rows = [values(step, series) for step in range(start, start + TURN)]
        plain = [row.tolist() for row in rows]
        begun = time.process_time()
        said = [mine.update(Tick(row[None], age, at)).statistic for row in rows]
        halfway = time.process_time()
        theirs = [turn(others, row) for row in plain]
        ended = time.process_time()
        if start:  # the first turn is for warming up
            ratios.append((ended - halfway) / (halfway - begun))
            took = [took[0] + halfway - begun, took[1] + ended - halfway]
        apart += int((np.array(theirs) != (np.array(said) >= 1)).sum())
        told += int(np.sum(theirs))
    ours, river = (1e9 * seconds / steps / series for seconds in took)
    return {
        "ratio": statistics.median(ratios),
        "nanoseconds": ours,
        "river_nanoseconds": river,
        "disagreements": apart,
        "changes": told,
    }


def main() -> None:
    """Compare each detector that both have."""
    from river import anomaly, drift

    from agent.eyes.changes import KINDS

    series, steps = (int(number) for number in sys.argv[1:])
    peers: dict[str, tuple[Callable[[], Any], Turn]] = {
        "gaussian": (anomaly.GaussianScorer, scored),
        "page-hinkley": (drift.PageHinkley, changed),
        "adwin": (drift.ADWIN, changed),
    }
    found = dict[str, float]()
    for name, (make, turn) in peers.items():
        of = beside(KINDS[name], [make() for _ in range(series)], turn, steps)
        found |= {f"{name.replace('-', '_')}_{key}": value for key, value in of.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
