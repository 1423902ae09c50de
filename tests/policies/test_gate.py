from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from config.freeze import Freeze
from playbooks.plan import Plan
from policies.authority import Authority
from policies.caps import Caps
from policies.decision import Approval, Decision, Reason, Verdict
from policies.examples import ACTIONS
from policies.gate import Check, DryRun, Gate
from policies.windows import freeze_check, is_frozen, restrain
from tests.policies.builders import NOW, plan
from tools.action import (
    ACTION,
    Action,
    EvictReplica,
    Operation,
    Preimage,
    Receipt,
    RestoreRevision,
    SetReplicas,
    SetSchedulable,
)
from tools.errors import Held, Refused

OPERATION = Operation(id="op-1", incident="inc-1", epoch=1)
STEP = ACTION.validate_python(ACTIONS["rollback"])
UNDO = RestoreRevision(service="chat", revision="5")
MINUTE = timedelta(minutes=1)


@dataclass
class At:
    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


@dataclass
class Recording:
    """An actuator that notes what reaches it."""

    verbs: frozenset[str] = frozenset({"restore_revision", "set_replicas"})
    inverse: Action | None = None
    applied: list[Action] = field(default_factory=list)

    def preimage(self, action: Action) -> Preimage:
        return Preimage(state={}, inverse=self.inverse)

    def rehearse(self, action: Action) -> str:
        return f"would {action.verb}"

    def apply(self, action: Action, operation: Operation) -> Receipt:
        self.applied.append(action)
        return Receipt(operation=operation.id, state="done", at=NOW)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        return None


def decision(of: Plan, verdict: Verdict = Verdict.ALLOW) -> Decision:
    return Decision(
        plan_digest=of.digest(),
        policy_digest="p",
        incident=of.incident,
        at=NOW,
        verdict=verdict,
        reasons=(Reason(rule="r", text="t"),),
    )


def approval(of: Plan, state: str = "approved", **changes: object) -> Approval:
    fields: dict[str, object] = {
        "id": "apr-1",
        "incident": of.incident,
        "plan_digest": of.digest(),
        "asked_at": NOW,
        "expires_at": NOW + 30 * MINUTE,
        "state": state,
        "by": "ana",
    }
    return Approval.model_validate({**fields, **changes})


@dataclass
class Scene:
    clock: At = field(default_factory=At)
    inner: Recording = field(default_factory=Recording)
    authority: Authority = field(default_factory=Authority)

    def gate(self, *checks: Check) -> Gate:
        return Gate(self.inner, self.authority, self.clock, checks=checks)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_granted_step_passes(scene: Scene) -> None:
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    assert scene.gate().apply(STEP, OPERATION).state == "done"
    assert scene.inner.applied == [STEP]


def test_reading_passes_without_a_grant(scene: Scene) -> None:
    gate = scene.gate()
    assert gate.verbs == scene.inner.verbs
    assert gate.preimage(STEP) == Preimage(state={})
    assert gate.rehearse(STEP) == "would restore_revision"
    assert gate.lookup(STEP, OPERATION) is None


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        (RestoreRevision(service="chat", revision="3"), OPERATION),  # not the very action
        (RestoreRevision(service="search", revision="4"), OPERATION),
        (EvictReplica(service="chat", replica="chat-x"), OPERATION),
        (STEP, OPERATION.model_copy(update={"incident": "inc-2"})),  # not the very incident
    ],
)
def test_what_no_granted_plan_says_is_refused(scene: Scene, action: Action, operation: Operation) -> None:
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    with pytest.raises(Refused, match="no-grant"):
        scene.gate().apply(action, operation)
    assert scene.inner.applied == []


def test_nothing_passes_before_a_grant_or_after_it_is_revoked(scene: Scene) -> None:
    with pytest.raises(Refused, match="no-grant"):
        scene.gate().apply(STEP, OPERATION)
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    scene.authority.revoke("plan-1")
    with pytest.raises(Refused, match="no-grant"):
        scene.gate().apply(STEP, OPERATION)
    assert scene.inner.applied == []


def test_a_changed_plan_is_not_granted(scene: Scene) -> None:
    changed = plan(actions=[dict(ACTIONS["rollback"]), {**ACTIONS["rollback"], "revision": "3"}])
    with pytest.raises(Refused, match="another plan"):
        scene.authority.grant(changed, decision(plan()), now=NOW)
    with pytest.raises(Refused, match="approval was given to another plan"):
        scene.authority.grant(changed, decision(changed, Verdict.ASK), approval(plan()), now=NOW)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "has none"),
        (approval(plan(), "pending"), "has pending"),
        (approval(plan(), "rejected"), "has rejected"),
        (approval(plan(), "expired"), "has expired"),
        (approval(plan(), incident="inc-2"), "another incident"),
        (approval(plan(), expires_at=NOW), "expired at"),
    ],
)
def test_asking_needs_a_yes_to_this_plan_in_time(scene: Scene, given: Approval | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        scene.authority.grant(plan(), decision(plan(), Verdict.ASK), given, now=NOW)


def test_a_denied_plan_is_not_granted_even_with_a_yes(scene: Scene) -> None:
    with pytest.raises(Refused, match="deny"):
        scene.authority.grant(plan(), decision(plan(), Verdict.DENY), approval(plan()), now=NOW)


def test_an_approval_that_lapses_before_the_first_step_is_void(scene: Scene) -> None:
    scene.authority.grant(plan(), decision(plan(), Verdict.ASK), approval(plan()), now=NOW)
    scene.clock.instant = NOW + 30 * MINUTE
    with pytest.raises(Refused, match="approval expired"):
        scene.gate().apply(STEP, OPERATION)
    assert scene.inner.applied == []


def test_a_started_plan_runs_on_past_the_approval_but_not_past_its_bound(scene: Scene) -> None:
    scene.authority.grant(plan(), decision(plan(), Verdict.ASK), approval(plan()), now=NOW)
    gate = scene.gate()
    gate.apply(STEP, OPERATION)
    scene.clock.instant = NOW + 59 * MINUTE
    gate.apply(STEP, OPERATION)
    scene.clock.instant = NOW + 61 * MINUTE
    with pytest.raises(Refused, match="longer than its bound"):
        gate.apply(STEP, OPERATION)


def test_a_plan_taken_up_again_keeps_its_start(scene: Scene) -> None:
    later = NOW + 45 * MINUTE
    with pytest.raises(Refused, match="approval expired"):
        scene.authority.grant(plan(), decision(plan(), Verdict.ASK), approval(plan()), now=later)
    scene.authority.grant(plan(), decision(plan(), Verdict.ASK), approval(plan()), now=later, started_at=NOW)
    scene.clock.instant = later
    assert scene.gate().apply(STEP, OPERATION).state == "done"


def test_a_check_is_made_right_before_every_effect(scene: Scene) -> None:
    switched_off: list[str] = []

    def kill_switch(action: Action, operation: Operation) -> Reason | None:
        return Reason(rule="kill-switch", text=switched_off[0]) if switched_off else None

    scene.authority.grant(plan(), decision(plan()), now=NOW)
    gate = scene.gate(kill_switch)
    gate.apply(STEP, OPERATION)
    switched_off.append("ana switched Prunella off")
    with pytest.raises(Refused, match="kill-switch: ana switched Prunella off"):
        gate.apply(STEP, OPERATION)
    assert scene.inner.applied == [STEP]


@pytest.mark.parametrize(("rule", "passes"), [("storm", True), ("freeze", False)])
def test_what_a_storm_refuses_is_refused_for_the_moment_only(scene: Scene, rule: str, passes: bool) -> None:
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    gate = scene.gate(lambda action, operation: Reason(rule=rule, text="not now"))
    with pytest.raises(Refused, match="not now") as refusal:
        gate.apply(STEP, OPERATION)
    assert isinstance(refusal.value, Held) is passes


def test_undoing_our_own_step_always_flows(scene: Scene) -> None:
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    gate = scene.gate(lambda action, operation: Reason(rule="kill-switch", text="off"))
    scene.authority.remember(plan(), STEP, UNDO)
    scene.authority.revoke("plan-1")
    scene.clock.instant = NOW + timedelta(days=1)
    assert gate.apply(UNDO, OPERATION).state == "done"
    with pytest.raises(Refused):
        gate.apply(STEP, OPERATION)
    scene.authority.forget("plan-1")
    with pytest.raises(Refused, match="no-grant"):
        gate.apply(UNDO, OPERATION)


def test_undoing_half_a_ramp_flows_though_it_equals_an_earlier_step(scene: Scene) -> None:
    weights = ({"old": 90, "new": 10}, {"old": 50, "new": 50})
    ramp = plan("retrain", [{"verb": "set_split", "service": "chat", "weights": share} for share in weights])
    first, second = (step.action for step in ramp.steps)
    scene.authority.grant(ramp, decision(ramp), now=NOW)
    scene.authority.remember(ramp, second, first)
    gate = scene.gate(lambda action, operation: Reason(rule="kill-switch", text="off"))
    assert gate.apply(first, OPERATION).state == "done"
    with pytest.raises(Refused, match="no-grant"):
        gate.apply(first, OPERATION.model_copy(update={"incident": "inc-2"}))
    with pytest.raises(Refused, match="kill-switch"):
        gate.apply(second, OPERATION)


def test_a_step_that_changes_nothing_is_not_its_own_undo(scene: Scene) -> None:
    scene.authority.remember(plan(), STEP, STEP)
    with pytest.raises(Refused, match="no-grant"):
        scene.gate().apply(STEP, OPERATION)


@pytest.mark.parametrize(
    ("action", "inverse"),
    [
        (RestoreRevision(service="chat", revision="3"), UNDO),  # no step of the plan
        (STEP, RestoreRevision(service="search", revision="5")),  # writes something else
        (STEP, SetSchedulable(node="n1", schedulable=True)),
        (STEP, EvictReplica(service="chat", replica="chat-x")),
        (STEP, SetReplicas(service="chat", replicas=0)),
    ],
)
def test_an_undo_must_undo_a_step(scene: Scene, action: Action, inverse: Action) -> None:
    with pytest.raises(Refused):
        scene.authority.remember(plan(), action, inverse)
    with pytest.raises(Refused):
        scene.gate().apply(inverse, OPERATION)


def test_caps_hold_at_the_gate(scene: Scene) -> None:
    """Against the present, which may differ from what the plan was judged on."""
    grown = SetReplicas(service="chat", replicas=7)
    wanted = plan("scale", [grown.model_dump()])
    scene.authority.grant(wanted, decision(wanted), now=NOW)
    with pytest.raises(Refused, match="present number of replicas is not known"):
        scene.gate().apply(grown, OPERATION)
    scene.inner.inverse = SetReplicas(service="chat", replicas=2)
    with pytest.raises(Refused, match="replicas 7 > 6"):
        scene.gate().apply(grown, OPERATION)
    scene.inner.inverse = SetReplicas(service="chat", replicas=3)
    assert scene.gate().apply(grown, OPERATION).state == "done"
    none = plan("scale", [{"verb": "set_replicas", "service": "chat", "replicas": 0}])
    scene.authority.grant(none, decision(none), now=NOW)
    with pytest.raises(Refused, match="never done"):
        scene.gate().apply(SetReplicas(service="chat", replicas=0), OPERATION)


def test_caps_have_ceilings_of_their_own() -> None:
    with pytest.raises(ValueError, match="blast_percent"):
        Caps(blast_percent=100)


def test_a_dry_run_rehearses_and_never_applies(scene: Scene) -> None:
    dry = DryRun(scene.inner, scene.clock)
    assert dry.lookup(STEP, OPERATION) is None
    receipt = dry.apply(STEP, OPERATION)
    assert "nothing was done: would restore_revision" in receipt.detail
    assert receipt.observed == {"dry_run": "true"}
    assert dry.apply(STEP, OPERATION) == receipt == dry.lookup(STEP, OPERATION)
    assert (dry.verbs, dry.preimage(STEP)) == (scene.inner.verbs, Preimage(state={}))
    assert dry.rehearse(STEP) == "would restore_revision"
    assert scene.inner.applied == []


def test_a_freeze_stops_a_granted_plan_half_way(scene: Scene) -> None:
    windows = (
        Freeze(why="month end", weekly="mon 12:30 - mon 13:00"),
        Freeze(why="fair", weekly="sun 00:00 - sun 01:00"),
    )
    scene.authority.grant(plan(), decision(plan()), now=NOW)
    gate = scene.gate(freeze_check(windows, scene.clock))
    gate.apply(STEP, OPERATION)
    scene.clock.instant = NOW + 30 * MINUTE
    assert is_frozen(windows, scene.clock.instant)
    with pytest.raises(Refused, match="freeze: a freeze window is open: month end"):
        gate.apply(STEP, OPERATION)
    assert not is_frozen(windows, NOW)
    assert not is_frozen((), NOW)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_autonomy_only_restrains(verdict: Verdict) -> None:
    made = decision(plan(), verdict)
    assert restrain(made, "act") == made
    asked, watched = restrain(made, "ask"), restrain(made, "watch")
    assert asked.verdict is (Verdict.DENY if verdict is Verdict.DENY else Verdict.ASK)
    assert watched.verdict is Verdict.DENY
    assert asked.reasons[-1] == watched.reasons[-1] == made.reasons[-1]
