"""Edges of the histograms that engines export: a quantile read off one is only as fine as its buckets.

Source: vLLM's ``vllm/v1/metrics/loggers.py`` (0.33), finite upper bounds in seconds.
"""

from collections.abc import Mapping

from tools.catalogue import SIGNALS
from tools.signal import Quantile

TTFT = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0),
    *(80.0, 160.0, 640.0, 2560.0),
)
E2E = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0),
    *(960.0, 1920.0, 7680.0),
)
ITL = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
EDGES: Mapping[str, tuple[float, ...]] = {
    "vllm:time_to_first_token_seconds": TTFT,
    "vllm:e2e_request_latency_seconds": E2E,
    "vllm:inter_token_latency_seconds": ITL,
}


def edges_of(signal: str) -> tuple[float, ...]:
    """Return the edges of the histogram that a signal is a quantile of; none where they are not known.

    >>> edges_of("ttft_p95")[-1], edges_of("requests")
    (2560.0, ())
    """
    bases = (spec.expr.metric.name for spec in SIGNALS if spec.name == signal and isinstance(spec.expr, Quantile))
    return next((EDGES[name] for name in bases if name in EDGES), ())
