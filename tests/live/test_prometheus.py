"""Every signal of the catalogue, read from a real Prometheus, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from config.fleet import Fleet, Service, ServiceKind
from config.servers import MetricsSettings
from tests.live.conftest import Exporter, Scraped
from tools.catalogue import SIGNALS
from tools.live.prometheus import PrometheusMetrics
from tools.promql import LabelNames, Selector, promql
from tools.signal import Frame, Gauge, Metric, SignalSpec

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]

FLEET = Fleet(
    services=(
        Service(name="chat", kind=ServiceKind.LANGUAGE),
        Service(name="fraud", kind=ServiceKind.TABULAR),
        Service(name="mute", kind=ServiceKind.LANGUAGE),
        Service(name="translate", kind=ServiceKind.VENDOR, vendors=("acme", "globex")),
    )
)
SCRAPES = 6
CHAT = 'service="chat",pod="chat-1"'
MATE = 'service="chat",pod="chat-2"'
OTHER = 'service="other",pod="other-1"'


def _histogram(name: str, labels: str, counts: tuple[int, int, int], n: int) -> Iterator[str]:
    """A histogram of buckets 1, 2 and infinity, ``n`` times over."""
    for edge, count in zip(("1", "2", "+Inf"), counts, strict=True):
        yield f'{name}_bucket{{{labels},le="{edge}"}} {count * n}'


def page(n: int) -> str:
    """What exporters say at the nth scrape; every counter rises by the same from one to the next."""
    lines = [
        f'http_requests_total{{{CHAT},status="2xx"}} {9 * n}',
        f'http_requests_total{{{CHAT},status="5xx"}} {1 * n}',
        f'http_requests_total{{{MATE},status="2xx"}} {10 * n}',
        f'http_requests_total{{{OTHER},status="2xx"}} {999 * n}',
        *_histogram("vllm:time_to_first_token_seconds", CHAT, (0, 10, 10), n),
        *_histogram("vllm:e2e_request_latency_seconds", CHAT, (10, 10, 10), n),
        *_histogram("vllm:e2e_request_latency_seconds", MATE, (0, 10, 10), n),
        f"vllm:num_requests_waiting{{{CHAT}}} 3",
        f"vllm:num_requests_waiting{{{MATE}}} 4",
        f"vllm:num_requests_running{{{CHAT}}} 7",
        f"vllm:num_requests_running{{{MATE}}} 0",
        f"vllm:kv_cache_usage_perc{{{CHAT}}} 0.5",
        f"vllm:kv_cache_usage_perc{{{MATE}}} 0.7",
        f"vllm:num_preemptions_total{{{CHAT}}} {2 * n}",
        f"vllm:prompt_tokens_total{{{CHAT}}} {300 * n}",
        f"vllm:generation_tokens_total{{{CHAT}}} {100 * n}",
        f'vllm:request_success_total{{{CHAT},finished_reason="stop"}} {2 * n}',
        f"vllm:iteration_tokens_total_count{{{CHAT}}} {20 * n}",
        f"vllm:iteration_tokens_total_count{{{MATE}}} 77",
        f'nv_inference_request_success{{service="fraud",pod="fraud-1"}} {50 * n}',
        f'nv_inference_request_failure{{service="fraud",pod="fraud-1"}} {5 * n}',
        f'nv_inference_request_duration_us{{service="fraud",pod="fraud-1"}} {50 * 4000 * n}',
        'nv_inference_pending_request_count{service="fraud",pod="fraud-1"} 2',
        f'vendor_requests_total{{service="translate",vendor="acme",code="200"}} {8 * n}',
        f'vendor_requests_total{{service="translate",vendor="acme",code="429"}} {2 * n}',
        *_histogram("vendor_request_duration_seconds", 'service="translate",vendor="acme"', (0, 10, 10), n),
        f'DCGM_FI_DEV_XID_ERRORS{{hostname="n1",gpu="0",{CHAT}}} 79',
        f'DCGM_FI_DEV_XID_ERRORS{{Hostname="n2",gpu="1",{MATE}}} 0',
        f'DCGM_FI_DEV_GPU_TEMP{{hostname="n1",gpu="0",{CHAT}}} 71',
        f'DCGM_FI_DEV_GPU_TEMP{{Hostname="n2",gpu="1",{MATE}}} 9223372036854775794',
        f'DCGM_FI_DEV_GPU_UTIL{{hostname="n1",gpu="0",{CHAT}}} 60',
        f'DCGM_FI_DEV_GPU_UTIL{{Hostname="n2",gpu="1",{MATE}}} 40',
        f'DCGM_FI_DEV_SM_CLOCK{{hostname="n1",gpu="0",{CHAT}}} 1980',
        f'DCGM_EXP_CLOCK_EVENTS_COUNT{{hostname="n1",gpu="0",clock_event="hw_thermal",{CHAT}}} 6',
        f'DCGM_EXP_CLOCK_EVENTS_COUNT{{hostname="n1",gpu="0",clock_event="gpu_idle",{CHAT}}} 99',
        'kube_deployment_spec_replicas{service="chat",deployment="chat"} 2',
        'kube_deployment_status_replicas_ready{service="chat",deployment="chat"} 1',
        f"kube_pod_container_status_restarts_total{{{CHAT}}} {n}",
        'kube_node_status_condition{node="n1",condition="Ready",status="true"} 1',
        'kube_node_status_condition{node="n1",condition="Ready",status="false"} 0',
        'kube_node_status_condition{node="n2",condition="Ready",status="true"} 0',
        f'container_gpu_allocation{{{CHAT},node="n1"}} 2',
        f'container_gpu_allocation{{{MATE},node="n2"}} 1',
        'node_gpu_hourly_cost{node="n1",instance="x"} 3',
        'node_gpu_hourly_cost{node="n1",instance="y"} 3',
        'node_gpu_hourly_cost{node="n2",instance="x"} 4',
        f"huge{{{CHAT}}} +Inf",
        f"vague{{{CHAT}}} NaN",
    ]
    return "\n".join(lines) + "\n"


# Signal and entity: the value worked out by hand, per second where it is a rate.
EXPECTED = {
    ("requests", "service/chat"): 20,
    ("error_ratio", "service/chat"): 1 / 20,
    ("ttft_p95", "service/chat"): 1.95,  # all ten between 1 and 2, linear inside
    ("latency_p95", "service/chat"): 1.9,  # ten below 1, ten between 1 and 2: the 19th of 20
    ("waiting", "service/chat"): 7,
    ("running", "service/chat"): 7,
    ("kv_cache", "service/chat"): 0.6,
    ("preemptions", "service/chat"): 2,
    ("prompt_tokens", "service/chat"): 300,
    ("generation_tokens", "service/chat"): 100,
    ("prompt_length", "service/chat"): 150,
    ("answer_length", "service/chat"): 50,
    ("engine_steps", "replica/chat/chat-1"): 20,
    ("engine_steps", "replica/chat/chat-2"): 0,
    ("replica_waiting", "replica/chat/chat-2"): 4,
    ("replica_running", "replica/chat/chat-1"): 7,
    ("replica_requests", "replica/chat/chat-2"): 10,
    ("replica_error_ratio", "replica/chat/chat-1"): 0.1,
    ("replica_error_ratio", "replica/chat/chat-2"): 0,  # no series of errors, yet requests: none failed
    ("replica_latency_p95", "replica/chat/chat-1"): 0.95,
    ("requests", "service/fraud"): 50,
    ("error_ratio", "service/fraud"): 0.1,
    ("latency_mean", "service/fraud"): 0.004,
    ("waiting", "service/fraud"): 2,
    ("replica_latency_mean", "replica/fraud/fraud-1"): 0.004,
    ("requests", "service/translate"): 10,
    ("error_ratio", "service/translate"): 0.2,
    ("latency_p95", "service/translate"): 1.95,
    ("vendor_requests", "vendor/translate/acme"): 10,
    ("vendor_error_ratio", "vendor/translate/acme"): 0.2,
    ("vendor_latency_p95", "vendor/translate/acme"): 1.95,
    ("xid", "gpu/n1/0"): 79,
    ("xid", "gpu/n2/1"): 0,  # by the old spelling of the label
    ("gpu_temp", "gpu/n1/0"): 71,
    ("gpu_util", "gpu/n2/1"): 40,
    ("sm_clock", "gpu/n1/0"): 1980,
    ("hw_thermal", "gpu/n1/0"): 6,
    ("replicas", "service/chat"): 2,
    ("replicas_ready", "service/chat"): 1,
    ("restarts", "service/chat"): 1,
    ("node_ready", "node/n1"): 1,
    ("node_ready", "node/n2"): 0,
    ("gpu_utilisation", "service/chat"): 50,
    ("spend", "service/chat"): 10,
}
NO_DATA = [
    ("requests", "service/mute"),
    ("error_ratio", "service/mute"),
    ("replicas", "service/mute"),
    ("vendor_requests", "vendor/translate/globex"),
]


def settings(url: str) -> MetricsSettings:
    return MetricsSettings.model_validate({"url": url, "timeout": "60s"})


@pytest.fixture(scope="module")
def scraped(exporter: Exporter) -> Scraped:
    """Some scrapes that saw every counter rise."""
    return exporter.scraped(page, SCRAPES)


@pytest.fixture(scope="module")
def reader(exporter: Exporter, scraped: Scraped) -> Iterator[PrometheusMetrics]:
    """The adapter, after these scrapes."""
    made = PrometheusMetrics(settings(exporter.prometheus.url), FLEET)
    yield made
    made.close()


@pytest.fixture(scope="module")
def frame(reader: PrometheusMetrics, scraped: Scraped) -> Frame:
    return reader.read(SIGNALS, scraped.at)


def values(frame: Frame) -> dict[tuple[str, str], float]:
    assert len(set(frame.keys)) == len(frame.keys)
    return {(key.signal, key.entity): float(v) for key, v in zip(frame.keys, frame.values, strict=True)}


# Prometheus extrapolates a rate to the whole window, and the page rises in whole steps: what is per second is near
# its hand-made value only in proportion. The factor is the same for all, and is taken from one counter.
RATES = {"requests", "preemptions", "prompt_tokens", "generation_tokens", "engine_steps", "replica_requests"}
RATES |= {"vendor_requests", "restarts"}


@pytest.mark.parametrize("key", EXPECTED, ids=lambda k: f"{k[0]}-{k[1]}")
def test_a_signal_has_the_value_worked_out_by_hand(frame: Frame, key: tuple[str, str]) -> None:
    found = values(frame)
    windows = {"engine_steps": 60, "restarts": 600}
    factor = 1.0
    if key[0] in RATES:  # rise seen, over the window: a rate over 120 s of which only some were lived
        window = windows.get(key[0], 120)
        factor = found["requests", "service/chat"] / 20 * 120 / window
    assert found[key] == pytest.approx(EXPECTED[key] * factor, rel=0.02, abs=1e-9)


def test_every_signal_of_the_catalogue_is_expected_somewhere() -> None:
    assert {spec.name for spec in SIGNALS} == {name for name, _ in EXPECTED}


def test_rates_are_rises_over_the_window(frame: Frame, scraped: Scraped) -> None:
    rise = values(frame)["requests", "service/chat"] * 120 / 20  # scrapes that were seen
    assert SCRAPES - 3 <= scraped.rise <= rise <= 1.5 * scraped.rise  # and half an interval before the first


@pytest.mark.parametrize("key", NO_DATA)
def test_what_should_be_there_and_is_not_is_no_data(frame: Frame, key: tuple[str, str]) -> None:
    assert np.isnan(values(frame)[key])


def test_only_guarded_services_are_answered_for(frame: Frame) -> None:
    assert not [key for key in frame.keys if "other" in key.entity]
    assert frame.problems == ()


def test_a_blank_of_dcgm_is_no_reading(frame: Frame) -> None:
    assert ("gpu_temp", "gpu/n2/1") not in values(frame)


@pytest.mark.parametrize("name", ["huge", "vague"])
def test_infinity_and_nan_are_no_data(reader: PrometheusMetrics, scraped: Scraped, name: str) -> None:
    spec = SignalSpec(name, "service", Gauge(Metric(name)), "1", "")
    assert np.isnan(values(reader.read((spec,), scraped.at))[name, "service/chat"])


def test_keys_are_one_object_while_the_set_is_the_same(
    reader: PrometheusMetrics, scraped: Scraped, frame: Frame
) -> None:
    assert reader.read(SIGNALS, scraped.at).keys is frame.keys


def test_a_failing_query_is_a_problem_of_the_frame_and_no_data(reader: PrometheusMetrics) -> None:
    clash = SignalSpec("clash", "service", Gauge(Metric("vllm:num_requests_waiting", (("a", "1"),))), "1", "")
    bad = SignalSpec("bad", "service", Gauge(Metric("bad"), "median"), "1", "")  # type: ignore[arg-type]
    seen = reader.read((clash, bad), datetime.now(UTC))
    assert np.isnan(seen.values).all()
    assert "bad: Prometheus answers 400" in seen.problems[0]


def test_history_has_what_was_kept_and_leaves_out_what_was_not(reader: PrometheusMetrics, scraped: Scraped) -> None:
    spec = next(spec for spec in SIGNALS if spec.name == "waiting")
    frames = reader.history(spec, scraped.at - timedelta(minutes=10), scraped.at, 2.0)
    assert 1 <= len(frames) < 60
    assert all(frame.keys is frames[0].keys for frame in frames)
    assert values(frames[-1])["waiting", "service/chat"] == 7
    assert np.isnan(values(frames[-1])["waiting", "service/mute"])


def test_an_old_reading_is_no_data(exporter: Exporter, scraped: Scraped) -> None:
    """The lookback of the settings counts, not the server's five minutes."""
    short = settings(exporter.prometheus.url).model_validate({"url": exporter.prometheus.url, "lookback": "100ms"})
    made = PrometheusMetrics(short, FLEET)
    try:
        spec = next(spec for spec in SIGNALS if spec.name == "waiting")
        seen = [values(made.read((spec,), scraped.at - timedelta(seconds=i / 7))) for i in range(7)]
    finally:
        made.close()
    assert seen[0]["waiting", "service/chat"] == 7
    assert any(np.isnan(reading["waiting", "service/chat"]) for reading in seen)


def test_labels_are_escaped_and_an_empty_selector_is_an_error() -> None:
    spec = SignalSpec("x", "service", Gauge(Metric("m", (("a", 'q"\\\n'),))), "1", "")
    assert promql(spec, LabelNames(), {"b": 'r"'}) == 'sum by (service) (m{b="r\\"", a="q\\"\\\\\\n"})'
    empties: list[Selector] = [{}, {"service": ()}, {"service": ""}]
    for empty in empties:
        with pytest.raises(ValueError, match="everything"):
            promql(spec, LabelNames(), empty)
    with pytest.raises(ValueError, match="no label name"):
        promql(spec, LabelNames(), {"a}": "1"})
