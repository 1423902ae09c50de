"""NAB's scoring as published (numenta/NAB, nab/sweeper.py), and the corpus read from where it lies.

Per row outside of the windows a false positive costs 0.11, less soon after a window; the first detection in a window
earns up to 1, the earlier the more; a window without one costs 1. Rows of the probationary period do not count. The sum
is scaled so that doing nothing is 0 and finding every window at its first row, with nothing else, is 100. One threshold
serves the whole corpus: the best one, as in NAB.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FALSE_POSITIVE, MISSED = 0.11, 1.0  # the standard profile
PROBATION, LONGEST = 0.15, 5000  # share of a file's rows that do not count, of at most so many rows
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: instants in seconds, values, and first and last row of each labelled window."""

    name: str
    at: Numbers
    values: Numbers
    windows: tuple[tuple[int, int], ...]


def read_corpus(folder: Path) -> list[Labelled]:
    """Read all files in the order of their names."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    return [_read(folder / "data" / name, name, labels[name]) for name in sorted(labels)]


def _read(path: Path, name: str, labels: Sequence[tuple[str, str]]) -> Labelled:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    at = np.array([_instant(row[0]) for row in rows])
    ends = [(_instant(first), _instant(last)) for first, last in labels]
    places = [(int(np.searchsorted(at, a)), int(np.searchsorted(at, b, side="right")) - 1) for a, b in ends]
    return Labelled(name, at, np.array([float(row[1]) for row in rows]), tuple(places))


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def probation(rows: int) -> int:
    """Return how many first rows do not count."""
    return int(min(np.floor(PROBATION * rows), PROBATION * LONGEST))


def sigmoid(position: Numbers) -> Numbers:
    """Return NAB's scaled sigmoid: about 1 at the start of a window (-1), 0 at its end, -1 far behind it."""
    return np.where(position > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1)


def gains(file: Labelled, scores: Numbers) -> tuple[Numbers, Numbers]:
    """Return thresholds, and what a file's sum, above that of doing nothing, gains when the threshold sinks to each."""
    rows = np.arange(len(scores))
    counted = rows >= probation(len(rows))
    inside, cost = np.zeros(len(rows), dtype=bool), np.full(len(rows), -1.0)
    for first, last in file.windows:
        behind = rows > last
        cost[behind] = sigmoid((rows[behind] - last) / max(last - first, 1))
        inside[first : last + 1] = True
    false = counted & ~inside
    found = [(scores[false], FALSE_POSITIVE * cost[false])]
    found += [_window(scores, first, last) for first, last in file.windows]
    return np.concatenate([part for part, _ in found]), np.concatenate([part for _, part in found])


def _window(scores: Numbers, first: int, last: int) -> tuple[Numbers, Numbers]:
    rows = np.arange(max(first, probation(len(scores))), last + 1)
    worth = sigmoid(-(last - rows + 1) / (last - first + 1)) / sigmoid(np.array(-1.0))
    order = np.argsort(-scores[rows], kind="stable")
    best = np.maximum.accumulate(np.append(-MISSED, worth[order]))
    return scores[rows][order], np.diff(best)


def score(files: Sequence[Labelled], scores: Sequence[Numbers], threshold: float | None = None) -> tuple[float, float]:
    """Return NAB's score of the standard profile, and the threshold: the given one, else the best."""
    parts = [gains(file, np.asarray(of, np.float64)) for file, of in zip(files, scores, strict=True)]
    thresholds, gained = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    scale = 100 / (2 * sum(len(file.windows) for file in files))
    if threshold is not None:
        return float(gained[thresholds >= threshold].sum() * scale), threshold
    order = np.argsort(-thresholds, kind="stable")
    sums = np.append(0.0, np.cumsum(gained[order]))
    ends = np.append(np.inf, thresholds[order])
    sums[:-1][ends[:-1] == ends[1:]] = -np.inf  # a threshold takes all rows of its score
    best = int(np.argmax(sums))
    return float(sums[best] * scale), float(ends[best])
