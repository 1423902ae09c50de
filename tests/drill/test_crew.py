"""Who is on duty in a drill: killed and started anew, two by mistake, a clock that jumps, a journal that is full."""

from datetime import timedelta

import pytest

from agent.casebook import Snapshot
from simulator.crew import AHEAD, AWAY, Crew, JumpyClock, Shown
from simulator.demo import Demo
from simulator.trouble import Killed, TroubledJournal, TroubledRegistry
from simulator.world.body import VirtualClock
from simulator.world.world import START
from tools.errors import Absent, Refused, Transient
from tools.journal import Journal
from tools.memory_journal import MemoryJournal


class Watcher:
    """Notes its ticks, and fails where it is told to."""

    def __init__(self, name: str, seen: list[str], fate: dict[str, BaseException]) -> None:
        self.name, self.seen, self.fate = name, seen, fate
        self.journal: Journal = MemoryJournal()

    def snapshot(self) -> Snapshot:
        return Snapshot(at=START, environment=self.name, services=(), cases=(), problems=())

    def tick(self) -> None:
        self.seen.append(self.name)
        if self.name in self.fate:
            raise self.fate[self.name]


class Duty:
    """A crew of watchers, and the troubles that last."""

    def __init__(self) -> None:
        self.clock, self.seen, self.troubles = VirtualClock(START), list[str](), set[str]()
        self.fate: dict[str, BaseException] = {}
        self.crew = Crew(MemoryJournal(), self.hire, self.clock, self.troubles.__contains__)

    def hire(self, name: str) -> Shown:
        return Watcher(name, self.seen, self.fate)

    def ticks(self, count: int) -> list[str]:
        self.seen.clear()
        for _ in range(count):
            self.clock.at += timedelta(seconds=30)
            self.crew.tick()
        return list(self.seen)


def test_who_is_killed_comes_back_later_and_remembers_nothing() -> None:
    duty = Duty()
    duty.fate["first"] = Killed()
    assert duty.ticks(1) == ["first"]
    assert duty.crew.snapshot().environment == "first"  # what was seen last stays
    away = round(AWAY / timedelta(seconds=30))
    assert duty.ticks(away - 1) == []
    assert duty.ticks(2) == ["again", "again"]
    assert duty.crew.snapshot().environment == "again"


def test_two_look_for_as_long_as_the_mistake_lasts() -> None:
    duty = Duty()
    duty.troubles.add("two_controllers")
    assert duty.ticks(2) == ["first", "second"] * 2
    duty.troubles.clear()
    assert duty.ticks(1) == ["first"]


def test_a_tick_that_fails_is_followed_by_the_next_and_a_bug_is_not_hidden() -> None:
    duty = Duty()
    duty.fate["first"] = Transient("journal: database is locked")
    assert duty.ticks(2) == ["first", "first"]
    duty.fate["first"] = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        duty.ticks(1)


def test_a_clock_jumps_and_comes_back() -> None:
    troubles: set[str] = set()
    clock = JumpyClock(VirtualClock(START), troubles.__contains__)
    assert clock.now() == START
    troubles.add("clock_jump")
    assert clock.now() == START + AHEAD


@pytest.mark.parametrize(("trouble", "error"), [("database_locked", Transient), ("disk_full_own", Refused)])
def test_a_journal_that_cannot_be_written_can_be_read(trouble: str, error: type[Exception]) -> None:
    troubles: set[str] = set()
    journal = TroubledJournal(MemoryJournal(), troubles.__contains__)
    journal.append("a", "NOTE", {"text": "kept"}, START)
    troubles.add(trouble)
    for write in (
        lambda: journal.append("a", "NOTE", {}, START),
        lambda: journal.append_if("a", "NOTE", {}, START, ()),
        lambda: journal.claim("key", "me", START),
        lambda: journal.next_epoch("service/chat", "me", START),
    ):
        with pytest.raises(error):
            write()
    assert [entry.body["text"] for entry in journal.entries()] == ["kept"]
    assert journal.subjects() == ("a",)


def test_a_registry_that_is_gone_says_so() -> None:
    class Empty:
        def model(self, name: str) -> object:
            raise Absent(name)

        def changes(self, since: object) -> tuple[object, ...]:
            return ()

        def compare(self, *_: object) -> object:
            raise Absent("no rows")

    troubles = {"registry_unavailable"}
    registry = TroubledRegistry(Empty(), troubles.__contains__)  # type: ignore[arg-type]
    for ask in (lambda: registry.model("m"), lambda: registry.changes(START)):
        with pytest.raises(Transient):
            ask()
    troubles.clear()
    assert registry.changes(START) == ()


@pytest.mark.slow
def test_the_demo_plays_a_trouble_of_the_controllers_own() -> None:
    demo = Demo("metrics_outage")
    said = [demo.tick().problems for _ in range(66)]
    assert not any(said[:59])
    assert any("connection refused" in problem for problem in said[65])
