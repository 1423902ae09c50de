"""Counting in compiled loops gives what counting in NumPy gives, to the last bin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tools import counting
from tools.grid import CHUNK, Grid, Reals, fit_grid
from tools.tables import Tally, Tallying

REALS = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 3e38, -3e38, 1.0, 4.0])


def counted(parts: list[np.ndarray], grid: Grid, *, swift: bool) -> Tally:
    found, room = Tallying(grid, counting if swift else None), np.empty(CHUNK, np.int64)
    for part in parts:
        found.add(part, room)
    return found.tally()


def alike(parts: list[np.ndarray], grid: Grid) -> bool:
    slow, swift = counted(parts, grid, swift=False), counted(parts, grid, swift=True)
    rest = (slow.nulls, slow.strange, slow.lowest, slow.highest)
    return np.array_equal(slow.counts, swift.counts) and rest == (
        swift.nulls,
        swift.strange,
        swift.lowest,
        swift.highest,
    )


@given(
    st.lists(arrays(np.float32, st.integers(0, 40), elements=REALS), max_size=4),
    st.floats(-100.0, 100.0),
    st.floats(1e-3, 50.0),
    st.integers(2, 64),
)
def test_what_loops_count_is_what_numpy_counts(parts: list[np.ndarray], low: float, width: float, bins: int) -> None:
    assert alike(parts, Grid(low, width, bins))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_long_columns_in_pieces_are_counted_alike_with_and_without_gaps(kind: type) -> None:
    rng = np.random.default_rng(0)
    whole: Reals = rng.standard_normal(3 * CHUNK + 17).astype(kind)
    gaps: Reals = np.where(rng.random(len(whole)) < 0.001, np.nan, whole).astype(kind)
    grid = fit_grid(rng.standard_normal(500))
    assert alike([whole, gaps, whole[:100]], grid)


def test_a_logarithmic_grid_is_counted_without_loops() -> None:
    assert alike([np.geomspace(1e-3, 1e9, 500).astype(np.float32)], Grid(0.0, 0.5, 64, "log", 1.0))
