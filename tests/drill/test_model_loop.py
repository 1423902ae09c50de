"""The baseline of one language model with tools: what it is told, what it may do, and what its mistakes cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from typer.testing import CliRunner

from config.load import ConfigError, load_reasoner
from simulator.cli import app
from simulator.episode import demo_fleet, model_loop, play
from simulator.model_loop import STEPS, TOOLS, ModelLoop
from simulator.scenario import load_scenarios
from simulator.score import score
from simulator.world.world import World
from tests.live.conftest import Script, Served, reply, serve  # noqa: F401 - a fixture
from tools.errors import Transient

Json = dict[str, Any]


def call(name: str, number: int = 1, **arguments: Any) -> Json:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}],
    }


DONE: Json = {"role": "assistant", "content": "That was all."}


class Scripted:
    """A model that says what it was written to say, and keeps what it was told."""

    def __init__(self, answers: Callable[[Sequence[Json]], Json]) -> None:
        self.tokens, self.heard = 0, list[list[Json]]()
        self._answers = answers

    def reply(self, messages: Sequence[Json], tools: Sequence[Json]) -> Json:
        assert tools == TOOLS
        self.tokens += 10
        self.heard.append(list(messages))
        return self._answers(messages)


def told(messages: Sequence[Json]) -> list[Any]:
    """What the tools answered so far."""
    return [
        json.loads(m["content"]) if m["content"][0] in "{[" else m["content"] for m in messages if m["role"] == "tool"
    ]


def undoing(messages: Sequence[Json]) -> Json:
    """Look at the changes, and take the newest release back."""
    match told(messages):
        case []:
            return call("changes", minutes=60)
        case [[*_, {"kind": "release", "entity": entity, "before": before}]]:
            service = entity.removeprefix("service/")
            return call("act", action={"verb": "restore_revision", "service": service, "revision": before})
        case _:
            return DONE


def test_a_model_that_knows_what_to_do_heals_a_bad_release_and_its_tokens_are_counted() -> None:
    model = Scripted(undoing)
    hire = lambda world, actuator: ModelLoop(world, actuator, model)  # noqa: E731
    played = play(load_scenarios()["bad_rollout_errors"], 0, hire)
    assert [effect.action.verb for effect in played.effects] == ["restore_revision"]
    assert played.totals["tokens"] == model.tokens > 0
    assert score(played)["healed"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (call("act", action={"verb": "delete", "service": "chat"}), "refused"),
        (call("act", action={"verb": "set_replicas", "service": "nobody", "replicas": 3}), "refused"),
        (call("act"), "refused"),
        (call("shell", command="ls"), "there is no 'shell'"),
        (call("versions", model="none"), "refused: no model none"),
        (call("changes", minutes="many"), "refused"),
        ({**DONE, "tool_calls": [{"id": "x", "function": {"name": "act", "arguments": "{"}}]}, "refused"),
    ],
)
def test_what_cannot_be_done_is_told_to_the_model_and_it_is_asked_again(asked: Json, answer: str) -> None:
    model = Scripted(lambda messages: asked if len(messages) == 2 else DONE)
    woken(model)
    assert len(model.heard) == 2
    assert model.heard[1][-1]["content"].startswith(answer)


def test_a_model_without_end_is_cut_short_and_one_that_is_away_does_nothing() -> None:
    endless = Scripted(lambda messages: call("topology", len(messages), service="chat"))
    woken(endless)
    assert len(endless.heard) == STEPS

    def away(_: Sequence[Json]) -> Json:
        raise Transient("no answer")

    woken(Scripted(away))


def woken(model: Scripted) -> None:
    """Let a loop talk once about a service."""
    world = World(demo_fleet())
    world.advance(30.0)
    ModelLoop(world, world.actuator, model)._talk("chat")


def test_the_reading_tools_say_what_there_is() -> None:
    asked = [
        call("signals", service="chat"),
        call("topology", service="chat"),
        call("changes", minutes=1e5),
        call("versions", model="fraud"),
    ]
    model = Scripted(lambda messages: asked[n] if (n := len(told(messages))) < len(asked) else DONE)
    woken(model)
    signals, topology, changes, versions = told(model.heard[-1])
    assert "chat" in str(signals)
    assert not {key for key in signals if "fraud" in key}
    assert topology["deployment"]["service"] == "chat"
    assert topology["replicas"]
    assert isinstance(changes, list)
    assert versions["aliases"]["champion"]


def test_without_a_model_the_baseline_is_refused_with_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["drill", "bad_rollout_errors", "--beside", "model_loop"])
    assert result.exit_code == 2
    assert "PRUNELLA_REASONER__URL" in result.output + result.stderr
    monkeypatch.setenv("PRUNELLA_REASONER__URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match="PRUNELLA_REASONER__MODEL: is missing"):
        load_reasoner()


@pytest.mark.real
@pytest.mark.enable_socket
def test_a_model_that_does_not_answer_is_no_model_that_heals_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNELLA_REASONER__URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("PRUNELLA_REASONER__MODEL", "m")
    result = CliRunner().invoke(app, ["drill", "bad_rollout_errors", "--beside", "model_loop"])
    assert result.exit_code == 2
    assert "cannot be asked" in result.output + result.stderr


@pytest.mark.real
@pytest.mark.enable_socket
def test_over_an_openai_compatible_endpoint(
    serve: Callable[[Script], Served],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[Served] = []

    def model(handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(served[0].bodies[-1])
        choice = {"index": 0, "finish_reason": "stop", "message": undoing(body["messages"])}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        usage = {"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100}
        reply(handler, 200, json.dumps({**answer, "usage": usage}).encode(), Content_Type="application/json")

    served.append(serve(model))
    monkeypatch.setenv("PRUNELLA_REASONER__URL", f"{served[0].url}/v1")
    monkeypatch.setenv("PRUNELLA_REASONER__MODEL", "m")
    played = play(load_scenarios()["bad_rollout_errors"], 0, model_loop)
    assert score(played)["healed"]
    assert played.totals["tokens"] == 100 * len(served[0].bodies) > 0
    offered = {tool["function"]["name"] for tool in json.loads(served[0].bodies[0])["tools"]}
    assert offered == {"signals", "topology", "changes", "versions", "act"}
