"""A drift report on 50 numeric features x 1,000,000 rows, beside Evidently's: same data, same core, same run."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.peers import ROOT, python_of

ROWS, FEATURES = "1000000", "50"


def figures() -> Mapping[str, float]:
    """Return seconds, added memory in MB, and how many times faster than Evidently 0.7: exact, sketch, whole report."""
    found: dict[str, float] = {}
    for path in ("exact", "sketch", "whole"):
        own = _run([sys.executable, "-m", "tests.bench.own_drift", ROWS, FEATURES, path])
        found |= {f"drift_{path}_seconds": own["seconds"], f"drift_{path}_megabytes": own["megabytes"]}
    python = python_of("evidently", "evidently>=0.7.23,<0.8", "pandas<3")
    if python is None:
        return found
    peer = _run([str(python), str(Path(__file__).parent / "peer_evidently.py"), ROWS, FEATURES])
    found |= {"drift_evidently_seconds": peer["seconds"], "drift_evidently_megabytes": peer["megabytes"]}
    for path in ("exact", "sketch", "whole"):
        found[f"drift_{path}_vs_evidently_ratio"] = peer["seconds"] / found[f"drift_{path}_seconds"]
        found[f"drift_{path}_vs_evidently_memory"] = found[f"drift_{path}_megabytes"] / peer["megabytes"]
    return {name: round(value, 3) for name, value in found.items()}


def _run(command: list[str]) -> dict[str, Any]:
    """Run on one core, with one thread, and return the JSON of its last line."""
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    first = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(
        ["taskset", "-c", first, *command],
        cwd=ROOT,
        env=os.environ | alone,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
