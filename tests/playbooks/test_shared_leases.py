"""Controllers with different journals meet at the targets' own leases: of two, one acts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from playbooks.allowance import Limits
from playbooks.executor import Executor
from playbooks.plan import Plan
from playbooks.shared import SKEW
from tests.playbooks.fake import START, Crash, FakeClock, FakeWorld, Faults, FaultyJournal, holds, plan_of
from tools.action import Action, Operation, Receipt
from tools.errors import Transient
from tools.lease import Hold
from tools.memory_journal import MemoryJournal
from tools.memory_leases import MemoryLeases

TARGET = "service/chat"


@dataclass
class Meddled(MemoryLeases):
    """Leases of which somebody else takes one right before a write, or that cannot be asked."""

    before_write: Callable[[], object] | None = None
    down: bool = False
    writes: list[Hold] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def read(self, target: str) -> Hold | None:
        if self.down:
            raise Transient("the API server cannot be reached")
        return super().read(target)

    def write(self, target: str, hold: Hold) -> bool:
        if self.before_write is not None:
            hook, self.before_write = self.before_write, None
            hook()
        done = super().write(target, hold)
        self.writes += [hold] if done else []
        return done


@dataclass
class Cluster:
    """One world and its leases, and controllers that share nothing else."""

    clock: FakeClock = field(default_factory=FakeClock)
    leases: Meddled = field(default_factory=Meddled)

    def __post_init__(self) -> None:
        self.world = FakeWorld(self.clock, fenced=True)

    def controller(self, owner: str, journal: MemoryJournal | None = None) -> Executor:
        limits = Limits(shared=self.leases)
        return Executor(self.world, journal or MemoryJournal(), self.clock, holds, owner, limits)


def planned(after: timedelta = timedelta(), name: str = "p") -> Plan:
    return plan_of("scale_in", name).model_copy(update={"at": START + after})


def test_a_run_takes_the_lease_of_its_target_and_lets_it_go() -> None:
    cluster = Cluster()
    assert cluster.controller("a").advance(plan_of("rollback_release")).state == "done"
    taken, released = cluster.leases.writes
    assert (taken.owner, taken.run, taken.until) == ("a", "plan-rollback_release", START + timedelta(minutes=3))
    assert (released.epoch, released.until) == (taken.epoch, released.at)


def test_of_two_with_different_journals_one_waits_and_then_gives_its_outdated_plan_up() -> None:
    cluster = Cluster()
    first, second = cluster.controller("a"), cluster.controller("b")
    assert first.advance(planned()).state == "holding"  # between two steps
    waiting = second.advance(planned(name="q"))
    assert (waiting.state, waiting.reason) == ("holding", f"{TARGET} is held by a for p")
    assert len(cluster.world.effects) == 1
    for _ in range(2):
        cluster.clock.at += timedelta(minutes=2)
        assert first.advance(planned()).state == "holding"
    cluster.clock.at += timedelta(minutes=2)
    assert first.advance(planned()).state == "done"
    given_up = second.advance(planned(name="q"))
    assert (given_up.state, given_up.reason[:40]) == ("failed", "a, which has another journal, worked on ")
    assert {effect for effect, _ in cluster.world.effects} == set(cluster.world.receipts)
    assert len(cluster.world.effects) == 3


def test_what_was_planned_since_is_done_under_a_higher_epoch_whatever_the_journal_counts() -> None:
    cluster, old = Cluster(), MemoryJournal()
    for _ in range(7):
        old.next_epoch("fleet", "a", START)
    assert cluster.controller("a", old).advance(plan_of("rollback_release")).state == "done"
    cluster.clock.at += timedelta(minutes=5)
    fresh = planned(timedelta(minutes=4))
    assert cluster.controller("b").advance(fresh).state == "holding"  # its journal has counted no epoch yet
    assert [hold.epoch for hold in cluster.leases.writes] == [8, 8, 9]
    assert cluster.world.epoch == 9


def test_a_lapsed_lease_may_be_taken_and_its_zombie_is_refused() -> None:
    cluster = Cluster()
    zombie = cluster.controller("a")
    assert zombie.advance(planned()).state == "holding"
    cluster.clock.at += timedelta(minutes=3, seconds=16)
    assert cluster.controller("b").advance(planned(timedelta(minutes=3), "q")).state == "holding"
    effects = len(cluster.world.effects)
    assert zombie.advance(planned()).reason == f"{TARGET} is held by b for q"
    assert len(cluster.world.effects) == effects


def test_a_lease_that_lapsed_within_the_skew_of_clocks_is_left_alone() -> None:
    cluster = Cluster()
    cluster.controller("a").advance(planned())
    cluster.clock.at += timedelta(minutes=3, seconds=14)
    later = planned(timedelta(minutes=3), "q")
    assert cluster.controller("b").advance(later).reason == f"{TARGET} is held by a for p"


def test_a_successor_of_the_same_name_need_not_wait() -> None:
    cluster, journal = Cluster(), MemoryJournal()
    cluster.controller("a", journal).advance(planned())
    assert cluster.controller("a", journal).advance(planned()).reason == "after step narrow-1"
    assert [hold.epoch for hold in cluster.leases.writes] == [1, 2]


def test_two_of_one_journal_take_over_from_each_other_as_before() -> None:
    cluster, journal = Cluster(), MemoryJournal()
    cluster.controller("a", journal).advance(planned())
    cluster.clock.at += timedelta(minutes=4)
    taken_over = cluster.controller("b", journal).advance(planned())
    assert (taken_over.state, len(cluster.world.effects)) == ("holding", 2)


def test_who_is_slower_by_a_moment_takes_nothing() -> None:
    cluster = Cluster()

    def quicker() -> None:
        cluster.leases.write(TARGET, Hold("b", 1, "other", START, START + timedelta(minutes=3)))

    cluster.leases.before_write = quicker
    waiting = cluster.controller("a").advance(planned())
    assert waiting.reason == f"somebody else takes {TARGET} at this moment"
    assert cluster.world.effects == []
    assert [hold.owner for hold in cluster.leases.writes] == ["b"]


def test_where_leases_cannot_be_asked_nothing_is_done() -> None:
    cluster = Cluster()
    cluster.leases.down = True
    waiting = cluster.controller("a").advance(planned())
    assert waiting.reason.startswith("the leases of its targets cannot be read")
    assert cluster.world.effects == []
    cluster.leases.down = False
    cluster.clock.at += timedelta(seconds=30)
    assert cluster.controller("a").advance(planned()).reason == "after step narrow-1"


def test_of_two_targets_the_first_is_let_go_where_the_second_is_held() -> None:
    cluster = Cluster()
    plan = plan_of("failover_node")
    other = Hold("b", 1, "other", START - timedelta(hours=1), START - timedelta(hours=1))
    assert cluster.leases.write("service/chat", other)

    def quicker() -> None:
        cluster.leases.write(
            "service/chat",
            Hold("b", 2, "other", START, START + timedelta(minutes=3), "1"),
        )

    cluster.leases.before_write = quicker
    assert cluster.controller("a").advance(plan).reason.startswith("somebody else takes service/chat")
    node = cluster.leases.read("node/n1")
    assert node is not None
    assert (node.owner, node.until) == ("a", node.at)
    assert cluster.world.effects == []


# -- a law ---------------------------------------------------------------------------------------------------------
class Watched(MemoryLeases):
    """Leases that notice whoever takes what another holds, or takes it under an epoch that is none above."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.wrong: list[str] = []

    def write(self, target: str, hold: Hold) -> bool:
        known = self.read(target)
        if known is not None and known.owner != hold.owner:
            held = known.until > known.at and known.until + SKEW > self._clock.now()
            if held or hold.epoch <= known.epoch:
                self.wrong.append(f"{hold.owner} takes {target} under {hold.epoch} from {known}")
        return super().write(target, hold)


class Witnessed(FakeWorld):
    """A world that looks at the lease whenever something happens."""

    def __init__(self, clock: FakeClock, leases: MemoryLeases, faults: Faults) -> None:
        super().__init__(clock, faults, fenced=True)
        self._leases = leases
        self.wrong: list[str] = []

    def _happen(self, action: Action, operation: Operation) -> Receipt:
        held = self._leases.read(TARGET)
        if held is None or held.epoch != operation.epoch or held.until <= self.clock.now():
            self.wrong.append(f"{operation.incident} acts under epoch {operation.epoch}, and the lease is {held}")
        return super()._happen(action, operation)


Turn = tuple[int, int, int]  # which controller, minutes that pass first, after how many points it dies (0: it does not)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 14)), max_size=30))
def test_whoever_acts_holds_the_lease_whatever_the_turns_and_crashes(turns: list[Turn]) -> None:
    clock, faults = FakeClock(), Faults()
    leases = Watched(clock)
    world = Witnessed(clock, leases, faults)
    journals = [FaultyJournal(MemoryJournal(), faults) for _ in range(3)]
    books = ("scale_in", "rollback_release", "scale_out")
    plans = [plan_of(book, book).model_copy(update={"incident": f"inc-{book}"}) for book in books]

    def hired(who: int) -> Executor:
        return Executor(world, journals[who], clock, holds, f"c{who}", Limits(shared=leases))

    staff = [hired(who) for who in range(3)]
    for who, minutes, dies in turns:
        clock.at += timedelta(minutes=minutes)
        faults.crash_at = frozenset([faults.points + dies] if dies else [])
        try:
            staff[who].advance(plans[who])
        except Crash:
            staff[who] = hired(who)
    assert world.wrong + leases.wrong == []
    assert len({name for name, _ in world.effects}) == len(world.effects)
    for who in range(3):
        epochs = [entry.body["epoch"] for entry in journals[who].entries(kinds=("LEASE",))]
        assert epochs == sorted(epochs)
