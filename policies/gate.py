"""The gate: the only way to an actuator. Reading passes; every effect is looked at again right before it happens."""

from collections.abc import Callable
from dataclasses import dataclass, field

from policies.authority import Authority, Grant
from policies.caps import Caps, action_breach, multiple_breach
from policies.decision import Reason
from tools.action import Action, Operation, Preimage, Receipt, SetReplicas
from tools.clock import Clock
from tools.errors import Held, Refused
from tools.ports import Actuator

Check = Callable[[Action, Operation], Reason | None]
"""A look at the present moment, right before an effect (freeze window, storm): why not, or None."""
GrantCheck = Callable[[Action, Grant], Reason | None]
"""The same, knowing the plan and its decision (breaker, pauses, floors)."""
PASSING = frozenset(("storm",))  # rules of checks whose objection passes by itself, soon


def _free() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Gate:
    """An actuator that refuses what no grant of ``authority`` covers, what a cap forbids and what a check objects to.

    Undoing a step of our own is held up by no check, expiry or revocation: a half-done plan is worse than none. Only
    the brake stops that too.
    """

    inner: Actuator
    authority: Authority
    clock: Clock
    caps: Caps = field(default_factory=Caps)
    checks: tuple[Check, ...] = ()
    grant_checks: tuple[GrantCheck, ...] = ()
    brake: Callable[[], str] = _free  # why nothing at all may be written, undoing included; empty: nothing

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs of the actuator within."""
        return self.inner.verbs

    def preimage(self, action: Action) -> Preimage:
        """Read what the action would change."""
        return self.inner.preimage(action)

    def rehearse(self, action: Action) -> str:
        """Ask the world to check the action without doing it."""
        return self.inner.rehearse(action)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return what is known of an operation."""
        return self.inner.lookup(action, operation)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Keep out earlier calls of an operation; it changes nothing that anybody would notice."""
        if reason := self.brake():
            raise _refused(action, Reason(rule="halt", text=reason))
        return self.inner.fence(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, if it may be done now; ``Refused`` with the reason otherwise."""
        if reason := self.brake():
            raise _refused(action, Reason(rule="halt", text=reason))
        if breach := action_breach(action, self.caps):
            raise _refused(action, breach)
        # Undo first: on a ramp, undoing a step equals an earlier step, and must not wait for a freeze to end.
        if operation.undo is not False and self.authority.undoes(action, operation):
            return self.inner.apply(action, operation)
        grant = self.authority.granting(action, operation)
        if grant is None:
            raise _refused(
                action, Reason(rule="no-grant", text=f"no granted plan of {operation.incident} has this step")
            )
        self._look_again(action, operation, grant)
        receipt = self.inner.apply(action, operation)
        self.authority.started(grant.plan.id, self.clock.now())  # only what has begun outlives its approval
        return receipt

    def _look_again(self, action: Action, operation: Operation, grant: Grant) -> None:
        """Ask everybody once more: what takes time first, so that the last word is the newest."""
        slow = (self._multiple(action), *(check(action, grant) for check in self.grant_checks))
        quick = (check(action, operation) for check in self.checks)
        if objection := next((each for each in (*slow, *quick) if each is not None), None):
            raise _refused(action, objection)
        if refusal := grant.refusal(self.clock.now()):
            raise _refused(action, Reason(rule="grant", text=refusal))
        if reason := self.brake():
            raise _refused(action, Reason(rule="halt", text=reason))

    def _multiple(self, action: Action) -> Reason | None:
        if not isinstance(action, SetReplicas):
            return None
        before = self.inner.preimage(action).inverse
        if not isinstance(before, SetReplicas):
            return Reason(rule="cap-replicas-multiple", text="the present number of replicas is not known")
        return multiple_breach(action, before.replicas, self.caps)


@dataclass(frozen=True, slots=True)
class DryRun:
    """An actuator that rehearses and never applies. Its receipts say so."""

    inner: Actuator
    clock: Clock
    _done: dict[str, Receipt] = field(default_factory=dict)

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs of the actuator within."""
        return self.inner.verbs

    def preimage(self, action: Action) -> Preimage:
        """Read what the action would change."""
        return self.inner.preimage(action)

    def rehearse(self, action: Action) -> str:
        """Ask the world to check the action without doing it."""
        return self.inner.rehearse(action)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Return the receipt of what was rehearsed under an operation's id; None when nothing was."""
        del action
        return self._done.get(operation.id)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Write nothing; return what lookup does."""
        return self.lookup(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Rehearse only; the receipt's ``observed`` says ``dry_run: true``."""
        if operation.id not in self._done:
            said = self.inner.rehearse(action)
            self._done[operation.id] = Receipt(
                operation=operation.id,
                state="done",
                at=self.clock.now(),
                detail=f"dry run, nothing was done: {said}",
                observed={"dry_run": "true"},
            )
        return self._done[operation.id]


def _refused(action: Action, reason: Reason) -> Refused:
    kind = Held if reason.rule in PASSING else Refused
    return kind(f"{action.verb} refused at the gate by {reason.rule}: {reason.text}")
