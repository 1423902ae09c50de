"""The twin's Prometheus API over HTTP: shapes of answers, refusals, and a faster clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator.episode import demo_fleet
from simulator.twin.pace import Pace
from simulator.twin.serve import served
from simulator.twin.twin import Twin
from simulator.world.world import World

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
SPEED = 10.0


class Shown:
    """A twin ten times as fast as our clock, which stands still."""

    def __init__(self, url: str, twin: Twin) -> None:
        self.url, self.twin = url, twin
        self.now = twin.pace.to_ours(twin.world.clock.now())

    def ask(self, path: str, **form: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.url}/api/v1/{path}", data=form, timeout=60)

    def look(self, path: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"{self.url}/api/v1/{path}", timeout=60).json()["data"]


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    world = World(demo_fleet())
    twin = Twin(world, pace=Pace(world.clock.now(), world.clock.now(), SPEED))
    for _ in range(20):
        twin.advance()
    with served(twin, lambda: twin.pace.to_ours(world.clock.now())) as where:
        yield Shown(where.metrics_url, twin)


def test_a_rate_is_per_second_of_the_fleet_whatever_the_speed(shown: Shown) -> None:
    text = 'sum (rate(http_requests_total{service="chat"}[2m]))'
    answer = shown.ask("query", query=text, time=shown.now.timestamp()).json()["data"]
    (series,) = answer["result"]
    assert series["value"][0] == pytest.approx(shown.now.timestamp(), abs=0.01)
    kept = shown.ask("query", query='sum (increase(http_requests_total{service="chat"}[2m])) / 120').json()["data"]
    assert float(series["value"][1]) == pytest.approx(float(kept["result"][0]["value"][1]))


def test_a_range_has_our_instants(shown: Shown) -> None:
    start = shown.now - timedelta(seconds=30)
    span = {"start": start.timestamp(), "end": shown.now.timestamp(), "step": "3s"}
    answer = shown.ask("query_range", query="sum (up) or vector(1)", **span).json()["data"]
    instants = [at for at, _ in answer["result"][0]["values"]]
    assert len(instants) == 11
    assert instants[0] == pytest.approx(start.timestamp(), abs=0.01)
    assert instants[1] - instants[0] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"query": "sum("}, 400),
        ({}, 400),
        ({"query": "1", "time": "yesterday"}, 400),
        ({"query": "limitk(1, up)"}, 422),
        ({"query": 'sort_by_label(up, "a")'}, 422),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(shown: Shown, form: dict[str, str], status: int) -> None:
    answer = shown.ask("query", **form)
    assert answer.status_code == status
    told = answer.json()
    assert told["status"] == "error"
    assert "\n" not in told["error"]


def test_names_and_series_are_found(shown: Shown) -> None:
    assert {"__name__", "service", "pod", "le"} <= set(shown.look("labels"))
    assert "chat" in shown.look("label/service/values")
    found = shown.look('series?match[]=vllm:num_requests_waiting{service="chat"}')
    assert {each["service"] for each in found} == {"chat"}
    assert all("kind" not in each for each in found)
    assert shown.look("status/buildinfo")["version"]
