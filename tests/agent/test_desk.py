"""The desk: a plan taken up again can be undone, and the gate alone is touched."""

from datetime import timedelta
from typing import Any

import pytest

from agent.controller import Controller
from agent.desk import Desk, Remembering, recall
from policies.authority import Authority
from policies.decision import Decision, Reason, Verdict
from policies.gate import DryRun, Gate
from tests.agent.handmade import START, plan
from tests.agent.play import Play
from tools.action import Action, Operation, Preimage, Receipt, RestoreRevision
from tools.errors import Refused
from tools.memory_journal import MemoryJournal

BACK = RestoreRevision(service="talk", revision="2")


class Bare:
    """An actuator that notes what reaches it."""

    verbs = frozenset(("restore_revision",))

    def __init__(self) -> None:
        self.applied: list[Action] = []

    def preimage(self, action: Action) -> Preimage:
        return Preimage(state={"revision": "2"}, inverse=BACK)

    def rehearse(self, action: Action) -> str:
        return "would"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        self.applied.append(action)
        return Receipt(operation=operation.id, state="done", at=START)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        return None


class Clock:
    def now(self) -> Any:
        return START + timedelta(seconds=1)


def allow() -> Decision:
    made = plan()
    return Decision(
        plan_digest=made.digest(),
        policy_digest="p",
        incident=made.incident,
        at=START,
        verdict=Verdict.ALLOW,
        reasons=(Reason(rule="r", text="t"),),
    )


def stamp(name: str = "op-1") -> Operation:
    return Operation(id=name, incident="inc-1-talk", epoch=1)


def test_a_step_of_a_granted_plan_can_be_undone_through_the_gate_and_nothing_else_can() -> None:
    bare, authority = Bare(), Authority()
    hand = Remembering(Gate(bare, authority, Clock()), authority)
    (step,) = plan().steps
    with pytest.raises(Refused, match="no-grant"):
        hand.apply(step.action, stamp())
    hand.preimage(step.action)
    with pytest.raises(Refused):  # an inverse of nothing that was granted
        hand.apply(BACK, stamp())
    authority.grant(plan(), allow(), now=START)
    hand.preimage(step.action)
    hand.apply(step.action, stamp())
    authority.revoke("plan-1")
    hand.apply(BACK, stamp("op-2"))
    assert bare.applied == [step.action, BACK]
    authority.forget("plan-1")
    with pytest.raises(Refused):
        hand.apply(BACK, stamp("op-3"))


def test_a_plan_taken_up_again_is_recalled_with_its_beginning_and_its_inverses() -> None:
    journal, authority = MemoryJournal(), Authority()
    (step,) = plan().steps
    body = {"plan": "plan-1", "step": step.id, "inverse": BACK.model_dump(mode="json")}
    other = {**body, "plan": "plan-2"}
    journal.append("inc-1-talk", "STEP_INTENT", other, START - timedelta(minutes=9))
    journal.append("inc-1-talk", "STEP_INTENT", body, START)
    desk: Any = Desk.__new__(Desk)
    desk.journal, desk.authority = journal, authority
    assert recall(desk, plan()) is None  # an intent alone is no beginning: its approval may lapse meanwhile
    for minute, state in ((1, "ambiguous"), (2, "done"), (3, "done")):
        outcome = {"plan": "plan-1", "step": step.id, "state": state}
        journal.append("inc-1-talk", "STEP_OUTCOME", outcome, START + timedelta(minutes=minute))
    assert recall(desk, plan()) == START + timedelta(minutes=2)
    assert authority.undoes(BACK, stamp())
    assert recall(desk, plan().model_copy(update={"id": "plan-9"})) is None


# -- the wiring ----------------------------------------------------------------------------------------------------
def hand_of(controller: Controller) -> Any:
    desk: Any = vars(controller)["_desk"]
    return vars(desk.executor)["_actuator"]


@pytest.mark.parametrize("autonomy", ["act", "ask", "watch"])
def test_no_actuator_reaches_the_executor_but_through_the_gate(autonomy: Any) -> None:
    play = Play("healthy")
    play.autonomy, play.actuator = autonomy, Bare()
    hand = hand_of(play.hire())
    assert isinstance(hand, Remembering)
    assert isinstance(hand.gate, Gate)
    assert (hand.gate.inner is play.actuator) is (autonomy != "watch")
    assert isinstance(hand.gate.inner, DryRun) is (autonomy == "watch")
    with pytest.raises(Refused):
        hand.apply(plan().steps[0].action, stamp())
    assert play.actuator.applied == []


def test_no_agent_holds_an_actuator_beside_the_gate() -> None:
    """Walk everything that a controller reaches: the bare actuator is seen inside the gate alone."""
    play = Play("healthy")
    play.actuator = Bare()
    controller = play.hire()
    holders = {type(owner).__name__ for owner, held in _reachable(controller) if held is play.actuator}
    assert holders == {"Gate"}


def _reachable(start: object) -> list[tuple[object, object]]:
    """Return every (owner, attribute) pair of our own objects that can be reached from one."""
    found: list[tuple[object, object]] = []
    todo, known = [start], {id(start)}
    while todo:
        owner = todo.pop()
        names = [
            *getattr(owner, "__dict__", {}),
            *(n for c in type(owner).__mro__ for n in getattr(c, "__slots__", ())),
        ]
        for held in (getattr(owner, name, None) for name in names):
            found.append((owner, held))
            ours = type(held).__module__.split(".")[0] in ("agent", "policies", "playbooks", "tools", "tests")
            if ours and id(held) not in known:
                known.add(id(held))
                todo.append(held)
    return found


def test_playbooks_whose_verbs_nobody_can_carry_out_are_not_proposed() -> None:
    play = Play("healthy")
    play.actuator = Bare()
    desk: Any = vars(play.hire())["_desk"]
    assert {playbook.id for playbook in desk.playbooks} == {"rollback_release"}
