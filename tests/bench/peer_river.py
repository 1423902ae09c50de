"""River's detectors, one object for each series, run by their own environment; arguments: SERIES MANY VALUES.

Prints samples per second of processor time of each detector over the same noise that our engine sees: for SERIES, the
change detectors, which keep little, for MANY.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM = 50  # values before the clock starts


def values(step: int, series: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the values of one step: noise around a level; the first series are the same however many are asked for."""
    return np.random.default_rng(step).normal(100.0, 5.0, series)


def rate(make: Callable[[], Any], step: Callable[[Any, float], object], rows: list[list[float]]) -> float:
    """Return samples per second after the warm-up."""
    detectors = [make() for _ in rows[0]]
    started = 0.0
    for place, row in enumerate(rows):
        if place == WARM:
            started = time.process_time()  # others may be at work
        for detector, value in zip(detectors, row, strict=True):
            step(detector, value)
    return (len(rows) - WARM) * len(rows[0]) / (time.process_time() - started)


def main() -> None:
    """Measure the anomaly detectors that take one value, and the two change detectors."""
    from river import anomaly, drift, preprocessing

    def trees(detector: Any, value: float) -> None:
        detector.score_one({"x": value})
        detector.learn_one({"x": value})

    def gauss(detector: Any, value: float) -> None:
        detector.score_one(None, value)
        detector.learn_one(None, value)

    def change(detector: Any, value: float) -> None:
        detector.update(value)

    few, many, steps = (int(number) for number in sys.argv[1:])
    rows, wide = ([values(step, series).tolist() for step in range(steps + WARM)] for series in (few, many))
    found = {
        "half_space_trees": rate(lambda: preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1), trees, rows),
        "kswin": rate(lambda: drift.KSWIN(seed=1), change, rows),
        # Its usual grace of 100 values is longer than the window: it would never score.
        "gaussian_97": rate(lambda: anomaly.GaussianScorer(window_size=97, grace_period=30), gauss, rows),
        "page_hinkley": rate(drift.PageHinkley, change, wide),
        "adwin": rate(drift.ADWIN, change, wide),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
