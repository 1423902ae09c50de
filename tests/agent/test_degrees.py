"""What was added and is in use stays, and more of it may follow; what nobody uses is taken back."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.degrees import goes_further, has_degrees, in_use
from agent.desk import Desk
from agent.treatment import Treatment
from playbooks.plan import Execution, Plan
from policies.authority import Authority
from tests.agent.handmade import START, TALK, TALKING, case_of, guess, plan, scene, seen, topology
from tests.agent.test_plan import plans
from tools.action import SetReplicas, TrainModel
from tools.memory_journal import MemoryJournal


def wider(count: int, **more: Any) -> Plan:
    action = SetReplicas(service="talk", replicas=count)
    return plan(action, playbook="scale_out", class_="scale", fault="growth", **more)


def begun(made: Plan, before: int) -> MemoryJournal:
    journal = MemoryJournal()
    inverse = {"verb": "set_replicas", "service": "talk", "replicas": before}
    journal.append(made.incident, "STEP_INTENT", {"plan": made.id, "inverse": inverse}, made.at)
    return journal


def shown(percent: float, ready: int) -> Any:
    where = topology(deployment=TALKING.model_copy(update={"replicas": ready, "ready": ready}))
    busy = {("gpu_utilisation", TALK): percent, ("error_ratio", TALK): 0.5}
    return scene(*(seen(tick, busy, where=where) for tick in range(5)))


@pytest.mark.parametrize(("percent", "stays"), [(95.0, True), (61.0, True), (20.0, False)])
def test_added_replicas_that_carry_load_are_not_taken_back(percent: float, stays: bool) -> None:
    made = wider(5)
    why = in_use(made, begun(made, 3).entries(), shown(percent, 5))
    assert bool(why) is stays


def test_what_is_not_known_or_takes_away_is_no_ground_to_stay() -> None:
    made = wider(5)
    assert not in_use(made, (), shown(95.0, 5))
    assert not in_use(wider(2), begun(wider(2), 3).entries(), shown(95.0, 2))
    rolled = MemoryJournal()
    inverse = {"verb": "restore_revision", "service": "talk", "revision": "2"}
    rolled.append("inc-1-talk", "STEP_INTENT", {"plan": plan().id, "inverse": inverse}, made.at)
    assert not in_use(plan(), rolled.entries(), shown(95.0, 5))
    unread = scene(seen(0, {("error_ratio", TALK): 0.5}))
    assert not in_use(made, begun(made, 3).entries(), unread)


def test_a_larger_dose_is_another_cure_and_the_same_one_is_not() -> None:
    assert goes_further(wider(6), [wider(4), wider(5)])
    assert not goes_further(wider(5), [wider(4), wider(5)])
    assert not goes_further(plan(), [plan()])
    assert not has_degrees(plan())


def taught(start: int, end: int) -> Plan:
    lesson = TrainModel(
        service="score", model="score", version="new", start_at=minutes(start), end_at=minutes(end), max_seconds=600.0
    )
    return plan(lesson, service="score", playbook="retrain")


def minutes(count: int) -> datetime:
    return START + timedelta(minutes=count)


def test_newer_rows_are_another_lesson_and_the_same_ones_are_not() -> None:
    assert has_degrees(taught(0, 10))
    assert goes_further(taught(0, 15), [taught(0, 10)])
    assert not goes_further(taught(0, 14), [taught(0, 10)])
    assert not goes_further(taught(0, 15), [taught(0, 10), taught(0, 14)])
    assert not goes_further(taught(0, 15), [wider(4)])


def test_more_replicas_are_tried_where_fewer_were_not_enough() -> None:
    case = case_of(guess("growth")).model_copy(update={"plans": (wider(4),)})
    further = plans(case, attempt=2, values={"service": "talk", "more_replicas": "6"})
    assert further.plan is not None
    assert further.plan.steps[0].action.replicas == 6
    same = plans(case, attempt=2, values={"service": "talk", "more_replicas": "4"})
    assert (same.plan, same.reasons) == (None, ("scale_out was tried, and it cannot go further",))
    lacking = plans(case, "more_replicas_within_maximum", attempt=2)
    assert lacking.reasons == ("scale_out: no",)


class Undoer:
    """An executor that notes whether it was asked to undo."""

    def __init__(self) -> None:
        self.asked = 0

    def undo(self, made: Plan, why: str) -> Execution:
        self.asked += 1
        return Execution(plan=made.id, incident=made.incident, at=made.at, state="undone", reason=why)


@pytest.mark.parametrize(("percent", "asked"), [(95.0, 0), (20.0, 1)])
def test_a_service_under_load_keeps_what_it_was_given(percent: float, asked: int) -> None:
    made, undoer, none = wider(5), Undoer(), cast(Any, None)
    journal, look = begun(made, 3), shown(percent, 5)
    clock = cast(Any, SimpleNamespace(now=lambda: look.now))
    desk = Desk(look.senses, look.fleet, clock, journal, Authority(), none, none, (), (), none)
    desk.scene, desk.executor = look, cast(Any, undoer)
    case = case_of(guess("growth")).model_copy(update={"plans": (made,), "phase": "verifying"})
    assert Treatment(desk)._take_back(case, made) == {"go": "begin"}
    assert undoer.asked == asked
    (outcome,) = journal.entries(kinds=("OUTCOME",))
    assert ("and stays" in outcome.body["text"]) is (not asked)
