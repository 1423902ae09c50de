"""A drill's time to live, simulated: whoever dies wherever, what was put in is taken back in time, and nothing else is.

A pretend API server that knows JSON patches, versions and one clock. The reverter is killed, loses replies or is turned
away at every single call of its own, and started again as its Job would; the driller dies right after its write, loses
its reply, or wakes up when nobody stands ready any more; and somebody else writes meanwhile.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from simulator.staging.edits import Json, setting, value_at
from simulator.staging.hands import Hands, Place
from simulator.staging.mark import Mark, last_drill, mark_of, ready_for
from simulator.staging.reverter import Duty, stand_by
from tools.errors import Ambiguous, Refused, ToolError, Transient
from tools.live.kube_api import Conflict

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE, OPERATION = Place("serving", "chat"), "drill-1"
STANDS, WAITS = timedelta(seconds=12), 8.0  # how long the fault stands, and how long the reverter waits for it
SLACK = timedelta(seconds=6)  # for a reverter that was killed to be started again
GOOD, BAD, OTHER = ["serve"], ["/no-such-program"], ["serve", "--careful"]
COMMAND = "/spec/command"


class Killed(BaseException):
    """A process is gone."""


@dataclass
class Server:
    """One object, versions, a clock; ``troubles``: what happens at the reverter's n-th call."""

    item: Json
    now: datetime = START
    troubles: dict[int, str] = field(default_factory=dict)
    calls: int = 0
    quiet: bool = False  # somebody else calls: nothing happens to them

    def server_time(self) -> str:
        return format_datetime(self.now.replace(microsecond=0), usegmt=True)

    def get(self, path: str) -> Json:
        del path
        return self._troubled(lambda: deepcopy(self.item))

    def patch(self, path: str, body: list[Json], kind: str) -> Json:
        assert (path, kind) == (PLACE.path, "json")
        return self._troubled(lambda: self._patched(body), writes=True)

    def _troubled(self, call: Callable[[], Json], *, writes: bool = False) -> Json:
        if self.quiet:
            return call()
        self.calls += 1
        self.now += timedelta(milliseconds=100)
        match self.troubles.get(self.calls):
            case "killed before":
                raise Killed
            case "killed after":
                call()
                raise Killed
            case "reply lost":
                call()
                raise Ambiguous("the reply was lost") if writes else Transient("the reply was lost")
            case "turned away":
                raise Transient("too many requests")
            case _:
                return call()

    def _patched(self, body: list[Json]) -> Json:
        made = deepcopy(self.item)
        for op in body:
            if op["path"] == "/metadata/resourceVersion" and op["value"] != made["metadata"]["resourceVersion"]:
                raise Conflict("another version")
            if op["op"] == "test" and value_at(made, op["path"]) != op["value"]:
                raise Refused(f"the test of {op['path']} failed")
            if op["op"] in ("add", "replace"):
                _put(made, op["path"], op["value"])
        made["metadata"]["resourceVersion"] = str(int(self.item["metadata"]["resourceVersion"]) + 1)
        self.item = made
        return deepcopy(made)


def _put(item: Json, path: str, value: Any) -> None:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for part in parents:
        item = item[part]
    item[last] = value


@dataclass
class Play:
    """A server, and what happens at which second."""

    troubles: dict[int, str] = field(default_factory=dict)
    events: dict[int, Callable[["Play"], None]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    longest: timedelta = timedelta()  # for which a fault stood beyond its time

    def __post_init__(self) -> None:
        metadata = {"name": "chat", "resourceVersion": "7", "annotations": {}}
        self.server = Server({"metadata": metadata, "spec": {"command": GOOD}}, troubles=self.troubles)
        self.hands = Hands.__new__(Hands)
        self.hands.api = self.server  # type: ignore[assignment]

    def sleep(self, seconds: float) -> None:
        self.server.now += timedelta(seconds=seconds)
        mark = mark_of(self.server.item)
        if mark is not None:
            assert ready_for(self.server.item) == mark.operation  # no fault without somebody who takes it back
            self.longest = max(self.longest, self.server.now - mark.until)
        for at in sorted(self.events.keys() - self.done):
            ready = ready_for(self.server.item) or mark_of(self.server.item)  # as the driller waits for it
            if ready and self.server.now >= START + timedelta(seconds=at):
                self.server.quiet = True
                self.events[at](self)
                self.server.quiet = False
                self.done.add(at)

    def reverted(self) -> "Play":
        """Let the reverter's Job do its work, however often it dies."""
        for _ in range(20):
            try:
                stand_by(self.hands, Duty(PLACE, OPERATION, WAITS), self.said.append, self.sleep)
            except (Killed, ToolError):
                self.sleep(2.0)
            else:
                return self
        raise AssertionError(f"never done: {self.said}")


def put_in(play: Play) -> None:
    """The driller's one write; whatever becomes of the driller afterwards, this is all that matters."""
    edit = setting(play.server.item, COMMAND, BAD)
    at = play.server.now
    play.hands.put_in(PLACE, Mark(operation=OPERATION, fault="x", by="dana", at=at, until=at + STANDS, edits=(edit,)))


def put_in_late(play: Play) -> None:
    """The same by a driller that wakes up when nobody stands ready any more."""
    with pytest.raises(Refused, match="the test of"):
        put_in(play)
    play.said.append("refused")


def change(play: Play) -> None:
    """Somebody else, or Prunella herself, writes the very field."""
    play.server.item["spec"]["command"] = OTHER
    play.server.item["metadata"]["resourceVersion"] = str(int(play.server.item["metadata"]["resourceVersion"]) + 1)


EVENTS: dict[str, dict[int, Callable[[Play], None]]] = {
    "no fault comes": {},
    "a fault comes, and its driller dies": {4: put_in},
    "what was put in is healed meanwhile": {4: put_in, 9: change},
}
LEFT = {
    "no fault comes": GOOD,
    "a fault comes, and its driller dies": GOOD,
    "what was put in is healed meanwhile": OTHER,
}


def whole(play: Play, story: str) -> None:
    """Nothing of the drill is left, what others wrote stays, and it took no longer than its time to live."""
    item = play.server.item
    assert (mark_of(item), ready_for(item)) == (None, "")
    assert item["spec"]["command"] == LEFT[story]
    assert play.longest <= SLACK
    assert bool(last_drill(item)) is (story != "no fault comes")


@pytest.mark.parametrize("story", EVENTS)
@pytest.mark.parametrize("trouble", ["killed before", "killed after", "reply lost", "turned away"])
def test_the_fault_is_gone_in_time_whatever_becomes_of_the_reverter_at_whichever_call(story: str, trouble: str) -> None:
    calm = Play(events=EVENTS[story]).reverted()
    whole(calm, story)
    assert calm.server.calls > 10
    for call in range(1, calm.server.calls + 1):
        whole(Play({call: trouble, call + 3: trouble}, EVENTS[story]).reverted(), story)


@pytest.mark.parametrize("trouble", ["", "killed before", "killed after", "reply lost"])
def test_a_driller_that_wakes_up_when_nobody_stands_ready_puts_nothing_in(trouble: str) -> None:
    for call in range(1, 12):
        play = Play({call: trouble}).reverted()
        put_in_late(play)
        assert play.server.item["spec"]["command"] == GOOD


def test_a_fault_whose_driller_lost_its_reply_is_put_in_once() -> None:
    def twice(play: Play) -> None:
        put_in(play)
        version = play.server.item["metadata"]["resourceVersion"]
        play.hands.put_in(PLACE, mark_of(play.server.item))  # type: ignore[arg-type]
        assert play.server.item["metadata"]["resourceVersion"] == version

    whole(Play(events={4: twice}).reverted(), "a fault comes, and its driller dies")
