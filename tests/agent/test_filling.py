"""Batch work beside online services: put there where there is surely room, and gone when there is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.assembly import assemble
from agent.case import Outcome
from agent.filling import PRESSED, ROOM, pressed, room, unproven
from agent.observe import Scene, Senses
from agent.standing import FILLING, Evidence
from agent.trust import unsound
from config.fleet import Fleet, Service, ServiceKind
from config.foresight import ForesightSettings
from simulator.copies import with_batch
from simulator.episode import TICK, Doorkeeper, demo_fleet
from simulator.world.script import Mutation, Scenario
from simulator.world.world import START, World
from tests.agent.handmade import FLEET, NODE, REPLICA, TALK, TALKING, seen
from tests.agent.handmade import scene as shown_to
from tools.journal import Entry
from tools.memory_journal import MemoryJournal
from tools.topology import Deployment, Node, Topology

BATCH = Service(name="talk-batch", kind=ServiceKind.BATCH, shares_gpus_of="talk", min_replicas=1, max_replicas=6)
BESIDE = Fleet(services=(*FLEET.services, BATCH))
HOST = BESIDE.host(BATCH)
QUIET: Mapping[tuple[str, str], float] = {
    ("gpu_utilisation", TALK): 25.0,
    ("kv_cache", TALK): 0.12,
    ("running", TALK): 12.0,
    ("requests", TALK): 3.0,
    ("ttft_p95", TALK): 0.5,
    ("error_ratio", TALK): 0.001,
}


def where(workers: int = 1, *, ready: int = 3, node: Node = NODE) -> Topology:
    """Return a cluster in which talk has three replicas, so many of them ready, and batch work so many workers."""
    batch = Deployment(service="talk-batch", replicas=workers, ready=workers, current="1", revisions=())
    talk = TALKING.model_copy(update={"ready": ready})
    return Topology(at=START, deployments=(talk, batch), replicas=(REPLICA,), nodes=(node,))


def scene(values: Mapping[tuple[str, str], float] = QUIET, there: Topology | None = None, ticks: int = 40) -> Scene:
    """Return a fleet of which this was seen for some looks."""
    looked = [seen(tick, values, where=there or where()) for tick in range(ticks)]
    return replace(shown_to(*looked), fleet=BESIDE)


def test_there_is_room_beside_who_surely_keeps_its_promises_with_the_interference_reckoned_in() -> None:
    need = room(scene(), BATCH, 1.2, 3)
    assert need is not None
    assert (need.service, need.before, need.after, need.fault) == ("talk-batch", 1, 3, ROOM)
    assert "1.20 times as slow" in need.text
    assert room(scene(), BATCH, 4.0, 3) is None  # four times as slow is more than what was promised
    assert room(scene(there=where(3)), BATCH, 1.2, 3) is None  # each GPU has one
    assert room(scene(ticks=10), BATCH, 1.2, 3) is None  # not well for long enough


@pytest.mark.parametrize("signal", ["ttft_p95", "error_ratio", "gpu_utilisation"])
def test_what_is_not_known_is_never_room(signal: str) -> None:
    blind = {key: value for key, value in QUIET.items() if key[0] != signal}
    assert "NO DATA" in pressed(scene(blind), HOST, ())
    assert room(scene(blind), BATCH, 1.2, 3) is None


@pytest.mark.parametrize(
    ("found", "ill", "words"),
    [
        (scene(), ("talk",), "talk is ill"),
        (scene({**QUIET, ("ttft_p95", TALK): 2.5}), (), "breaks an objective"),
        (scene(there=where(ready=2)), (), "not all its replicas"),
        (scene({**QUIET, ("waiting", TALK): 36.0}), (), "talk wants 100% of its GPUs"),
        (scene(there=where(node=NODE.model_copy(update={"schedulable": False}))), (), "n1, which is given up"),
        (scene(), ("score",), ""),
    ],
)
def test_who_needs_its_gpus_gets_them(found: Scene, ill: tuple[str, ...], words: str) -> None:
    why = pressed(found, HOST, ill)
    assert words in why if words else not why


def test_what_is_filled_stays_until_the_proof_breaks_or_errors_are_overspent() -> None:
    assert unproven(scene(), HOST) == ""
    assert "more than 97%" in unproven(scene({**QUIET, ("gpu_utilisation", TALK): 98.0}), HOST)
    assert "fails 3.00%" in unproven(scene({**QUIET, ("error_ratio", TALK): 0.03}), HOST)
    assert unproven(scene({**QUIET, ("gpu_utilisation", TALK): 98.0}, ticks=3), HOST) == ""  # a process just begun


@given(st.floats(5, 99), st.floats(0.05, 2.0), st.floats(1, 3), st.floats(0, 1))
def test_more_interference_never_makes_room(use: float, ttft: float, slower: float, more: float) -> None:
    busy = {**QUIET, ("gpu_utilisation", TALK): use, ("ttft_p95", TALK): ttft}
    if room(scene(busy, ticks=22), BATCH, slower + more, 3) is not None:
        assert room(scene(busy, ticks=22), BATCH, slower, 3) is not None


@dataclass
class Filled:
    """The demo fleet with batch work beside it, and a controller that fills."""

    mutations: tuple[Mutation, ...] = ()
    onset: float = 5400.0
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def __post_init__(self) -> None:
        script = Scenario(id="s", layer="quiet", about="s", onset=(self.onset, self.onset), mutations=self.mutations)
        self.world = World(with_batch(demo_fleet()), seed=5, start=START.replace(hour=22), scenario=script)
        world, self.door = self.world, Doorkeeper(self.world)
        senses = Senses(world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)
        self.controller = assemble(
            senses, self.door, self.journal, world.fleet, world.clock, foresight=ForesightSettings(fill=True)
        )

    def live(self, minutes: float) -> "Filled":
        for _ in range(round(minutes * 60 / TICK)):
            self.world.advance(TICK)
            self.controller.tick()
        return self

    def workers(self) -> dict[str, int]:
        found = self.world.cluster.topology().deployments
        return {each.service: each.replicas for each in found if each.service.endswith("-batch")}

    def of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.journal.entries(kinds=kinds) if entry.subject.startswith(FILLING)]


@pytest.mark.slow
def test_a_night_is_filled_through_the_one_door_and_nobody_feels_it() -> None:
    filled = Filled().live(75)
    assert sum(filled.workers().values()) >= 12
    assert filled.world.utilisation() > 80 > 50 > filled.world.utilisation_by_users()
    assert sum(filled.world.batch_hours.values()) > 5
    assert all(filled.world.ledger.held(name).all() for name in filled.world.ledger.services)
    kinds = [e.kind for e in filled.of("FORESEEN", "PLAN", "SITUATION", "DECISION", "RUN_PLANNED", "STEP_INTENT")]
    assert kinds[:6] == ["FORESEEN", "PLAN", "SITUATION", "DECISION", "RUN_PLANNED", "STEP_INTENT"]
    assert len(filled.door.effects) == len(filled.of("STEP_INTENT"))
    assert not filled.journal.entries(kinds=("INCIDENT",))  # a GPU that batch work fills is no sign of anything
    assert unsound(filled.journal) == ""
    learnt = Evidence()
    learnt.update(filled.journal)
    assert not learnt.deeds  # how batch work goes earns no remedy any trust


@pytest.mark.slow
def test_a_launch_gets_its_gpus_back() -> None:
    launch = Mutation.model_validate({"what": "traffic", "params": {"factor": 2.6}, "target": ("chat",)})
    filled = Filled((launch,)).live(88)
    assert filled.workers()["chat-batch"] > 1
    filled.live(25)
    assert filled.workers()["chat-batch"] == 1
    back = [e for e in filled.of("FORESEEN") if e.body["after"] < e.body["before"]]
    assert {e.body["service"] for e in back} == {"chat-batch"}


@pytest.mark.slow
def test_who_falls_ill_gets_its_gpus_back_at_once_and_so_does_who_is_not_measured() -> None:
    failing = Mutation.model_validate({"what": "errors", "params": {"rate": 0.3}, "target": ("code",)})
    unseen = Mutation.model_validate({"what": "gap", "text": "Device_utilization_desc_of_container", "at": 360.0})
    filled = Filled((failing, unseen)).live(88)
    assert filled.workers()["code-batch"] > 1
    filled.live(5)
    assert filled.workers()["code-batch"] == 1
    ended = {e.subject: Outcome.model_validate(e.body).verdict for e in filled.of("OUTCOME")}
    pressed_by = [e.subject for e in filled.of("PLAN") if e.body["fault"] == PRESSED]
    assert [ended[subject] for subject in pressed_by] == ["recovered"]
    assert sum(filled.workers().values()) > 8
    filled.live(30)
    assert sum(filled.workers().values()) <= 10  # two services in ten minutes: the others follow


@pytest.mark.slow
def test_a_fleet_that_is_not_measured_loses_batch_work_a_few_at_a_time_and_the_breaker_stays_whole() -> None:
    unseen = Mutation.model_validate({"what": "gap", "text": "Device_utilization_desc_of_container"})
    filled = Filled((unseen,), onset=60.0)
    for workload in filled.world.body.fills.workloads.values():
        workload.wanted = 2
    filled.live(9)  # what was scraped is believed for five minutes
    assert 1 <= sum(count == 1 for count in filled.workers().values()) <= 2
    filled.live(30)
    assert set(filled.workers().values()) == {1}
    assert not filled.journal.entries(kinds=("BREAKER",))
