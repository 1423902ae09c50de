"""Our engine on a fleet, in its own process; arguments: SERIES STEPS. Prints seconds a step and memory."""

import json
import sys
import time

import numpy as np

from agent.eyes.engine import Eyes
from tests.bench.peer_evidently import peak
from tests.bench.peer_river import values

WARM = 130  # steps: until every window is full
TICK = 30.0  # seconds


def main() -> None:
    """Advance all series; one value in a hundred is missing, as scrapes are."""
    series, steps = int(sys.argv[1]), int(sys.argv[2])
    before = peak()
    eyes, took, worked, alarms = Eyes(series, threshold=12.0), list[float](), list[float](), 0
    for step in range(WARM + steps):
        row = values(step, series)
        row[step % 100 :: 100] = np.nan
        started, begun = time.perf_counter(), time.process_time()
        alarms += len(eyes.update(TICK * step, row).alarms)
        took.append(time.perf_counter() - started)
        worked.append(time.process_time() - begun)
    state = len(eyes.save())
    print(
        json.dumps(
            {
                "seconds": float(np.median(took[WARM:])),
                "seconds_worst": max(took),
                "processor_seconds": float(np.median(worked[WARM:])),
                "processor_seconds_worst": max(worked),
                "megabytes": peak() - before,
                "state_megabytes": state / 2**20,
                "alarms": alarms,
            }
        )
    )


if __name__ == "__main__":
    main()
