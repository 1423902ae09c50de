"""The executor: one I/O step after another, each written down before and after.

No effect without a durable intent that holds the state before; no retry without asking first; no undoing of what is no
longer ours. Whoever crashes anywhere starts again here and comes to the same end.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from playbooks.allowance import Denied, Limits, Wait
from playbooks.judging import Judging
from playbooks.ledger import RECHECK, Ledger, words
from playbooks.plan import Execution, Guard, Plan
from playbooks.run import Leg, LegState, RunState, execution, unsettled_until
from playbooks.task import Task, earlier_states, task, versions_of
from playbooks.walk import (
    Begin,
    Check,
    Failed,
    Finished,
    Glance,
    GuardVerdict,
    Hold,
    Move,
    Probe,
    Turn,
    Undo,
    next_move,
)
from tools.action import ConvertInputs, Receipt, TrainModel
from tools.clock import Clock
from tools.errors import Absent, Ambiguous, Held, Malformed, Refused, ToolError, Transient
from tools.journal import Journal
from tools.ports import Actuator

MOST_TRIES = 5  # of one operation
FIRST_WAIT = timedelta(seconds=5)  # before the first retry; doubles
LONGEST_WAIT = timedelta(minutes=2)


class Executor:
    """Carries out plans. ``owner`` names this process in leases."""

    def __init__(
        self,
        actuator: Actuator,
        journal: Journal,
        clock: Clock,
        check: Callable[[Guard, Plan], GuardVerdict],
        owner: str,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._actuator = actuator
        self._ledger = Ledger(journal, clock, owner, limits)
        self._brake = limits.brake
        self._clock = clock
        self._judging = Judging(check, self._ledger, clock)

    def advance(self, plan: Plan) -> Execution:
        """Make the moves that are possible now; ``holding`` says from when on more may be possible.

        Raises ``Refused`` for a plan that differs from the one begun, ``Malformed`` for a journal that cannot be read,
        and what the journal raises: whatever was done by then is found again by the next call.
        """
        while True:
            run = self._ledger.run(plan)
            if run.end is not None:
                self._ledger.forget(plan)
                return execution(plan, run, self._clock.now())
            waiting = self._braked(plan) or self._ledger.open(plan)
            if waiting is not None:
                return waiting
            run = self._ledger.run(plan) if self._ledger.known(plan).epoch != self._ledger.epoch(plan) else run
            pause = self._make(plan, run, next_move(plan, run, self._clock.now()))
            if pause is not None:
                return execution(plan, self._ledger.run(plan), self._clock.now(), pause.until, pause.reason)

    def _braked(self, plan: Plan) -> Execution | None:
        """Return the run as it stands where somebody has pulled the brake: then nothing at all is done."""
        reason = self._brake()
        return self._ledger.waiting(plan, reason) if reason else None

    def undo(self, plan: Plan, reason: str) -> Execution:
        """Turn a run round, even one that ended well, because it did not help; then advance it as far as may be."""
        run = self._ledger.run(plan)
        if not run.planned:
            return Execution(plan=plan.id, incident=plan.incident, at=self._clock.now(), state="undone", reason=reason)
        if run.failed_at is None:
            waiting = self._braked(plan) or self._ledger.open(plan)
            if waiting is not None:
                return waiting
            self._ledger.judge(plan, "", "broken", reason)
        return self.advance(plan)

    def dry_run(self, plan: Plan) -> tuple[str, ...]:
        """Rehearse every step; what needs a version that an earlier step will make cannot be. Raises ``ToolError``."""
        said: list[str] = []
        made: set[str] = set()
        for step in plan.steps:
            if missing := made & versions_of(step.action):
                said.append(f"{step.id}: not rehearsed, version {', '.join(sorted(missing))} is yet to be made")
                continue
            said.append(f"{step.id}: {self._actuator.rehearse(step.action)}")
            if isinstance(step.action, TrainModel | ConvertInputs):
                made.add(step.action.version)
        return tuple(said)

    # -- moves: each returns until when to wait, None to go on at once -------------------------------------------------

    def _make(self, plan: Plan, run: RunState, move: Move) -> Hold | None:
        match move:
            case Begin(index):
                return self._begin(plan, run, index)
            case Probe(_, index, undo):
                return self._probe(plan, run, task(plan, run, index, undo=undo))
            case Check(_, index):
                return self._judging.judge(plan, run, plan.steps[index])
            case Glance(index, since, until):
                return self._judging.glance(plan, plan.steps[index], since, until)
            case Undo(index):
                return self._undo(plan, run, index)
            case Hold():
                return move
            case Turn() | Finished() | Failed():
                self._close(plan, move)
                return None

    def _close(self, plan: Plan, move: Turn | Finished | Failed) -> None:
        match move:
            case Turn(reason):
                self._ledger.judge(plan, "", "broken", reason)
            case Finished():
                self._ledger.end(plan, "done", "")
            case Failed(reason, state):
                self._ledger.end(plan, state, reason)

    def _begin(self, plan: Plan, run: RunState, index: int) -> Hold | None:
        now = task(plan, run, index, undo=False)
        try:
            before = self._actuator.preimage(now.action)
        except Transient as error:
            return self._later(error)
        except Refused as error:
            return self._settle(plan, now, "failed", str(error), barred=True)
        except ToolError as error:
            return self._settle(plan, now, "failed", str(error))
        match self._ledger.intend(plan, now, before.state, before.inverse):
            case Wait(until, reason):
                return Hold(until, reason)
            case Denied(reason):
                return self._settle(plan, now, "failed", reason)
            case None:
                return self._apply(plan, task(plan, self._ledger.run(plan), index, undo=False), again=False)

    def _undo(self, plan: Plan, run: RunState, index: int) -> Hold | None:
        """Undo what is still as we left it; what somebody else has changed since is for a person."""
        now = task(plan, run, index, undo=True)
        try:
            state = self._actuator.preimage(now.forward).state
        except Transient as error:
            return self._later(error)
        except ToolError as error:
            return self._settle(plan, now, "failed", f"{now.step} cannot be undone: {error}")
        left = run.steps[now.step]
        if state == left.before or state in earlier_states(plan, run, index):
            if state != left.after and (unsure := self._unsure(run, left)):  # a look that is old may show the past
                return Hold(unsure, f"{now.step} seems undone already")
            return self._settle(plan, now, "done", "already as it was before")
        if left.after is None or state != left.after:
            detail = f"{now.step} not undone, somebody else changed it to {words(state)}"
            return self._settle(plan, now, "failed", detail)
        if now.leg is None and isinstance(wait := self._ledger.intend(plan, now, state, None), Wait):
            return Hold(wait.until, wait.reason)
        return self._apply(plan, task(plan, self._ledger.run(plan), index, undo=True), again=now.leg is not None)

    def _probe(self, plan: Plan, run: RunState, now: Task) -> Hold | None:
        try:
            receipt = self._actuator.lookup(now.action, self._ledger.stamp(plan, now))
        except Transient as error:
            return self._later(error)
        except Refused as error:  # rights are late after an API server's restart; the plan's time bounds the asking
            return Hold(self._clock.now() + RECHECK, str(error))
        except ToolError as error:
            detail = f"step {now.step} may or may not have happened: {error}"
            return self._settle(plan, now, "unknown", detail)
        if receipt is not None:
            return self._received(plan, run, now, receipt)
        return self._absent(plan, run, now)

    def _absent(self, plan: Plan, run: RunState, now: Task) -> Hold | None:
        """Go on from an operation that certainly did not happen."""
        tries = now.leg.tries if now.leg else 0
        if now.leg is not None and now.leg.state == "running":  # it was, and left no trace: that was a try as well
            return self._settle(plan, now, "ambiguous", "was running, and is not known any more", tries=tries + 1)
        if now.leg is not None and tries >= MOST_TRIES:
            return self._give_up(plan, now, f"gave up after {tries} tries: {now.leg.detail}")
        if now.undo:
            return self._undo(plan, run, [step.id for step in plan.steps].index(now.step))
        if run.failed_at is not None:
            return self._give_up(plan, now, "did not happen, and is no longer wanted")
        return self._repeat(plan, now)

    def _repeat(self, plan: Plan, now: Task) -> Hold | None:
        """Do again what certainly did not happen, unless the world has moved on since the intent."""
        try:
            state = self._actuator.preimage(now.action).state
        except Transient as error:
            return self._later(error)
        except ToolError as error:
            return self._give_up(plan, now, str(error))
        if now.leg is not None and state != now.leg.before:
            return self._give_up(plan, now, f"somebody else changed it to {words(state)}")
        return self._apply(plan, now, again=True)

    def _give_up(self, plan: Plan, now: Task, detail: str) -> Hold | None:
        """Settle an operation as not done, once no call of it can take effect any more: neither ours nor a zombie's."""
        try:
            receipt = self._actuator.fence(now.action, self._ledger.stamp(plan, now))
        except Absent:
            receipt = None  # what is not there was not changed
        except Transient as error:
            return self._later(error)
        except Ambiguous as error:
            return Hold(self._clock.now() + RECHECK, str(error))
        except ToolError as error:
            return self._settle(plan, now, "unknown", f"step {now.step} may or may not have happened: {error}")
        if receipt is not None:
            return self._received(plan, self._ledger.known(plan), now, receipt)
        return self._settle(plan, now, "failed", detail)

    def _apply(self, plan: Plan, now: Task, *, again: bool) -> Hold | None:
        if not self._ledger.owns(plan):
            return None
        tries = now.leg.tries + 1 if now.leg else 1
        try:
            receipt = self._actuator.apply(now.action, self._ledger.stamp(plan, now))
        except Transient as error:
            wait = max(error.retry_after, min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT))
            retry_at = (self._clock.now() + wait).isoformat()
            return self._settle(plan, now, "transient", str(error), tries=tries, retry_at=retry_at)
        except (Ambiguous, Malformed) as error:
            return self._settle(plan, now, "ambiguous", str(error), tries=tries)
        except (Refused, Absent) as error:
            if again:  # an earlier call of it may still be on its way
                return self._give_up(plan, now, str(error))
            return self._settle(plan, now, "failed", str(error), **({"held": True} if isinstance(error, Held) else {}))
        return self._received(plan, self._ledger.known(plan), now, receipt)

    def _received(self, plan: Plan, run: RunState, now: Task, receipt: Receipt) -> Hold | None:
        match receipt.state:
            case "failed":
                return self._settle(plan, now, "failed", receipt.detail or "the actuator says it failed")
            case "running":
                return self._running(plan, run, now, receipt)
            case "done":
                return self._done(plan, now, receipt)

    def _running(self, plan: Plan, run: RunState, now: Task, receipt: Receipt) -> Hold | None:
        if run.failed_at is not None and not now.undo:
            harmless = now.leg is None or now.leg.inverse is None
            detail = f"step {now.step} was still running when the run failed"
            return self._settle(plan, now, "failed" if harmless else "unknown", detail)
        if now.leg is None or now.leg.state != "running":
            self._ledger.settle(plan, now, "running", receipt.detail)
        return Hold(self._clock.now() + RECHECK, f"step {now.step} is running")

    def _done(self, plan: Plan, now: Task, receipt: Receipt) -> Hold | None:
        """Write down what we left behind, where undoing will ask for it; the receipt knows best, being from then."""
        after: dict[str, str] | None = None
        if not now.undo and now.leg is not None and now.leg.inverse is not None:
            keys = now.leg.before.keys()
            after = {key: receipt.observed[key] for key in keys & receipt.observed.keys()}
            try:
                after = after if after.keys() == keys else self._actuator.preimage(now.action).state | after
            except Transient as error:
                return self._later(error)
            except ToolError:
                after = None
        return self._settle(plan, now, "done", receipt.detail, postimage=after)

    def _unsure(self, run: RunState, leg: Leg | None) -> datetime | None:
        """Return until when what is seen of an operation proves nothing; None where it does."""
        until = unsettled_until(run, leg) if leg is not None else None
        return until if until is not None and self._clock.now() < until else None

    def _settle(self, plan: Plan, now: Task, state: LegState, detail: str, **more: Any) -> Hold | None:
        self._ledger.settle(plan, now, state, detail, **more)
        return None  # go on at once

    def _later(self, error: Transient) -> Hold:
        return Hold(self._clock.now() + error.retry_after, str(error))
