"""Authority: which plans may be carried out now, and how they are undone. The agent fills it, the gate asks it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from playbooks.plan import Plan
from policies.decision import EVIDENCE_LIFE, Approval, Decision, Verdict
from policies.facts import targets_of
from tools.action import Action, EvictReplica, Operation, SetReplicas
from tools.errors import Refused


@dataclass(frozen=True, slots=True)
class Grant:
    """A plan with what entitles it. ``started_at``: first effect; then it runs on for as long as its bounds say."""

    plan: Plan
    decision: Decision
    approval: Approval | None = None
    started_at: datetime | None = None

    def refusal(self, now: datetime) -> str:
        """Return why a step may not be taken now; empty: it may."""
        if self.decision.plan_digest != self.plan.digest():
            return "the decision was made about another plan"
        if self.decision.verdict is Verdict.DENY:
            return "the decision is deny"
        if self.started_at is not None and now > self.started_at + self.plan.bounds.time:
            return f"the plan has run longer than its bound of {self.plan.bounds.time}"
        return "" if self.decision.verdict is Verdict.ALLOW else self._unapproved(now)

    def _unapproved(self, now: datetime) -> str:
        approval = self.approval
        if approval is None or approval.state != "approved":
            return f"it needs a person's yes, and has {approval.state if approval else 'none'}"
        if approval.plan_digest != self.plan.digest():
            return "the approval was given to another plan"
        if approval.incident != self.plan.incident:
            return "the approval was given in another incident"
        if approval.policy_digest and approval.policy_digest != self.decision.policy_digest:
            return "the approval was given under other rules"
        return "" if self.started_at is not None else _overdue(approval, now)


def _overdue(approval: Approval, now: datetime) -> str:
    if now >= approval.expires_at:
        return f"the approval expired at {approval.expires_at:%H:%M:%S}"
    if approval.evidence_at is not None and now - approval.evidence_at > EVIDENCE_LIFE:
        return f"what it rests on was seen at {approval.evidence_at:%H:%M:%S}, longer ago than {EVIDENCE_LIFE}"
    return ""


@dataclass(slots=True)
class Authority:
    """The present grants. Safe to share between threads."""

    _grants: dict[str, Grant] = field(default_factory=dict)
    _inverses: dict[str, tuple[tuple[str, Action], ...]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(
        self,
        plan: Plan,
        decision: Decision,
        approval: Approval | None = None,
        *,
        now: datetime,
        started_at: datetime | None = None,
    ) -> None:
        """Let a plan be carried out; ``started_at`` when it is taken up again. ``Refused`` when it is not entitled."""
        grant = Grant(plan, decision, approval, started_at)
        if refusal := grant.refusal(now):
            raise Refused(f"plan {plan.id} is not granted: {refusal}")
        with self._lock:
            self._grants[plan.id] = grant

    def revoke(self, plan_id: str) -> None:
        """Take a plan's leave to go on. What it has done may still be undone."""
        with self._lock:
            self._grants.pop(plan_id, None)

    def forget(self, plan_id: str) -> None:
        """End a plan: no more steps, no more undoing."""
        with self._lock:
            self._grants.pop(plan_id, None)
            self._inverses.pop(plan_id, None)

    def remember(self, plan: Plan, action: Action, inverse: Action) -> None:
        """Let ``inverse`` undo a step of a plan; from the journal when a plan is taken up again.

        ``Refused`` when the action is no step of the plan, or the inverse writes something else than the action.
        """
        if not any(step.action == action for step in plan.steps):
            raise Refused(f"{action.verb} is no step of plan {plan.id}, so there is nothing to undo")
        if targets_of(inverse) != targets_of(action) or isinstance(inverse, EvictReplica):
            raise Refused(f"{inverse.verb} does not undo {action.verb} of plan {plan.id}")
        if isinstance(inverse, SetReplicas) and inverse.replicas == 0:
            raise Refused("undoing to 0 replicas is never done")
        with self._lock:
            known = self._inverses.get(plan.id, ())
            undo = (plan.incident, inverse)
            if undo not in known and inverse != action:  # a step that changed nothing needs no undoing
                self._inverses[plan.id] = (*known, undo)

    def undoes(self, action: Action, operation: Operation) -> bool:
        """Tell whether an action is the recorded inverse of a step, in the operation's incident."""
        with self._lock:
            return any((operation.incident, action) in inverses for inverses in self._inverses.values())

    def granting(self, action: Action, operation: Operation) -> Grant | None:
        """Return the grant of which an action is a step, in the operation's incident."""
        with self._lock:
            return _holder(self._grants, action, operation.incident)

    def plans(self) -> tuple[Plan, ...]:
        """Return the plans that are granted now."""
        with self._lock:
            return tuple(grant.plan for grant in self._grants.values())

    def started(self, plan_id: str, now: datetime) -> None:
        """Note the first effect of a plan: from here on its approval does not lapse half-way."""
        with self._lock:
            grant = self._grants.get(plan_id)
            if grant is not None and grant.started_at is None:
                self._grants[plan_id] = Grant(grant.plan, grant.decision, grant.approval, now)


def _holder(grants: Mapping[str, Grant], action: Action, incident: str) -> Grant | None:
    for name in sorted(grants):
        plan = grants[name].plan
        if plan.incident == incident and any(step.action == action for step in plan.steps):
            return grants[name]
    return None
