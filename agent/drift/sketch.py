"""Mergeable sketches: counts on fixed grids, all features of a table in one array.

A sketch of a day is the sum of the sketches of its hours; of a fleet, the sum over its services.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.grid import Counts, Floats, Grid
from tools.tables import Tally, tally

BINS = 4096


@dataclass(frozen=True, slots=True)
class Sketch:
    """F numeric features on grids of B bins. Nulls and infinities are counted apart, never binned.

    ``counts`` int64 (F, B); ``nulls``, ``strange`` int64 (F,); ``lowest``, ``highest`` float64 (F,), the extremes of
    the finite values (inf, -inf where there are none).
    """

    grids: tuple[Grid, ...]
    counts: Counts
    nulls: Counts
    strange: Counts
    lowest: Floats
    highest: Floats

    def __add__(self, other: "Sketch") -> "Sketch":
        if self.grids != other.grids:
            raise ValueError("sketches on different grids cannot be added")
        return Sketch(
            self.grids,
            self.counts + other.counts,
            self.nulls + other.nulls,
            self.strange + other.strange,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    @property
    def finite(self) -> Counts:
        """How many values were binned, per feature."""
        return np.asarray(self.counts.sum(axis=1), np.int64)

    @property
    def rows(self) -> Counts:
        """How many values were seen in all, per feature."""
        return self.finite + self.nulls + self.strange


def gather(tallies: Sequence[Tally], grids: Sequence[Grid]) -> Sketch:
    """Put the tallies of many features, all of one number of bins, into one sketch."""
    return Sketch(
        tuple(grids),
        np.array([one.counts for one in tallies], np.int64).reshape(len(tallies), -1),
        np.array([one.nulls for one in tallies], np.int64),
        np.array([one.strange for one in tallies], np.int64),
        np.array([one.lowest for one in tallies], np.float64),
        np.array([one.highest for one in tallies], np.float64),
    )


def sketch(columns: Mapping[str, Floats], grids: Mapping[str, Grid]) -> Sketch:
    """Sketch columns held in memory, in the order of ``grids``."""
    return gather([tally(columns[name], grid) for name, grid in grids.items()], list(grids.values()))


def corners(first: Sketch, second: Sketch) -> NDArray[np.float64]:
    """Return B + 1 bin corners per feature in its own unit; the open ends close at the extremes seen in either."""
    inner = np.array([grid.edges() for grid in first.grids]).reshape(len(first.grids), -1)
    low = np.minimum(first.lowest, second.lowest)
    high = np.maximum(first.highest, second.highest)
    low = np.where(np.isfinite(low), np.minimum(low, inner[:, 0]), inner[:, 0])
    high = np.where(np.isfinite(high), np.maximum(high, inner[:, -1]), inner[:, -1])
    return np.column_stack([low, inner, high])
