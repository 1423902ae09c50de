"""What a query looks back over: never further than the configuration allows."""

import pytest

from config.fleet import ServiceKind
from tools.catalogue import SIGNALS
from tools.promql import LabelNames, promql
from tools.signal import Metric, Quantile, Rate, SignalSpec

SELECTOR = {"service": ("chat",)}


def _spec(expr: Rate | Quantile) -> SignalSpec:
    return SignalSpec("s", "service", expr, "1", "about", (ServiceKind.LANGUAGE,))


@pytest.mark.parametrize(("lookback", "window"), [(0.0, 120), (30.0, 30), (600.0, 120), (0.1, 1)])
def test_a_window_is_no_longer_than_the_lookback(lookback: float, window: int) -> None:
    for expr in (Rate(Metric("m")), Quantile(0.95, Metric("m"))):
        assert f"[{window}s]" in promql(_spec(expr), LabelNames(), SELECTOR, lookback)


def test_no_shipped_query_of_the_usual_window_reaches_beyond_the_lookback() -> None:
    found = [promql(spec, LabelNames(), SELECTOR, 30.0) for spec in SIGNALS]
    assert not [text for text in found if "[60s]" in text or "[120s]" in text]


def test_a_window_that_is_longer_on_purpose_stays() -> None:
    assert "[600s]" in promql(_spec(Rate(Metric("m"), 600)), LabelNames(), SELECTOR, 30.0)
