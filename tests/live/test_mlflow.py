"""An alias is moved once or not at all, wherever a call breaks off: before it was sent, or after it came true."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.fleet import Fleet, Service, ServiceKind
from tools.action import Operation, SetAlias
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError, Transient
from tools.live.mlflow import MlflowActuator, MlflowRegistry
from tools.records import ModelState

FLEET = Fleet(services=(Service(name="scorer", kind=ServiceKind.TABULAR, model="fraud"),))
ACTION = SetAlias(service="scorer", model="fraud", version="1")
OPERATION = Operation(id="op-1", incident="inc-1", epoch=4, expects={"champion": "2"})
Trouble = Callable[[int], str]  # number of a write -> "" | "lost before" | "lost after"


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class FakeApi:
    """An MLflow in memory that fails as it is told."""

    seconds = 10.0

    def __init__(self, trouble: Trouble = lambda _: "") -> None:
        self.trouble = trouble
        self.aliases = {"champion": "2"}
        self.tags: dict[str, str] = {}
        self.writes: list[str] = []
        self.moves: list[str] = []

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if query["name"] != "fraud":
            raise Absent("no such model")
        if path == "model-versions/get":
            if query["version"] not in ("1", "2"):
                raise Absent("no such version")
            return {}
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        aliases = [{"alias": alias, "version": version} for alias, version in self.aliases.items()]
        return {"registered_model": {"name": "fraud", "tags": tags, "aliases": aliases}}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        trouble = self.trouble(len(self.writes))
        self.writes.append(path)
        if trouble == "lost before":
            raise Ambiguous("the reply was lost")
        if path == "registered-models/set-tag":
            self.tags[body["key"]] = body["value"]
        else:
            self.aliases[body["alias"]] = body["version"]
            self.moves.append(body["version"])
        if trouble == "lost after":
            raise Ambiguous("the reply was lost")
        return {}


def hands(api: FakeApi, clock: Clock) -> MlflowActuator:
    return MlflowActuator(api, FLEET, clock)  # type: ignore[arg-type]


WRITES = 4  # epoch, announcement, alias, tick


def test_all_goes_well_in_four_writes() -> None:
    api = FakeApi()
    assert hands(api, Clock()).apply(ACTION, OPERATION).observed == {"champion": "1"}
    assert len(api.writes) == WRITES
    assert api.moves == ["1"]


@pytest.mark.parametrize("trouble", ["lost before", "lost after"])
@pytest.mark.parametrize("number", range(WRITES))
def test_a_lost_reply_anywhere_is_told_apart_and_never_done_twice(trouble: str, number: int) -> None:
    clock = Clock()
    api = FakeApi(lambda count: trouble if count == number else "")
    with pytest.raises(Ambiguous):
        hands(api, clock).apply(ACTION, OPERATION)
    after = hands(api, clock)  # another process
    try:
        known = after.lookup(ACTION, OPERATION)
    except Transient as error:
        clock.at += error.retry_after
        known = after.lookup(ACTION, OPERATION)
    assert (known is not None) == (api.moves == ["1"])
    if known is None:
        assert api.aliases == {"champion": "2"}
        after.apply(ACTION, OPERATION)
    assert (api.moves, api.aliases) == (["1"], {"champion": "1"})
    assert after.lookup(ACTION, OPERATION) is not None


def test_while_a_call_may_be_on_its_way_nobody_says_that_it_did_not_happen() -> None:
    clock = Clock()
    api = FakeApi(lambda count: "lost before" if count == 2 else "")
    with pytest.raises(Ambiguous):
        hands(api, clock).apply(ACTION, OPERATION)
    for ask in (hands(api, clock).lookup, hands(api, clock).fence):
        with pytest.raises(Transient):
            ask(ACTION, OPERATION)
    clock.at += timedelta(seconds=30)
    assert hands(api, clock).fence(ACTION, OPERATION) is None


def test_a_done_operation_stays_done_when_somebody_moves_the_alias_back() -> None:
    clock, api = Clock(), FakeApi()
    hands(api, clock).apply(ACTION, OPERATION)
    api.aliases["champion"] = "2"
    assert hands(api, clock).lookup(ACTION, OPERATION) is not None
    hands(api, clock).apply(ACTION, OPERATION)
    assert api.aliases == {"champion": "2"}


def test_somebody_who_writes_in_between_wins() -> None:
    api = FakeApi()

    def meddle(count: int) -> str:
        if count == 1:
            api.aliases["champion"] = "7"
        return ""

    api.trouble = meddle
    with pytest.raises(Transient):
        hands(api, Clock()).apply(ACTION, OPERATION)
    assert (api.moves, api.aliases) == ([], {"champion": "7"})


def test_a_spoilt_record_stops_everything() -> None:
    api = FakeApi()
    api.tags["prunella.operations"] = "not json"
    for ask in (hands(api, Clock()).preimage, hands(api, Clock()).rehearse):
        with pytest.raises(Malformed):
            ask(ACTION)
    with pytest.raises(Malformed):
        hands(api, Clock()).apply(ACTION, OPERATION)
    assert api.writes == []


@pytest.mark.parametrize(
    "action",
    [
        ACTION.model_copy(update={"model": "somebody-elses"}),
        ACTION.model_copy(update={"version": "9"}),
    ],
)
def test_what_is_not_of_the_fleet_is_refused(action: SetAlias) -> None:
    api = FakeApi()
    with pytest.raises(Refused):
        hands(api, Clock()).apply(action, OPERATION)
    assert api.moves == []


def test_a_name_that_would_break_out_of_the_question_is_refused() -> None:
    class Quoted(FakeApi):
        def get(self, path: str, **query: str) -> dict[str, Any]:
            return {"registered_model": {"name": query["name"]}}

    registry = MlflowRegistry(Quoted(), FLEET, Clock())  # type: ignore[arg-type]
    with pytest.raises(Refused):
        registry.model("x' or name='y")


def test_only_what_moved_since_the_last_look_is_a_change() -> None:
    clock, api = Clock(), FakeApi()
    registry = MlflowRegistry(api, FLEET, clock)  # type: ignore[arg-type]
    start = clock.at
    assert registry.changes(start) == ()
    clock.at += timedelta(minutes=1)
    api.aliases = {"champion": "1", "shadow": "2"}
    registry.look()
    clock.at += timedelta(minutes=1)
    moved = registry.changes(start)
    assert [(each.before, each.after, each.actor) for each in moved] == [("2", "1", ""), ("", "2", "")]
    assert {each.at for each in moved} == {start + timedelta(minutes=1)}


def test_an_unreachable_registry_is_an_error_and_no_empty_one() -> None:
    class Away(FakeApi):
        def get(self, path: str, **query: str) -> dict[str, Any]:
            raise Transient("away")

    registry = MlflowRegistry(Away(), FLEET, Clock())  # type: ignore[arg-type]

    def state() -> ModelState:
        return registry.model("fraud")

    for ask in (state, registry.look):
        with pytest.raises(ToolError):
            ask()


def test_a_look_beside_a_question_notices_a_change_once() -> None:
    """The daemon looks once a tick in a thread of its own, while a case may ask for changes."""

    class Slow(FakeApi):
        inside = most = 0

        def get(self, path: str, **query: str) -> dict[str, Any]:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.01)
            found = super().get(path, **query)
            self.inside -= 1
            return found

    api, clock = Slow(), Clock()
    registry = MlflowRegistry(api, FLEET, clock)  # type: ignore[arg-type]
    registry.look()
    api.aliases = {"champion": "1"}
    threads = [threading.Thread(target=registry.look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert api.most == 1
    assert len(registry.changes(clock.at)) == 1
