"""Evidently's report on the drift benchmark's data, run by its own environment; arguments: ROWS FEATURES."""

import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def data(rows: int, features: int, side: int) -> "dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]":
    """Return a side: normal features, the first of which moves by a tenth of a deviation on side 1."""
    rng = np.random.default_rng(side)
    found = {f"f{at}": rng.normal(size=rows) for at in range(features)}
    found["f0"] += 0.1 * side
    return found


def peak() -> float:
    """Return the peak resident memory of this process in MB.

    Of the program that runs, where the system tells it: ``ru_maxrss`` goes on from that of whoever started it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print seconds and added memory of one report."""
    os.environ["DO_NOT_TRACK"] = "1"
    warnings.simplefilter("ignore")
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    rows, features = int(sys.argv[1]), int(sys.argv[2])
    names = [f"f{at}" for at in range(features)]
    one, two = (pd.DataFrame(data(rows, features, side)) for side in (0, 1))
    before, started = peak(), time.perf_counter()
    definition = DataDefinition(numerical_columns=names)
    sides = [Dataset.from_pandas(side, data_definition=definition) for side in (two, one)]
    metrics = [ValueDrift(column=name, method=method) for name in names for method in ("ks", "wasserstein", "psi")]
    result = Report(metrics).run(*sides)
    found = [metric["value"] for metric in result.dict()["metrics"]]
    print(json.dumps({"seconds": time.perf_counter() - started, "megabytes": peak() - before, "metrics": len(found)}))


if __name__ == "__main__":
    main()
