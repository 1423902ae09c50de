"""What vendors of the twin answer, to the client that callers really use."""

from __future__ import annotations

import time
from collections import Counter

import httpx2
import openai
import pytest
from fastapi.testclient import TestClient

from simulator.episode import demo_fleet
from simulator.twin import vendors_api
from simulator.twin.replicas_api import replicas_app
from simulator.twin.twin import Twin
from simulator.twin.vendors_api import code_of
from simulator.world.vendors import Vendors
from simulator.world.world import World


@pytest.fixture
def vendors_and_web() -> tuple[Vendors, TestClient]:
    world = World(demo_fleet())
    vendors = world.body.vendors
    vendors.base[:] = 0.0
    return vendors, TestClient(replicas_app(Twin(world), {0: 8000}), base_url="http://replica:8000")


def client(web: TestClient, vendor: str, retries: int = 0) -> openai.OpenAI:
    """Return the vendor's client; its calls are carried to the application in memory."""

    def carry(request: httpx2.Request) -> httpx2.Response:
        answer = web.request(request.method, request.url.path, content=request.read())
        return httpx2.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    through = httpx2.Client(transport=httpx2.MockTransport(carry))
    url = f"http://replica:8000/vendors/{vendor}/v1"
    return openai.OpenAI(api_key="none", base_url=url, http_client=through, max_retries=retries)


def ask(asked: openai.OpenAI) -> openai.types.chat.ChatCompletion:
    return asked.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])


def fail(vendors: Vendors, errors: float, throttled: float = 0.0, nonsense: float = 0.0) -> str:
    vendors.errors[0], vendors.throttled[0], vendors.nonsense[0] = errors, throttled, nonsense
    return vendors.routes[0][1]


def test_a_vendor_that_is_well_answers(vendors_and_web: tuple[Vendors, TestClient]) -> None:
    vendors, web = vendors_and_web
    assert ask(client(web, vendors.routes[0][1])).choices[0].message.content == "ok"


def test_a_limit_is_a_rate_limit_error_with_its_headers(vendors_and_web: tuple[Vendors, TestClient]) -> None:
    vendors, web = vendors_and_web
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client(web, fail(vendors, 1.0, throttled=1.0)))
    headers = caught.value.response.headers
    assert headers["retry-after"] == "2"
    assert (headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-reset-requests"]) == ("0", "2s")
    assert caught.value.code == "rate_limit_exceeded"


def test_the_client_waits_as_long_as_the_limit_says(
    vendors_and_web: tuple[Vendors, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendors, web = vendors_and_web
    vendor = fail(vendors, 1.0, throttled=1.0)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        fail(vendors, 0.0)

    monkeypatch.setattr(time, "sleep", wait)
    assert ask(client(web, vendor, retries=1)).choices
    assert waited == [2.0]


def test_an_outage_is_a_server_error_or_a_wait(
    vendors_and_web: tuple[Vendors, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendors_api, "HOLDS_S", 0.0)
    vendors, web = vendors_and_web
    asked, met = client(web, fail(vendors, 1.0)), Counter[int]()
    for _ in range(100):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(asked)
        met[caught.value.status_code] += 1
    assert set(met) == {429, 500, 504}
    assert met[500] > met[504] > met[429]


def test_nonsense_arrives_as_an_answer_without_a_choice(vendors_and_web: tuple[Vendors, TestClient]) -> None:
    vendors, web = vendors_and_web
    assert ask(client(web, fail(vendors, 1.0, nonsense=1.0))).choices == []


def test_calls_over_the_wire_fail_in_the_shares_that_the_world_counts(
    vendors_and_web: tuple[Vendors, TestClient],
) -> None:
    vendors, _ = vendors_and_web
    fail(vendors, 0.4, throttled=0.5, nonsense=0.1)
    met = Counter(code_of(vendors, 0, (turn + 0.5) / 10_000) for turn in range(10_000))
    expected = {"200": 0.6, "429": 0.4 * 0.52, "500": 0.4 * 0.3, "timeout": 0.4 * 0.08, "422": 0.4 * 0.1}
    assert {code: count / 10_000 for code, count in met.items()} == pytest.approx(expected, abs=1e-3)
