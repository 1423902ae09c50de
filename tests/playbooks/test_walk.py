"""The walk: pure, and it never acts where it must not."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks.plan import Plan
from playbooks.run import Judged, Leg, LegState, RunState, execution, fold
from playbooks.walk import Begin, Check, Failed, Finished, Glance, Hold, Probe, Undo, next_move, operation_id
from tests.playbooks.fake import START, Faults, Stage, plan_of
from tools.action import SetReplicas
from tools.memory_journal import MemoryJournal

PLAN = plan_of("scale_in")
INVERSE = SetReplicas(service="chat", replicas=6)


def _leg(state: LegState, at: datetime = START, *, undo: bool = False, step: str = "narrow-1") -> Leg:
    return Leg(
        operation_id(PLAN, step, undo=undo), state, at, at, {"replicas/chat": "6"}, INVERSE, {"replicas/chat": "5"}
    )


def _run(**more: object) -> RunState:
    return RunState(PLAN.id, 9, 1, START, PLAN.digest(), 1, "a", **more)  # type: ignore[arg-type]


def test_the_moves_of_one_step() -> None:
    assert next_move(PLAN, _run(), START) == Begin(0)
    intended = _run(steps={"narrow-1": _leg("intended")})
    assert next_move(PLAN, intended, START) == Probe(operation_id(PLAN, "narrow-1"), 0)
    done = _run(steps={"narrow-1": _leg("done")})
    assert next_move(PLAN, done, START) == Hold(START + timedelta(minutes=2), "after step narrow-1")
    assert next_move(PLAN, done, START + timedelta(minutes=2)) == Check(PLAN.steps[0].guards, 0)
    passed = _run(steps={"narrow-1": _leg("done")}, guards={"narrow-1": Judged("holds", START)})
    assert next_move(PLAN, passed, START + timedelta(minutes=2)) == Begin(1)


def test_a_hold_is_looked_into_where_the_playbook_allows_it() -> None:
    least, hold = timedelta(seconds=30), timedelta(minutes=2)
    first = PLAN.steps[0].model_copy(update={"least": least})
    plan = PLAN.model_copy(update={"steps": (first, *PLAN.steps[1:])})
    done = _run(steps={"narrow-1": _leg("done")})
    assert next_move(plan, done, START) == Hold(START + least, "after step narrow-1")
    assert next_move(plan, done, START + least) == Glance(0, START, START + hold)
    assert next_move(plan, done, START + hold) == Check(first.guards, 0)
    passed = _run(steps={"narrow-1": _leg("done")}, guards={"narrow-1": Judged("holds", START + least)})
    assert next_move(plan, passed, START + least) == Begin(1)
    assert next_move(PLAN, passed, START + least) == Hold(START + hold, "after step narrow-1")  # no least, no less


_STATES: st.SearchStrategy[LegState] = st.sampled_from(
    ("intended", "running", "transient", "ambiguous", "done", "failed", "unknown")
)
_IDS = [step.id for step in PLAN.steps]


@st.composite
def _runs(draw: st.DrawFn) -> RunState:
    steps = {step: _leg(draw(_STATES), step=step) for step in _IDS[: draw(st.integers(0, 3))]}
    undone = {s: _leg(draw(_STATES), undo=True, step=s) for s in steps if draw(st.booleans())}
    guards = {s: Judged(draw(st.sampled_from(("holds", "inconclusive"))), START) for s in steps if draw(st.booleans())}
    failed_at = draw(st.sampled_from((None, START)))
    return _run(steps=steps, undone=undone if failed_at else {}, guards=guards, failed_at=failed_at, why="why")


@settings(deadline=None)
@given(_runs(), st.integers(0, 10_000))
def test_laws_of_the_walk(run: RunState, seconds: int) -> None:
    now = START + timedelta(seconds=seconds)
    move = next_move(PLAN, run, now)
    assert move == next_move(PLAN, run, now)
    match move:
        case Begin(index):  # only forwards, and only when every earlier step is done and held
            assert run.failed_at is None
            assert _IDS[index] not in run.steps
            assert all(run.steps[step].state == "done" for step in _IDS[:index])
            assert all(run.guards[step].verdict == "holds" for step in _IDS[:index])
        case Undo(index):  # only backwards, only what was done, later steps first
            assert run.failed_at is not None
            assert run.steps[_IDS[index]].state == "done"
            assert _IDS[index] not in run.undone
            later = [s for s in _IDS[index + 1 :] if s in run.steps and run.steps[s].state == "done"]
            assert all(s in run.undone for s in later)
        case Finished():
            assert [run.steps[step].state for step in _IDS] == ["done"] * 3
        case Hold(until):
            assert until > now
        case Failed():
            assert run.failed_at is not None
        case _:
            pass
    assert execution(PLAN, run, now).plan == PLAN.id


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 40))
def test_law_the_fold_may_be_cut_anywhere(crash_at: int, cut: int) -> None:
    stage = Stage(MemoryJournal(), Faults(frozenset((crash_at,)), {2: "lost_after"}))
    plan: Plan = plan_of("failover_node")
    stage.finish(plan)
    entries = stage.journal.entries("inc-1")
    assert fold(entries[cut:], plan.id, fold(entries[:cut], plan.id)) == fold(entries, plan.id)
