"""Generated traffic against the half of the real trace that it was not fitted to, beside a control that must fail."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.world.fit_traffic import Trace, dispersion, distance, fit, main, parse
from simulator.world.traffic import (
    arrivals,
    counts,
    length_moments,
    lengths,
    load_fit,
    rate_variance,
    seasonal,
    shipped_fit,
    start,
)

Floats = NDArray[np.float64]
DATA = Path(os.environ.get("PRUNELLA_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
TRACE = DATA / "traffic" / "azure_llm_code_2023.csv"
FIT = shipped_fit()

GAPS, PROMPT, OUTPUT = 0.10, 0.035, 0.06  # greatest two-sample distances allowed
ARRIVALS, COUNTS = 2.0, 1.5  # greatest factors between dispersions


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def held_out() -> Trace:
    if not TRACE.is_file():
        absent = f"the real trace is not at {TRACE}; set PRUNELLA_DATA to the folder that holds traffic/"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(absent)
        pytest.skip(absent)
    return parse(TRACE.read_text(encoding="utf-8")).halves()[1]


def gaps_far(drawn: Floats, real: Trace) -> list[str]:
    """Name every bound on arrivals that is broken."""
    far = distance(np.diff(drawn), np.diff(real.times))
    found = [f"gaps {far:.3f} > {GAPS}"] if far > GAPS else []
    for window in (1.0, 10.0):
        ratio = dispersion(drawn, window) / dispersion(real.times, window)
        if not 1 / ARRIVALS < ratio < ARRIVALS:
            found.append(f"dispersion in {window:.0f} s off by {ratio:.2f}")
    return found


def lengths_far(prompt: NDArray[np.generic], output: NDArray[np.generic], real: Trace) -> list[str]:
    """Name every bound on lengths that is broken."""
    pairs = (("prompt", prompt, real.prompt, PROMPT), ("output", output, real.output, OUTPUT))
    far = {name: (distance(drawn.astype(np.float64), other), bound) for name, drawn, other, bound in pairs}
    return [f"{name} {value:.3f} > {bound}" for name, (value, bound) in far.items() if value > bound]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_arrivals_are_like_the_held_out_half(held_out: Trace, seed: int) -> None:
    drawn = arrivals(FIT, rng(seed), 20_000, held_out.rate)
    assert gaps_far(drawn, held_out) == []


def test_a_poisson_process_breaks_every_bound_on_arrivals(held_out: Trace) -> None:
    drawn = np.cumsum(rng().exponential(1 / held_out.rate, 40_000))
    assert len(gaps_far(drawn, held_out)) == 3


def test_lengths_are_like_the_held_out_half(held_out: Trace) -> None:
    assert lengths_far(*lengths(FIT, rng(), 50_000), held_out) == []


def test_exponential_lengths_break_every_bound(held_out: Trace) -> None:
    moments = length_moments(FIT)
    prompt, output = (rng().exponential(mean, 50_000) for mean in (moments.prompt, moments.output))
    assert len(lengths_far(prompt, output, held_out)) == 2


@pytest.mark.parametrize("dt", [1.0, 10.0, 30.0])
def test_counts_spread_like_the_held_out_half_and_poisson_does_not(held_out: Trace, dt: float) -> None:
    rates, state, source = np.full(20, held_out.rate), start(20), rng()
    rows = []
    for _ in range(3000):
        row, state = counts(FIT, state, source, rates, dt)
        rows.append(row)
    drawn = np.array(rows, dtype=np.float64)[100:]
    real = dispersion(held_out.times, dt)
    assert drawn.mean() / dt == pytest.approx(held_out.rate, rel=0.05)
    assert 1 / COUNTS < drawn.var() / drawn.mean() / real < COUNTS
    poisson = source.poisson(held_out.rate * dt, 20_000)
    assert poisson.var() / poisson.mean() < real / COUNTS


def test_the_shipped_fit_is_that_of_the_trace(held_out: Trace) -> None:
    first = parse(TRACE.read_text(encoding="utf-8")).halves()[0]
    again = fit(first)
    np.testing.assert_allclose(again.gaps, FIT.gaps)
    np.testing.assert_allclose(again.output, FIT.output)
    assert again.rate_variance == pytest.approx(FIT.rate_variance, abs=1e-3)
    assert again.rate_seconds == pytest.approx(FIT.rate_seconds, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.2, 1.5, 3.1, 4.2, 25.0])
def test_arrivals_keep_the_rate_asked_for(rate: float) -> None:
    times = arrivals(FIT, rng(), 60_000, rate)
    assert len(times) / 60_000 == pytest.approx(rate, rel=0.12)
    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    assert times[-1] < 60_000


def test_no_rate_brings_nobody() -> None:
    assert len(arrivals(FIT, rng(), 60, 0.0)) == 0
    drawn, state = counts(FIT, start(2), rng(), np.array([0.0, 5.0]), 30.0)
    assert drawn[0] == 0
    assert np.all(np.isfinite(state))


def test_the_rate_remembers_between_ticks_as_the_fit_says() -> None:
    rates, state, source, states = np.full(200, 1000.0), start(200), rng(), []
    for _ in range(400):
        _, state = counts(FIT, state, source, rates, 10.0, streams=5.0)
        states.append(state)
    level = np.array(states)[50:] - 1.0
    variance, memory = rate_variance(FIT, 10.0)
    assert level.var() == pytest.approx(variance / 5.0, rel=0.1)
    assert (level[1:] * level[:-1]).mean() / level.var() == pytest.approx(memory, abs=0.03)


def test_bigger_services_are_smoother() -> None:
    rates, state, source, rows = np.array([3.0, 300.0]), start(2), rng(), []
    for _ in range(2000):
        row, state = counts(FIT, state, source, rates, 30.0)
        rows.append(row)
    drawn = np.array(rows, dtype=np.float64)
    small, large = drawn.std(axis=0) / drawn.mean(axis=0)
    assert large < small / 5


def test_moments_are_those_of_what_is_drawn() -> None:
    prompt, output = (drawn.astype(np.float64) for drawn in lengths(FIT, rng(), 400_000))
    moments = length_moments(FIT)
    assert moments.prompt == pytest.approx(prompt.mean(), rel=0.01)
    assert moments.prompt_square == pytest.approx((prompt**2).mean(), rel=0.02)
    assert moments.output == pytest.approx(output.mean(), rel=0.02)
    assert moments.output_square == pytest.approx((output**2).mean(), rel=0.1)
    assert moments.product == pytest.approx((prompt * output).mean(), rel=0.02)


def test_the_season_has_mean_one_and_repeats() -> None:
    hours = np.arange(0, 168, 0.25)
    assert seasonal(hours).mean() == pytest.approx(1.0)
    np.testing.assert_allclose(seasonal(hours + 168), seasonal(hours))
    assert seasonal(hours).min() > 0.2


def test_the_same_seed_draws_the_same() -> None:
    np.testing.assert_array_equal(arrivals(FIT, rng(4), 300, 8.0), arrivals(FIT, rng(4), 300, 8.0))


def test_a_fit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="knots"):
        load_fit('{"gaps": [1], "prompt": [1], "output": [1]}')
    with pytest.raises(KeyError):
        load_fit("{}")


def test_the_fitter_says_how_to_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
