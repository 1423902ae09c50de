"""Replicas follow the hours: given back when nobody needs them, and brought back before they are needed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest

from agent.assembly import assemble
from agent.case import Outcome
from agent.controller import Controller
from agent.foresee import NEEDED_SOON, NOT_NEEDED, shortage, spare
from agent.observe import Senses
from agent.routine import PREFIX
from agent.trust import unsound
from agent.usual import KIND, SUBJECT
from config.foresight import ForesightSettings
from policies.controls import Pause, pause
from simulator.episode import TICK, Doorkeeper, demo_fleet
from simulator.world.script import Mutation, Scenario
from simulator.world.traffic import seasonal
from simulator.world.world import START, World
from tests.agent.handmade import TALK, scene, seen
from tests.agent.test_headroom import SERVICE, shown
from tools.journal import Entry
from tools.memory_journal import MemoryJournal

EVENING = START.replace(hour=20) + timedelta(days=3)  # a Thursday
DAWN = timedelta(hours=9, minutes=30)


@dataclass
class Fleet:
    """The demo fleet of an evening, and a controller that has known it for three days."""

    mutations: tuple[Mutation, ...] = ()
    autonomy: Literal["watch", "ask", "act"] = "act"
    scale: bool = True
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def __post_init__(self) -> None:
        script = Scenario(id="s", layer="quiet", about="s", onset=(0.0, 0.0), mutations=self.mutations)
        self.world = World(demo_fleet(), seed=5, start=EVENING, scenario=script)
        self.door = Doorkeeper(self.world)
        _taught(self.journal, self.world, EVENING)
        self.hire()

    def hire(self) -> None:
        world = self.world
        senses = Senses(world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)
        self.controller: Controller = assemble(
            senses,
            self.door,
            self.journal,
            world.fleet,
            world.clock,
            autonomy=self.autonomy,
            foresight=ForesightSettings(scale=self.scale),
        )

    def live(self, minutes: float) -> None:
        for _ in range(round(minutes * 60 / TICK)):
            self.world.advance(TICK)
            self.controller.tick()

    def wanted(self) -> dict[str, int]:
        return {d.service: d.replicas for d in self.world.cluster.topology().deployments}

    def ends(self) -> dict[str, str]:
        """Return how every routine ended."""
        return {e.subject: str(e.body["verdict"]) for e in self.of("OUTCOME")}

    def of(self, *kinds: str) -> list[Entry]:
        return [e for e in self.journal.entries(kinds=kinds) if e.subject.startswith(PREFIX)]


def _taught(journal: MemoryJournal, world: World, now: datetime) -> None:
    """Write down three days of what the weather usually brings."""
    names = [service.name for service in world.fleet.services]
    first = now.replace(minute=0) - timedelta(days=3)
    for hour in range(72):
        at = first + timedelta(hours=hour)
        rates = world.body.weather.rate * seasonal(at.weekday() * 24 + at.hour + 0.5)
        body = {"hour": at.isoformat(), "rates": dict(zip(names, rates.tolist(), strict=True))}
        journal.append(SUBJECT, KIND, body, at)


def test_it_is_foretold_growth_that_decides() -> None:
    idle = shown(use=25.0, kv_cache=0.1)
    given = spare(idle, SERVICE, 1.1)
    assert given is not None
    assert (given.before, given.after, given.fault) == (3, 2, NOT_NEEDED)
    assert spare(idle, SERVICE, 3.5) is None
    assert shortage(idle, SERVICE, 5, 1.1) is None
    missing = shortage(idle, SERVICE, 5, 4.0)
    assert missing is not None
    assert (missing.before, missing.after, missing.fault) == (3, 4, NEEDED_SOON)
    assert shortage(idle, SERVICE, 3, 4.0) is None  # never beyond what there was


def test_a_process_that_has_just_begun_brings_back_what_it_cannot_prove_to_be_enough() -> None:
    whole = shown(use=60.0, kv_cache=0.1)
    begun = scene(*whole.history[:2])
    missing = shortage(begun, SERVICE, 5, 1.1)
    assert missing is not None
    assert (missing.before, missing.after) == (3, 5)
    assert shortage(begun, SERVICE, 3, 1.1) is None  # nothing was given back
    assert shortage(scene(*shown(use=25.0, kv_cache=0.1).history[:2]), SERVICE, 5, 1.1) is None  # nobody needs it


def test_no_data_gives_nothing_back() -> None:
    blind = scene(*(seen(tick, {("requests", TALK): 2.0}) for tick in range(10)))
    assert spare(blind, SERVICE, 1.0) is None
    assert shortage(blind, SERVICE, 5, 9.0) is None


@pytest.mark.slow
def test_an_evening_gives_back_what_the_night_does_not_need_and_a_morning_brings_it_back() -> None:
    fleet = Fleet()
    before, floors = fleet.wanted(), {s.name: s.min_replicas for s in fleet.world.fleet.services}
    fleet.live(60)
    night = fleet.wanted()
    assert sum(night.values()) <= sum(before.values()) - 4
    assert all(night[name] >= max(floors[name], before[name] - 1) for name in night)
    assert set(fleet.ends().values()) == {"recovered"}
    fleet.world.clock.at += DAWN
    assert unsound(fleet.journal) == ""  # another process may begin from this journal
    fleet.hire()  # anew: the journal knows what was there before
    fleet.live(100)
    assert fleet.wanted()["chat"] == before["chat"]
    assert all(fleet.wanted()[name] <= before[name] for name in before)
    assert not fleet.journal.entries(kinds=("INCIDENT",))
    told = {e.body["playbook"]: e.body["bounds"]["money"] for e in fleet.of("PLAN")}
    assert 2.5 <= told["scale_out"] <= 5.1  # no more than the replicas cost


@pytest.mark.slow
def test_each_goes_through_the_one_door_a_few_at_a_time() -> None:
    fleet = Fleet()
    fleet.live(40)
    kinds = [e.kind for e in fleet.of("FORESEEN", "PLAN", "SITUATION", "DECISION", "RUN_PLANNED", "STEP_INTENT")]
    assert kinds[:6] == ["FORESEEN", "PLAN", "SITUATION", "DECISION", "RUN_PLANNED", "STEP_INTENT"]
    assert all(e.body["verdict"] == "allow" for e in fleet.of("DECISION"))
    begun = [e.at for e in fleet.of("STEP_INTENT")]
    assert all(later - earlier >= timedelta(minutes=3) for earlier, later in pairwise(begun))
    assert len(fleet.door.effects) == len(begun) >= 3


@pytest.mark.slow
def test_what_was_planned_and_never_decided_before_a_crash_is_given_up() -> None:
    first, journal = Fleet(), MemoryJournal()
    while not first.of("PLAN"):
        first.live(1)
    (made,) = first.of("PLAN")
    for entry in first.journal.entries():
        if entry.seq <= made.seq:
            journal.append(entry.subject, entry.kind, entry.body, entry.at)
    second = Fleet(journal=journal)
    second.live(2)
    assert second.ends() == {made.subject: "inconclusive"}
    assert not second.door.effects


@pytest.mark.slow
@pytest.mark.parametrize(("verdict", "again"), [("recovered", True), ("inconclusive", False)])
def test_three_of_a_day_that_did_not_end_well_are_enough(verdict: str, again: bool) -> None:
    first = Fleet()
    while not first.of("PLAN"):
        first.live(1)
    (made,), journal = first.of("PLAN"), MemoryJournal()
    for number in range(3):
        subject, at = f"{PREFIX}{number}", EVENING - timedelta(hours=9 - number)
        journal.append(subject, "PLAN", {**made.body, "incident": subject, "id": f"{subject}-plan-1"}, at)
        journal.append(subject, "STEP_OUTCOME", {"plan": f"{subject}-plan-1", "state": "done"}, at)
        ended = Outcome.model_validate({"incident": subject, "at": at, "verdict": verdict, "text": ""})
        journal.append(subject, "OUTCOME", ended.model_dump(mode="json"), at)
    second = Fleet(journal=journal)
    second.live(12)
    begun = {e.body["service"] for e in second.of("FORESEEN")}
    assert (made.body["service"] in begun) is again
    assert begun - {made.body["service"]}  # the others have had no harm


@pytest.mark.slow
def test_a_service_that_falls_ill_gets_its_replica_back_and_nobody_else_gives_one() -> None:
    bad = Mutation.model_validate(
        {"what": "traffic", "params": {"factor": 3.5}, "target": ("chat",), "at": 600.0, "duration": 7200.0}
    )
    fleet = Fleet(mutations=(bad,))
    fleet.live(40)
    opened = min(e.at for e in fleet.journal.entries(kinds=("INCIDENT",)))
    taken = [e for e in fleet.of("FORESEEN") if e.body["after"] < e.body["before"]]
    assert taken
    assert all(e.at <= opened for e in taken)
    assert fleet.wanted()["chat"] >= 4


@pytest.mark.slow
@pytest.mark.parametrize("how", ["watch", "ask", "off", "paused"])
def test_where_it_may_not_be_done_alone_nothing_is_done_and_nobody_is_asked(how: str) -> None:
    autonomy: Literal["watch", "ask", "act"] = "watch" if how == "watch" else "ask" if how == "ask" else "act"
    fleet = Fleet(autonomy=autonomy, scale=how != "off")
    if how == "paused":
        now = fleet.world.clock.now()
        pause(fleet.journal, Pause(name="peak", scope="fleet", by="dana", until=now + timedelta(hours=5)), now)
    fleet.live(20)
    assert not fleet.of("PLAN", "APPROVAL", "STEP_INTENT")
    assert not fleet.door.effects
