"""What every source of signals must do, the pretend, its twin and the real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest

from config.fleet import Fleet
from config.servers import MetricsSettings
from simulator.episode import demo_fleet
from simulator.twin.serve import served
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.live.conftest import Exporter, exporter  # noqa: F401 - a fixture
from tools.catalogue import SIGNALS, named
from tools.live.prometheus import PrometheusMetrics
from tools.ports import Metrics
from tools.signal import Frame, Gauge, Metric, SignalSpec

pytestmark = pytest.mark.filterwarnings("ignore:unclosed")
SCRAPES = 6  # of the real page
FORMS = {
    "service": r"service/[^/]+",
    "replica": r"replica/[^/]+/[^/]+",
    "node": r"node/[^/]+",
    "gpu": r"gpu/[^/]+/[^/]+",
    "vendor": r"vendor/[^/]+/[^/]+",
}
NOBODY = SignalSpec("nobody", "service", Gauge(Metric("nobody_exports_this")), "1", "")


@dataclass(frozen=True)
class Source:
    """A port that has readings of ``chat``, the instant of the newest one, and one before any."""

    metrics: Metrics
    fleet: Fleet
    now: datetime
    long_before: datetime

    def read(self, specs: tuple[SignalSpec, ...] = SIGNALS, at: datetime | None = None) -> Frame:
        return self.metrics.read(specs, at or self.now)


def pretend() -> Source:
    world = World(demo_fleet())
    start = world.clock.now()
    for _ in range(20):
        world.advance(30.0)
    return Source(world.metrics, world.fleet, world.clock.now(), start - timedelta(days=1))


def page(n: int) -> str:
    """What vLLM's page says of two replicas at its nth scrape."""
    lines = []
    for pod in ("chat-1", "chat-2"):
        labels = f'service="chat",pod="{pod}"'
        lines += [
            f'http_requests_total{{{labels},status="2xx"}} {9 * n}',
            f"vllm:num_requests_waiting{{{labels}}} 3",
            f"vllm:num_requests_running{{{labels}}} 7",
            f"vllm:iteration_tokens_total_count{{{labels}}} {20 * n}",
        ]
    return "\n".join([*lines, 'DCGM_FI_DEV_XID_ERRORS{Hostname="n1",gpu="0",service="chat",pod="chat-1"} 0', ""])


@pytest.fixture(scope="module")
def real(exporter: Exporter) -> Iterator[Source]:  # noqa: F811
    """A Prometheus that has scraped a page some times."""
    now = exporter.scraped(page, SCRAPES).at
    settings = MetricsSettings.model_validate({"url": exporter.prometheus.url, "timeout": "60s"})
    made = PrometheusMetrics(settings, demo_fleet())
    yield Source(made, demo_fleet(), now, now - timedelta(days=1))
    made.close()


@pytest.fixture(scope="module")
def twin() -> Iterator[Source]:
    """The pretend world again, through its Prometheus API and the live adapter."""
    shown = Twin(World(demo_fleet()))
    start = shown.world.clock.now()
    for _ in range(20):
        shown.advance()
    with served(shown, shown.world.clock.now) as where:
        settings = MetricsSettings.model_validate({"url": where.metrics_url, "timeout": "60s"})
        made = PrometheusMetrics(settings, demo_fleet())
        yield Source(made, demo_fleet(), shown.world.clock.now(), start - timedelta(days=1))
        made.close()


WIRED = [pytest.mark.real, pytest.mark.enable_socket]


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("prometheus", marks=WIRED)])
def source(request: pytest.FixtureRequest) -> Source:
    """Any implementation."""
    if request.param == "world":
        return pretend()
    found: Source = request.getfixturevalue("twin" if request.param == "twin" else "real")
    return found


def values(frame: Frame) -> dict[tuple[str, str], float]:
    return {(key.signal, key.entity): float(value) for key, value in zip(frame.keys, frame.values, strict=True)}


def test_a_frame_is_whole_in_itself(source: Source) -> None:
    frame = source.read()
    assert frame.at == source.now
    assert frame.values.dtype == np.float64
    assert frame.values.shape == (len(frame.keys),)
    assert len(set(frame.keys)) == len(frame.keys) > 0
    assert not np.isinf(frame.values).any()
    assert frame.problems == ()


def test_every_series_is_of_a_signal_that_was_asked_for_and_of_an_entity_of_its_scope(source: Source) -> None:
    scopes: dict[str, set[str]] = {}
    for spec in SIGNALS:
        scopes.setdefault(spec.name, set()).add(spec.scope)
    services = {service.name for service in source.fleet.services}
    for key in source.read().keys:
        assert any(re.fullmatch(FORMS[scope], key.entity) for scope in scopes[key.signal]), key
        kind, name = key.entity.split("/")[:2]
        assert kind in ("gpu", "node") or name in services, key


def test_what_is_exported_is_read(source: Source) -> None:
    found = values(source.read())
    for signal in ("requests", "waiting", "running"):
        assert found[signal, "service/chat"] >= 0
    assert [key for key, value in found.items() if key[0] == "engine_steps" and "/chat/" in key[1] and value > 0]


def test_what_nobody_exports_is_no_data_and_never_zero(source: Source) -> None:
    assert not np.isfinite(source.read((NOBODY,)).values).any()


def test_nothing_asked_is_nothing_read(source: Source) -> None:
    frame = source.read(())
    assert (frame.keys, frame.values.shape) == ((), (0,))


def test_the_keys_are_one_object_while_the_series_stay(source: Source) -> None:
    assert source.read().keys is source.read().keys


def test_a_reading_is_the_same_asked_again_or_alone(source: Source) -> None:
    whole = values(source.read())
    assert values(source.read()) == pytest.approx(whole, nan_ok=True)
    for spec in named("waiting"):
        alone = values(source.read((spec,)))
        assert alone == pytest.approx({key: whole[key] for key in alone}, nan_ok=True)


def test_before_anything_was_measured_there_is_no_data(source: Source) -> None:
    assert not np.isfinite(source.read(at=source.long_before).values).any()
    (spec,) = (spec for spec in named("waiting") if spec.scope == "service" and "vllm" in str(spec.expr))
    assert source.metrics.history(spec, source.long_before - timedelta(hours=1), source.long_before, 60.0) == ()


def test_history_is_in_order_within_its_bounds_and_ends_in_the_present(source: Source) -> None:
    (spec,) = (spec for spec in named("waiting") if spec.scope == "service" and "vllm" in str(spec.expr))
    frames = source.metrics.history(spec, source.now - timedelta(minutes=4), source.now, 2.0)
    instants = [frame.at for frame in frames]
    assert instants == sorted(set(instants))
    assert source.now - timedelta(minutes=4) <= instants[0]
    assert instants[-1] == pytest.approx(source.now, abs=timedelta(seconds=2))
    assert {key.signal for frame in frames for key in frame.keys} == {"waiting"}
    now = values(source.read((spec,)))["waiting", "service/chat"]
    assert values(frames[-1])["waiting", "service/chat"] == pytest.approx(now)
