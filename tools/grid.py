"""Fixed-edge grids: the bins of a feature, fixed on its reference, so that counts can be added across any parts.

A grid is a monotone map from values to bin numbers that NumPy and SQL compute alike: counts made in a warehouse and
counts made here may be added.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Reals = Floats | NDArray[np.float32]  # single precision is widened where it is binned, not before
Counts = NDArray[np.int64]

CHUNK = 1 << 15  # values binned at once: two buffers of them stay in a core's own cache
EDGE = 0.02  # of the spread, added beyond the sampled range; what lies further out falls into the outer bins
LIMIT = 1e150  # grids reach no further, so that nothing overflows
TINY = 1e-12  # of the greatest magnitude: values beneath it stand at nought on a logarithmic axis
CROWDED = 0.02  # of the rows in the fullest of 1,024 equal bins: beyond it the scale is taken to be logarithmic


@dataclass(frozen=True, slots=True)
class Grid:
    """``bins`` equal bins from ``low``, each ``width`` wide, on the axis ``scale``; the outer two are open-ended.

    On the ``log`` axis a value x stands at ``sign(x) * ln(1 + |x| / unit)``. Doctest as specification:

    >>> Grid(low=0.0, width=1.0, bins=4).codes(np.array([-5.0, 0.5, 1.0, 99.0])).tolist()
    [0, 0, 1, 3]
    """

    low: float
    width: float
    bins: int
    scale: Literal["linear", "log"] = "linear"
    unit: float = 1.0

    def codes(
        self, values: Reals, out: NDArray[np.int64] | None = None, ends: tuple[float, float] | None = None
    ) -> NDArray[np.int64]:
        """Return the bin number of each finite value; shape kept. Monotone: no value is binned below a smaller one.

        ``ends``: the least and greatest of the values, where they are known.
        """
        if ends is not None and self._holds(ends):
            placed = self._placed(values)
        else:
            with np.errstate(over="ignore"):  # what overflows lies in an outer bin
                placed = self._placed(values)
            np.clip(placed, 0, self.bins - 1, out=placed)
        codes = np.empty(placed.shape, np.int64) if out is None else out[: len(placed)]
        np.copyto(codes, placed, casting="unsafe")
        return codes

    def _placed(self, values: Reals) -> Floats:
        placed = np.subtract(self.place(values), self.low, dtype=np.float64)
        return np.multiply(placed, 1.0 / self.width, out=placed)

    def _holds(self, ends: tuple[float, float]) -> bool:
        """Whether no value lies in the open part of an outer bin, with room for rounding."""
        if not -LIMIT < ends[0] <= ends[1] < LIMIT:
            return False
        low, high = self._placed(np.array(ends))
        return bool(low >= 0 and high < self.bins - 0.5)

    def place(self, values: Reals) -> Reals:
        """Return where values stand on the grid's axis."""
        if self.scale == "linear":
            return values
        wide = values.astype(np.float64, copy=False)
        return np.asarray(np.sign(wide) * np.log1p(np.abs(wide) / self.unit), np.float64)

    def edges(self) -> Floats:
        """Return the ``bins - 1`` inner edges, in the feature's own unit."""
        placed: Floats = self.low + self.width * np.arange(1, self.bins, dtype=np.float64)
        if self.scale == "linear":
            return placed
        return np.asarray(np.sign(placed) * np.expm1(np.abs(placed)) * self.unit, np.float64)

    def count(self, values: Reals) -> Counts:
        """Return how many of the values (finite, any length) fall into each bin; int64, shape (bins,)."""
        total = np.zeros(self.bins, np.int64)
        room = np.empty(min(CHUNK, max(len(values), 1)), np.int64)
        for start in range(0, len(values), CHUNK):
            total += np.bincount(self.codes(values[start : start + CHUNK], room), minlength=self.bins)
        return total


def fit_grid(sample: Floats, bins: int = 4096) -> Grid:
    """Fix a grid on a finite sample of the reference: whole numbers get a bin each where they fit.

    >>> fit_grid(np.array([0.0, 1.0, 2.0, 7.0]), bins=16)
    Grid(low=-4.5, width=1.0, bins=16, scale='linear', unit=1.0)
    """
    if not len(sample):
        return Grid(0.0, 1.0, bins)
    sample = np.clip(sample, -LIMIT, LIMIT)
    low, high = float(sample.min()), float(sample.max())
    if high - low < bins - 1 and bool(np.all(sample == np.floor(sample))):
        return Grid(low - (bins - 1 - (high - low)) // 2 - 0.5, 1.0, bins)
    straight = _spread(sample, bins)
    if _crowding(straight, sample) <= CROWDED:
        return straight
    unit = max(float(np.quantile(np.abs(sample), 0.1)), float(np.abs(sample).max()) * TINY)
    bent = _spread(np.asarray(Grid(0.0, 1.0, 1, "log", unit).place(sample), np.float64), bins)
    curved = Grid(bent.low, bent.width, bins, "log", unit)
    return curved if _crowding(curved, sample) < 0.5 * _crowding(straight, sample) else straight


def _spread(placed: Floats, bins: int) -> Grid:
    """Equal bins over the bulk of the sample: one far outlier must not squeeze the rest into a single bin."""
    low, high = float(placed.min()), float(placed.max())
    bulk = [float(q) for q in np.quantile(placed, [0.001, 0.999])]
    reach = bulk[1] - bulk[0]
    if reach > 0:
        low, high = max(low, bulk[0] - reach / 2), min(high, bulk[1] + reach / 2)
    room = EDGE * (high - low) or max(abs(low), 1.0) * 1e-6
    return Grid(low - room, (high - low + 2 * room) / bins, bins)


def _crowding(grid: Grid, sample: Floats) -> float:
    """Return the share of rows in the fullest of 1,024 bins, points that repeat one value left out."""
    coarse = Grid(grid.low, grid.width * grid.bins / 1024, 1024, grid.scale, grid.unit)
    return float(coarse.count(np.unique(sample)).max()) / max(len(np.unique(sample)), 1)
