"""The gate: the only way to an actuator. Reading passes; every effect is looked at again right before it happens."""

from collections.abc import Callable
from dataclasses import dataclass, field

from policies.authority import Authority
from policies.caps import Caps, action_breach, multiple_breach
from policies.decision import Reason
from tools.action import Action, Operation, Preimage, Receipt, SetReplicas
from tools.clock import Clock
from tools.errors import Refused
from tools.ports import Actuator

Check = Callable[[Action, Operation], Reason | None]
"""A look at the present moment, right before an effect (kill switch, freeze window, breaker): why not, or None."""


@dataclass(frozen=True, slots=True)
class Gate:
    """An actuator that refuses what no grant of ``authority`` covers, what a cap forbids and what a check objects to.

    Undoing a step of our own is held up by no check, expiry or revocation: a half-done plan is worse than none.
    """

    inner: Actuator
    authority: Authority
    clock: Clock
    caps: Caps = field(default_factory=Caps)
    checks: tuple[Check, ...] = ()

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

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Do it, if it may be done now; ``Refused`` with the reason otherwise."""
        if breach := action_breach(action, self.caps):
            raise _refused(action, breach)
        # Undo first: on a ramp, undoing a step equals an earlier step, and must not wait for a freeze to end.
        if self.authority.undoes(action, operation):
            return self.inner.apply(action, operation)
        grant = self.authority.granting(action, operation)
        if grant is None:
            raise _refused(
                action, Reason(rule="no-grant", text=f"no granted plan of {operation.incident} has this step")
            )
        self._look_again(action, operation, grant.refusal(self.clock.now()))
        self.authority.started(grant.plan.id, self.clock.now())
        return self.inner.apply(action, operation)

    def _look_again(self, action: Action, operation: Operation, refusal: str) -> None:
        if refusal:
            raise _refused(action, Reason(rule="grant", text=refusal))
        for check in self.checks:
            if objection := check(action, operation):
                raise _refused(action, objection)
        if isinstance(action, SetReplicas) and (breach := self._multiple(action)):
            raise _refused(action, breach)

    def _multiple(self, action: SetReplicas) -> Reason | None:
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
    return Refused(f"{action.verb} refused at the gate by {reason.rule}: {reason.text}")
