"""How times grow with use, what histograms show of them, and how a load is carried on: laws, and figures by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.load import PEAK, load_ahead
from agent.queueing import SKEW, WAIT, Burst, Engine, Server, behind, shown, wait_shown
from tools.buckets import E2E, TTFT, edges_of

ENGINE = Engine(use=0.4, arrivals=1.0, answer=8.0, token=0.03, slots=40.0, most=2.0)
USES = st.floats(0.4, 0.95)


def test_a_server_waits_as_pollaczek_and_khinchine_say() -> None:
    server = Server(0.5)
    assert server.then("latency_mean", 0.015, Burst(0.5)) == pytest.approx(0.015)
    assert server.then("latency_mean", 0.015, Burst(0.8)) == pytest.approx(0.015 * 3.98 / 1.745)


def looks(wait: float, noise: float, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return uses of a server, and the times that it showed, each over the four looks until then."""
    rng = np.random.default_rng(3)
    uses = np.clip(0.5 + 0.1 * rng.standard_normal(count), 0.1, 0.9)
    each = 0.01 * (1 + wait * uses / (1 - uses)) * (1 + noise * rng.standard_normal(count))
    return uses, np.array([each[max(0, at - 3) : at + 1].mean() for at in range(count)])


@pytest.mark.parametrize("wait", [0.2, 0.4, 0.6])
def test_a_server_that_waits_less_than_most_is_seen_to(wait: float) -> None:
    found = wait_shown(*looks(wait, 0.005))
    assert wait <= found < wait + 0.1
    assert found <= wait_shown(*looks(wait, 0.1)) <= WAIT


def test_where_readings_teach_nothing_a_server_waits_as_any_does() -> None:
    uses, seconds = looks(0.2, 0.005)
    assert wait_shown(uses[:10], seconds[:10]) == WAIT
    assert wait_shown(np.full(60, 0.5), seconds) == WAIT
    assert wait_shown(uses, np.full(60, np.nan)) == WAIT
    assert wait_shown(uses, seconds * 1e3) == pytest.approx(wait_shown(uses, seconds))


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 100) | st.just(float("nan"))), max_size=80))
def test_no_readings_make_a_server_wait_more_than_any_or_not_at_all(read: list[tuple[float, float]]) -> None:
    uses, seconds = (np.array([each[part] for each in read]) for part in (0, 1))
    assert 0 < wait_shown(uses, seconds) <= WAIT


@given(USES, USES, st.sampled_from(("ttft_p95", "latency_p95")), st.floats(1.0, 3.0))
def test_more_use_or_longer_requests_never_make_an_engine_quicker(
    one: float, other: float, signal: str, longer: float
) -> None:
    low, high = sorted((one, other))
    quick, slow = (ENGINE.then(signal, 0.6, Burst(use)) for use in (low, high))
    assert 0.6 <= quick + 1e-9 <= slow + 2e-9
    assert ENGINE.then(signal, 0.6, Burst(low, longer)) >= quick - 1e-9


def test_an_answer_takes_at_saturation_what_little_says() -> None:
    assert ENGINE.stretch(0.4) == 1.0
    assert ENGINE.stretch(1.0) == pytest.approx(ENGINE.most)
    assert ENGINE.wait(0.5) < 0.01 < 1.0 < ENGINE.wait(0.95)


@given(st.floats(0.4, 60.0))
def test_what_is_behind_a_reading_is_shown_as_that_reading(reading: float) -> None:
    for edges in (TTFT, E2E):
        assert shown([behind(reading, edges)], [1.0], edges) == pytest.approx(reading, rel=0.01)


def test_a_percentile_that_passes_an_edge_by_little_is_shown_as_much_more() -> None:
    before, after = (shown([time], [1.0], TTFT) for time in (0.98, 1.1))
    assert before < 1.0 < 1.4 < after
    assert shown([4.0, 0.5], [0.02, 0.98], TTFT) < shown([4.0, 0.5], [0.25, 0.75], TTFT) < shown([4.0], [1.0], TTFT)
    assert pytest.approx(2.0, abs=0.02) == SKEW
    assert edges_of("ttft_p95") == TTFT


def test_few_looks_and_wide_scatter_ask_for_more_room_and_an_unsure_rise_for_none() -> None:
    at = np.linspace(-1770.0, 0.0, 60)
    calm, wild = (2.0 + scatter * np.where(np.arange(60) % 2, 1.0, -1.0) for scatter in (0.05, 0.2))
    assert load_ahead(calm, at, 1200).peak < load_ahead(wild, at, 1200).peak
    assert load_ahead(wild, at, 1200).peak == pytest.approx(2.0 + PEAK * 0.2, rel=0.03)
    assert load_ahead(wild[:6], at[:6], 1200).peak > load_ahead(wild, at, 1200).peak
    assert load_ahead(wild, at, 1200).grown == pytest.approx(2.0, rel=0.02)
    assert load_ahead(2.0 + at / 3000, at, 1200).peak == pytest.approx(2.4)
