"""The first suite with one seed, and a simulated day of each quiet run: what the controller achieves."""

import time
from collections.abc import Mapping
from datetime import timedelta

from simulator.drill import run_drill


def figures() -> Mapping[str, float]:
    """Return shares over the twelve faults, sums of what must be zero, and seconds of wall."""
    started = time.perf_counter()
    faults = run_drill([], "first", 1, 1)["summary"]
    quiet = run_drill([], "quiet", 1, 1, length=timedelta(days=1))["summary"]
    shares = {f"drill_{key}": float(faults[key]["mean"]) for key in ("detected", "top1", "healed")}
    return {
        **shares,
        "drill_unsafe": float(faults["unsafe"] + quiet["unsafe"]),
        "drill_collateral": float(faults["collateral"] + quiet["collateral"]),
        "drill_quiet_false_acted": float(quiet["false_acted"]),
        "drill_quiet_false_incidents_per_run": float(quiet["false_incidents"]["mean"]),
        "drill_seconds": round(time.perf_counter() - started, 1),
    }
