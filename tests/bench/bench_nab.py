"""The Numenta Anomaly Benchmark, standard profile: the fleet's detectors as they are, one set of parameters.

Their weights and the muting's share were chosen on the even files in the order of names; the odd ones are held out.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import erfc

from agent.eyes.engine import Eyes
from tests.bench.nab import Labelled, Numbers, read_corpus, score

DATA = Path(os.environ.get("PRUNELLA_DATA", Path(__file__).parents[3] / "shared" / "data")) / "anomaly" / "nab"
SEEDS = 3
MEMORY, REFRESH = 6400, 100  # values of NAB's own windowed Gaussian, and how many of them are replaced at once


def figures() -> Mapping[str, float]:
    """Return our score held out, on the half chosen on and on all, and the baselines' on all."""
    if not DATA.is_dir():
        sys.stderr.write(f"  no NAB corpus at {DATA}: no NAB figures\n")
        return {}
    files = read_corpus(DATA)
    own = seen(files)
    chosen, threshold = score(files[::2], own[::2])
    found = {
        "nab_standard_heldout": score(files[1::2], own[1::2])[0],
        "nab_standard_heldout_fixed_threshold": score(files[1::2], own[1::2], threshold)[0],
        "nab_standard_chosen": chosen,
        "nab_standard_all": score(files, own)[0],
        "nab_nothing": score(files, [np.zeros(len(file.at)) for file in files])[0],
        "nab_windowed_gaussian": score(files, [gaussian(file.values) for file in files])[0],
        "nab_random": float(np.mean([score(files, chance(files, seed))[0] for seed in range(SEEDS)])),
    }
    return {name: round(value, 2) for name, value in found.items()}


def seen(files: Sequence[Labelled]) -> list[Numbers]:
    """Return the score of every row: all files are watched at once, each a series that ends at its end."""
    longest = max(len(file.at) for file in files)
    at, values = np.full((longest, len(files)), np.inf), np.full((longest, len(files)), np.nan)
    for place, file in enumerate(files):
        at[: len(file.at), place], values[: len(file.at), place] = file.at, file.values
    eyes, found = Eyes(len(files), threshold=np.inf), np.zeros((longest, len(files)))
    for row in range(longest):
        found[row] = eyes.update(at[row], values[row]).scores
    return [found[: len(file.at), place] for place, file in enumerate(files)]


def gaussian(values: Numbers) -> Numbers:
    """Return NAB's windowed Gaussian: how deep in the tails of the last 6,400 values each one lies."""
    rows = np.arange(len(values))
    first = np.maximum(rows - MEMORY, 0) // REFRESH * REFRESH
    kept = np.where(rows < MEMORY, rows, MEMORY)
    sums, squares = (np.append(0.0, np.cumsum((values - values.mean()) ** power)) for power in (1, 2))
    many = np.maximum(kept, 1)
    mean = (sums[first + kept] - sums[first]) / many
    deviation = np.sqrt(np.maximum((squares[first + kept] - squares[first]) / many - mean**2, 1e-12))
    deep: Numbers = 1 - 0.5 * erfc(np.abs(values - values.mean() - mean) / deviation / np.sqrt(2))
    return np.where(kept > 0, deep, 0.0)


def chance(files: Sequence[Labelled], seed: int) -> list[Numbers]:
    """Return scores drawn at random."""
    rng = np.random.default_rng(seed)
    return [rng.random(len(file.at)) for file in files]
