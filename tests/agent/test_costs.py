"""Money: unit costs, why they changed, how a budget burns; no work is no unit cost, not nought."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.costs import Spent, burn, cost_change, shares, unit_costs

MONTH = timedelta(days=30)


def spent(cost: float = 10, hours: float = 5, tokens: float = 1e6, service: str = "chat", idle: float = 0) -> Spent:
    return Spent(service=service, cost=cost, gpu_hours=hours, tokens=tokens, idle=idle, predictions=100)


def test_unit_costs_and_waste() -> None:
    chat, idle = unit_costs([spent(), spent(20, idle=0.5), spent(3, tokens=0, service="idle", idle=1)])
    assert (chat.service, chat.per_thousand_tokens, chat.wasted) == ("chat", 0.015, 10)
    assert (idle.per_thousand_tokens, idle.wasted) == (None, 3)
    assert shares([chat, idle], {"chat": "search"}) == {"search": 30, "(none)": 3}


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (spent(20, 5, 1e6), "price"),
        (spent(20, 10, 1e6), "efficiency"),
        (spent(20, 10, 2e6), "volume"),
        (spent(10.1, 5, 1e6), "nothing"),
        (spent(10, 5, 0), "unknown"),
    ],
)
def test_the_cause_of_a_change(after: Spent, cause: str) -> None:
    assert cost_change([spent()], [after]).cause == cause


@given(*[st.floats(0.1, 1e3)] * 6)
def test_factors_multiply_to_the_change(a: float, b: float, c: float, d: float, e: float, f: float) -> None:
    found = cost_change([spent(a, b, c)], [spent(d, e, f)])
    assert found.price * found.efficiency * found.volume == pytest.approx(d / a)


def test_burning() -> None:
    rng = np.random.default_rng(0)
    calm = burn((1 + 0.1 * rng.normal(size=100)).tolist(), 720, MONTH)
    assert calm.tier == "none"
    assert calm.forecast_low < 720 < calm.forecast_high * 1.1
    over = burn((2 + 0.1 * rng.normal(size=100)).tolist(), 720, MONTH)
    assert over.tier == "daily"
    assert over.rate == pytest.approx(2, abs=0.1)
    assert over.runs_out_in is not None
    assert burn([1.0] * 90 + [8.0] * 6, 720, MONTH).tier == "immediate"
    assert burn([], 720, MONTH).tier == "none"
    assert burn([float("nan")] * 20, 720, MONTH).spent == 0
