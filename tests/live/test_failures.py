"""Servers that are down, hung, redirecting or talking nonsense: each arrives as the right error, and in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from config.fleet import Fleet, Service, ServiceKind
from config.servers import ClusterSettings, MetricsSettings, ReasonerSettings, ServingSettings
from simulator.lab.rest import write_kubeconfig
from simulator.lab.servers import wait_until
from tests.live.conftest import Script, Served, reply
from tools.catalogue import SIGNALS
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError, Transient
from tools.live.clock import SystemClock
from tools.live.kube_api import KubeApi
from tools.live.kubernetes import Address
from tools.live.openai import OpenAIReasoner
from tools.live.prometheus import PrometheusMetrics
from tools.live.serving import HttpServing
from tools.template_reasoner import FallbackReasoner, TemplateReasoner

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
Serve = Callable[[Script], Served]
Connect = Callable[..., KubeApi]
FLEET = Fleet(
    services=(
        Service(name="chat", kind=ServiceKind.LANGUAGE),
        Service(name="fraud", kind=ServiceKind.TABULAR, model="fraud-v2"),
    )
)
SHORT = "300ms"  # for servers that never answer
LONG = "30s"  # for those that do, on a busy machine a little later


def says(status: int, body: bytes, **headers: str) -> Script:
    return lambda handler: reply(handler, status, body, **headers)


@pytest.fixture
def hung() -> Iterator[Script]:
    """A script that takes the question and never answers it, until the test is over."""
    over = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        over.wait(20)
        handler.close_connection = True

    yield wait
    over.set()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens, nor will while the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


# -- Prometheus ----------------------------------------------------------------------------------------------------
def ask_prometheus(url: str, timeout: str = LONG) -> ToolError | None:
    metrics = PrometheusMetrics(MetricsSettings.model_validate({"url": url, "timeout": timeout}), FLEET)
    try:
        metrics.read(SIGNALS, datetime.now(UTC))
    except ToolError as error:
        return error
    finally:
        metrics.close()
    return None


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (says(503, b"busy", Retry_After="7"), Transient),
        (says(401, b""), Refused),
        (says(404, b"no such page"), Absent),
        (says(302, b"", Location="http://elsewhere.example/"), Refused),
        (says(200, b"<html>"), Malformed),
        (says(200, b"[]"), Malformed),
        (says(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'), Malformed),
        (says(422, b'{"status":"error","error":"many-to-many"}'), Refused),
    ],
)
def test_prometheus_failures_are_told_apart(serve: Serve, script: Script, kind: type[ToolError]) -> None:
    assert type(ask_prometheus(serve(script).url)) is kind


def test_a_prometheus_that_is_down_or_hung_may_pass(serve: Serve, hung: Script, nobody: str) -> None:
    down = ask_prometheus(nobody)
    assert isinstance(down, Transient)
    assert "refused" in str(down)  # the reason is not lost at the end of a long line
    served = serve(hung)
    assert isinstance(ask_prometheus(served.url, SHORT), Transient)
    assert len(served.requests) <= 12  # one limit for the whole frame, however many signals there are


def test_warnings_of_a_partial_answer_are_problems_of_the_frame(serve: Serve) -> None:
    body = b'{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["store 2 is away"],"infos":["PromQL info: metric might not be a counter"]}'  # noqa: E501
    metrics = PrometheusMetrics(MetricsSettings(url=serve(says(200, body)).url), FLEET)
    frame = metrics.read(SIGNALS, datetime.now(UTC))
    metrics.close()
    assert frame.problems == ("store 2 is away",)


# -- Kubernetes ----------------------------------------------------------------------------------------------------
@pytest.fixture
def kube(tmp_path: Path) -> Iterator[Connect]:
    made: list[KubeApi] = []

    def connect(url: str, timeout: str = LONG) -> KubeApi:
        path = write_kubeconfig(tmp_path / f"config-{len(made)}", url, tmp_path / "none", "token")
        made.append(KubeApi(ClusterSettings.model_validate({"kubeconfig": path, "timeout": timeout})))
        return made[-1]

    yield connect
    for api in made:
        api.close()


def test_an_api_server_that_is_down_or_hung_may_pass(serve: Serve, hung: Script, nobody: str, kube: Connect) -> None:
    with pytest.raises(Transient):
        kube(nobody).get("/version")
    with pytest.raises(Transient):
        kube(serve(hung).url, SHORT).get("/version")
    with pytest.raises(Transient):
        kube(nobody).patch("/x", {}, "merge")  # never sent, so it cannot have happened


def test_a_write_without_a_reply_is_ambiguous_unless_it_was_a_rehearsal(
    serve: Serve, hung: Script, kube: Connect
) -> None:
    served = serve(hung)
    with pytest.raises(Ambiguous):
        kube(served.url, SHORT).patch("/x", {}, "merge")
    wait_until(lambda: len(served.requests) > 0, "a request that the server reads, be it late")
    assert served.requests == ["PATCH /x?fieldManager=prunella"]  # once: no transport repeats it
    with pytest.raises(Transient):
        kube(served.url, SHORT).patch("/x", {}, "merge", dry_run=True)
    with pytest.raises(Ambiguous):
        kube(serve(says(500, b"{}")).url).post("/x", {})
    with pytest.raises(Transient):
        kube(serve(says(429, b"{}", Retry_After="3")).url).post("/x", {})


@pytest.mark.parametrize(("status", "kind"), [(401, Refused), (403, Refused), (404, Absent), (422, Refused)])
def test_kubernetes_refusals_are_told_apart(serve: Serve, kube: Connect, status: int, kind: type[ToolError]) -> None:
    with pytest.raises(kind, match=f"{status}: why"):
        kube(serve(says(status, b'{"message":"why"}')).url).get("/x")


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_is_only_just_back_may_not_know_yet_who_may_do_what(
    serve: Serve, kube: Connect, status: int
) -> None:
    answers = ["breaks off", "refuses", "refuses", "refuses", "refuses", "knows"]

    def script(handler: BaseHTTPRequestHandler) -> None:
        match answers.pop(0):
            case "breaks off":
                handler.close_connection = True
            case "refuses":
                reply(handler, status, b'{"message":"why"}')
            case _:
                reply(handler, 200, b"{}")

    api = kube(serve(script).url)
    with pytest.raises(Transient, match=f"only just back, and answers {status}"):
        api.get("/x")
    with pytest.raises(Transient):
        api.patch("/x", {}, "merge")  # refused, so it has not happened
    assert api.get("/x") == {}


# -- serving -------------------------------------------------------------------------------------------------------
class Pods:
    def __init__(self, port: int) -> None:
        self.port = port

    def address(self, service: str, replica: str) -> Address:
        return Address("127.0.0.1", self.port)


def probe(port: int, service: str = "chat", timeout: str = LONG) -> tuple[bool | None, bool | None]:
    settings = ServingSettings.model_validate({"timeout": timeout})
    seen = HttpServing(settings, FLEET, Pods(port), SystemClock()).probe(service, "r-1")
    assert (seen.seconds is not None) == (seen.answers is True)
    return seen.health_ok, seen.answers


def vllm(completion: Script) -> Script:
    def script(handler: BaseHTTPRequestHandler) -> None:
        match handler.path:
            case "/health":
                reply(handler, 200, b"")
            case "/v1/models":
                reply(handler, 200, b'{"data":[{"id":"tiny"}]}')
            case _:
                completion(handler)

    return script


def test_an_engine_that_answers_is_well(serve: Serve) -> None:
    served = serve(vllm(says(200, b"{}")))
    assert probe(served.port) == (True, True)
    assert served.requests[-1] == "POST /v1/completions"
    assert b'"max_tokens": 1' in served.bodies[-1]


def test_a_hung_engine_behind_a_green_page_does_not_answer(serve: Serve, hung: Script) -> None:
    assert probe(serve(vllm(hung)).port, timeout="3s") == (True, False)


def test_answers_that_are_no_answers(serve: Serve, nobody: str) -> None:
    assert probe(serve(vllm(says(500, b"{}"))).port) == (True, False)
    assert probe(serve(vllm(says(400, b"{}"))).port) == (True, None)  # our question was wrong
    assert probe(serve(says(302, b"", Location="http://elsewhere.example/")).port) == (False, None)
    assert probe(int(nobody.rpartition(":")[2])) == (None, False)


def test_a_triton_model_is_asked_to_score_zeros(serve: Serve) -> None:
    def script(handler: BaseHTTPRequestHandler) -> None:
        described = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}]}'
        reply(handler, 200, described if handler.path == "/v2/models/fraud-v2" else b"{}")

    served = serve(script)
    assert probe(served.port, "fraud") == (True, True)
    assert served.requests[-1] == "POST /v2/models/fraud-v2/infer"
    assert b'"shape": [1, 3]' in served.bodies[-1]


# -- language model ------------------------------------------------------------------------------------------------
def ask_model(url: str, timeout: str = LONG) -> str:
    settings = ReasonerSettings.model_validate({"url": f"{url}/v1", "model": "m", "timeout": timeout})
    reasoner = OpenAIReasoner(settings)
    try:
        return reasoner.summarise("- chat is slow")
    finally:
        reasoner.close()


ANSWER = b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":" It is slow. "}}],"usage":{"prompt_tokens":60,"completion_tokens":40,"total_tokens":100}}'  # noqa: E501
JSON = {"Content_Type": "application/json"}


def test_a_language_model_writes_the_summary(serve: Serve) -> None:
    served = serve(says(200, ANSWER, **JSON))
    assert ask_model(served.url) == "It is slow."
    assert b"- chat is slow" in served.bodies[0]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (says(401, b"{}", **JSON), Refused),
        (says(404, b"{}", **JSON), Absent),
        (says(429, b"{}", **JSON, retry_after_ms="1"), Transient),
        (says(500, b"{}", **JSON, retry_after_ms="1"), Transient),
        (says(200, b'{"choices":[]}', **JSON), Malformed),
        (says(200, b"<html>", **JSON), Malformed),
        (says(200, b"[]", **JSON), Malformed),
    ],
)
def test_failures_of_a_language_model_are_told_apart(serve: Serve, script: Script, kind: type[ToolError]) -> None:
    with pytest.raises(kind):
        ask_model(serve(script).url)


def test_a_hung_language_model_may_pass_and_the_template_takes_over(serve: Serve, hung: Script) -> None:
    url = serve(hung).url
    with pytest.raises(Transient):
        ask_model(url, SHORT)
    settings = ReasonerSettings.model_validate({"url": f"{url}/v1", "model": "m", "timeout": SHORT})
    first = OpenAIReasoner(settings)
    assert FallbackReasoner(first, TemplateReasoner()).summarise("- chat is slow") == "Chat is slow."
    first.close()


def test_a_spent_budget_refuses(serve: Serve) -> None:
    served = serve(says(200, ANSWER, **JSON))
    settings = ReasonerSettings.model_validate({"url": f"{served.url}/v1", "model": "m"})
    reasoner = OpenAIReasoner(settings, budget=150)
    assert [reasoner.summarise("- a") for _ in range(2)] == ["It is slow."] * 2
    with pytest.raises(Refused, match="budget"):
        reasoner.summarise("- a")
    reasoner.close()
