"""One step of a fleet of 200,000 series on one core, how it grows, and river's detectors beside it in the same run."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.bench.bench_drift import _run as alone
from tests.bench.peers import python_of

SERIES, FEW, STEPS = 200_000, 50_000, 40
PEER_SERIES, PEER_MANY, PEER_VALUES = "100", "20000", "100"
LIKE_SERIES, LIKE_VALUES = "20000", "640"


def figures() -> Mapping[str, float]:
    """Return seconds of a step, memory, growth with the number of series, and how many times faster than river.

    ``fleet_vs_river_ratio`` is against river's own detector of anomalies in a stream, half-space trees; the others are
    named, and its change detectors, which keep a handful of numbers and no season, are beside them; ``all_five`` is
    against one of each. ``columns_vs_river_*`` is like for like: the same detector (Gaussian scorer, Page-Hinkley,
    ADWIN), as columns and as objects, in one process. Ratios are of processor time, so that what else runs on the
    machine does not tell.
    """
    own, few = (alone([sys.executable, "-m", "tests.bench.own_fleet", str(many), str(STEPS)]) for many in (SERIES, FEW))
    found = {
        "fleet_step_seconds_200k": own["seconds"],
        "fleet_step_seconds_200k_worst": own["seconds_worst"],
        "fleet_step_processor_seconds_200k_worst": own["processor_seconds_worst"],
        "fleet_memory_mb_200k": own["megabytes"],
        "fleet_state_mb_200k": own["state_megabytes"],
        "fleet_growth_200k_over_50k": own["seconds"] / few["seconds"] / (SERIES / FEW),
    }
    python = python_of("river", "river>=0.21,<1", "numba>=0.68")  # numba: for the columns beside it
    if python is not None:
        peer = alone([str(python), str(Path(__file__).parent / "peer_river.py"), PEER_SERIES, PEER_MANY, PEER_VALUES])
        ours = SERIES / own["processor_seconds"]
        found |= {f"fleet_vs_river_{name}_ratio": ours / rate for name, rate in peer.items()}
        rates = [1 / rate for rate in peer.values()]
        found["fleet_vs_river_all_five_ratio"] = ours * sum(rates)
        like = alone([str(python), "-m", "tests.bench.peer_columns", LIKE_SERIES, LIKE_VALUES])
        found |= {f"columns_vs_river_{name}": value for name, value in like.items()}
        found["fleet_vs_river_ratio"] = found["fleet_vs_river_half_space_trees_ratio"]
    return {name: round(value, 3) for name, value in found.items()}
