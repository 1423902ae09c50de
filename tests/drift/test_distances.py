"""Distances: exact where exact is said, within their bound elsewhere, and sums of their parts."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.drift.distance import distances
from agent.drift.exact import gaps
from agent.drift.sketch import Sketch, gather
from tools.grid import Floats, Grid, fit_grid
from tools.tables import tally

RNG = np.random.default_rng(5)
N = 60_000


def whole(below: int) -> Floats:
    return RNG.integers(0, below, N).astype(np.float64)


PAIRS: dict[str, tuple[Floats, Floats]] = {
    "alike": (RNG.normal(size=N), RNG.normal(size=N)),
    "shifted": (RNG.normal(size=N), RNG.normal(0.1, 1, size=N - 7)),
    "heavy tails": (RNG.lognormal(0, 2, N), RNG.lognormal(0, 2, N)),
    "both tails": (RNG.standard_cauchy(N), RNG.standard_cauchy(N)),
    "whole": (whole(50), whole(51)),
    "many whole": (whole(10**7), whole(10**7)),
    "one outlier": (np.append(RNG.normal(size=N), 1e9), RNG.normal(size=N)),
    "unit": (RNG.normal(size=N), 1000 * RNG.normal(size=N)),
    "constant": (np.ones(N), np.ones(N)),
    "two constants": (np.ones(N), 2 * np.ones(N)),
    "half at nought": (np.where(RNG.random(N) < 0.5, 0, RNG.normal(size=N)), RNG.normal(size=N)),
    "rounded": (RNG.normal(size=N).round(2), RNG.normal(size=N).round(2)),
    "disjoint": (RNG.random(N), RNG.random(N) + 5),
    "halves among whole": (whole(9), whole(18) / 2),
}


@pytest.mark.parametrize("name", PAIRS)
def test_exact_distances_are_those_of_scipy(name: str) -> None:
    from scipy.stats import ks_2samp, wasserstein_distance  # half a second, which not every worker needs

    one, two = PAIRS[name]
    found = gaps(one, two)
    assert found.ks == pytest.approx(ks_2samp(one, two, method="asymp").statistic, abs=1e-11)
    assert found.wasserstein == pytest.approx(wasserstein_distance(one, two), rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("name", PAIRS)
def test_a_sketch_bounds_the_exact_distances(name: str) -> None:
    one, two = PAIRS[name]
    grid = fit_grid(one[:5000], 512)
    found = distances(_sketch(one, grid), _sketch(two, grid))
    exact = gaps(one, two)
    assert found.ks[0] - 1e-11 <= exact.ks <= found.ks_high[0] + 1e-11
    assert abs(found.wasserstein[0] - exact.wasserstein) <= found.wasserstein_error[0] + 1e-9 * exact.wasserstein


def _sketch(values: Floats, grid: Grid) -> Sketch:
    return gather([tally(values, grid)], [grid])


SOME = arrays(np.float64, st.integers(3, 60), elements=st.floats(-1e6, 1e6, width=32))


@given(SOME, SOME)
def test_small_samples_are_exact_too(one: Floats, two: Floats) -> None:
    from scipy.stats import ks_2samp, wasserstein_distance

    found = gaps(one, two)
    assert found.ks == pytest.approx(ks_2samp(one, two, method="asymp").statistic, abs=1e-9)
    assert found.wasserstein == pytest.approx(wasserstein_distance(one, two), rel=1e-6, abs=1e-6)


ANY = arrays(np.float64, st.integers(0, 80), elements=st.floats(allow_nan=True, allow_infinity=True))


@given(ANY, ANY)
def test_a_sketch_of_a_whole_is_the_sum_of_its_parts(one: Floats, two: Floats) -> None:
    grid = Grid(-2.0, 0.25, 16)
    whole, parts = _sketch(np.concatenate([one, two]), grid), _sketch(one, grid) + _sketch(two, grid)
    for name in ("counts", "nulls", "strange", "lowest", "highest"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
    assert int(whole.rows[0]) == len(one) + len(two)


def test_sketches_on_other_bins_do_not_add() -> None:
    with pytest.raises(ValueError, match="different grids"):
        _sketch(np.ones(3), Grid(0, 1, 4)) + _sketch(np.ones(3), Grid(0, 2, 4))


@given(SOME, st.sampled_from(["linear", "log"]))
def test_bins_keep_order(values: Floats, scale: str) -> None:
    grid = Grid(-3.0, 0.01, 600, scale, 0.5)  # type: ignore[arg-type]
    ordered = np.sort(values)
    assert (np.diff(grid.codes(ordered)) >= 0).all()


@given(SOME)
def test_psi_and_jensen_shannon_are_nought_between_equals(values: Floats) -> None:
    grid = fit_grid(values, 64)
    found = distances(_sketch(values, grid), _sketch(values, grid))
    assert found.psi[0] == 0
    assert found.jensen_shannon[0] == 0


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    st.floats(-10, 10),
    st.floats(0.01, 50),
    st.sampled_from(["linear", "log"]),
)
def test_knowing_the_ends_changes_no_bin(
    values: list[float], low: float, width: float, scale: Literal["linear", "log"]
) -> None:
    grid, column = Grid(low, width, 16, scale), np.array(values, np.float32)
    ends = float(column.min()), float(column.max())
    np.testing.assert_array_equal(grid.codes(column, ends=ends), grid.codes(column))
