"""What the executor knows and writes: runs folded from the journal, leases, intents and outcomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from playbooks.allowance import Denied, Limits, Wait
from playbooks.bind import touched
from playbooks.lease import Leases
from playbooks.plan import Execution, Plan
from playbooks.run import EndState, LegState, RunState, execution, fold
from playbooks.shared import Obstacle
from playbooks.task import Task
from tools.action import Action, Operation
from tools.clock import Clock
from tools.errors import Refused
from tools.journal import Entry, Journal, Unless

RECHECK = timedelta(seconds=30)  # between two looks at something that goes on
_TRIES = 8  # when others spend at the same time


class Ledger:
    """The executor's side of the journal. A run is its own for as long as it holds the lease."""

    def __init__(self, journal: Journal, clock: Clock, owner: str, limits: Limits) -> None:
        self._journal = journal
        self._clock = clock
        self._allowance = limits.allowance
        self._leases = Leases(journal, clock, owner, limits.lease, limits.shared)
        self._runs: dict[str, RunState] = {}  # of plans under way: folds so far, never more than the journal says
        self._spent: list[Entry] = []  # what the allowance counts, read so far
        self._spent_seq = 0

    def run(self, plan: Plan) -> RunState:
        """Return the run as the journal has it now."""
        known = self._runs.get(plan.id)
        entries = self._journal.entries(plan.incident, after=known.seq if known else 0)
        self._runs[plan.id] = run = fold(entries, plan.id, known)
        return run

    def forget(self, plan: Plan) -> None:
        """Keep no fold of a run that is over."""
        self._runs.pop(plan.id, None)
        self._leases.forget(plan, targets(plan))

    def known(self, plan: Plan) -> RunState:
        """Return the run as it was read last."""
        return self._runs.get(plan.id) or self.run(plan)

    def owns(self, plan: Plan) -> bool:
        """Whether the lease is ours and has not lapsed."""
        return self._holds(plan, self.run(plan))

    def _holds(self, plan: Plan, run: RunState) -> bool:
        lasts = run.lease_until is not None and run.lease_until > self._clock.now()
        return lasts and run.epoch == self._leases.epoch(plan)

    def epoch(self, plan: Plan) -> int:
        """Return the epoch under which we hold a run; 0: we do not."""
        return self._leases.epoch(plan)

    def stamp(self, plan: Plan, task: Task) -> Operation:
        """Return the stamp that the actuator is shown: what the target must still be like is part of it."""
        expects = dict(task.leg.before) if task.leg is not None else None
        return Operation(
            id=task.operation, incident=plan.incident, epoch=self._leases.epoch(plan), expects=expects, undo=task.undo
        )

    def waiting(self, plan: Plan, reason: str) -> Execution:
        """Return the run as one that cannot go on here and now."""
        now = self._clock.now()
        return execution(plan, self.run(plan), now, now + RECHECK, reason)

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self, plan: Plan) -> Execution | None:
        """See that the run, as read last, is planned and leased by us; returns an execution where it cannot go on."""
        run = self.known(plan)
        if run.digest and run.digest != plan.digest():
            raise Refused(f"plan {plan.id} is not the plan that was begun ({plan.digest()}, not {run.digest})")
        if run.end is None and not run.planned:
            run = self._plan(plan)
            if run.end is not None:  # somebody was quicker in all of it
                return self.waiting(plan, "it has just ended")
        begun = run.planned_at or self._clock.now()
        obstacle = self._leases.take(plan, targets(plan), begun + 2 * plan.bounds.time, run.seq)
        return self._yield(plan, run, obstacle) if obstacle else None

    def _plan(self, plan: Plan) -> RunState:
        now, names = self._clock.now(), sorted(targets(plan))
        body = {
            "plan": plan.id,
            "digest": plan.digest(),
            "playbook": plan.playbook,
            "targets": names,
            "definition": plan.model_dump(mode="json"),  # whoever finds the run orphaned needs nothing else
            "text": f"{plan.playbook} on {', '.join(names)}",
        }
        self._journal.append(plan.incident, "RUN_PLANNED", body, now)
        return self.run(plan)

    def _yield(self, plan: Plan, run: RunState, obstacle: Obstacle) -> Execution:
        """Wait for a target; a run that waited longer than it may take never begins."""
        late = run.planned_at is not None and self._clock.now() > run.planned_at + plan.bounds.time
        if (late or obstacle.for_good) and not run.epoch and run.end is None:
            self.end(plan, "failed", obstacle.reason)
        return self.waiting(plan, obstacle.reason)

    # -- writing -------------------------------------------------------------------------------------------------------

    def intend(self, plan: Plan, task: Task, before: Mapping[str, str], inverse: Action | None) -> Wait | Denied | None:
        """Write down what is about to be done, how the world stands, and how to change it back.

        What it spends is reserved by the same entry, which is added only if nobody spent or took the lease meanwhile.
        """
        for _ in range(_TRIES):
            now, run, after = self._clock.now(), self.run(plan), 0
            if not self._holds(plan, run):
                return Wait(now, "the lease was lost")
            conditions = [Unless(run.seq, ("LEASE", f"{task.kind}_INTENT"), plan.incident)]
            if not task.undo and self._allowance.kinds:
                spent, after = self._spending(now)
                answer = self._allowance.ask(plan, spent, now)
                if answer is not None:
                    return self._recorded(answer, after, now)
                conditions.append(Unless(after, self._allowance.kinds))
            body = self._whole(plan, self._intent(plan, task, before, inverse))
            if self._journal.append_if(plan.incident, f"{task.kind}_INTENT", body, now, conditions) is not None:
                return None
        return Wait(self._clock.now() + RECHECK, "others act at the same time")

    def _intent(self, plan: Plan, task: Task, before: Mapping[str, str], inverse: Action | None) -> dict[str, Any]:
        action = task.action.model_dump(mode="json")
        arguments = words({key: value for key, value in action.items() if key != "verb"})
        return {
            "step": task.step,
            "operation": task.operation,
            "action": action,
            "preimage": dict(before),
            "inverse": inverse.model_dump(mode="json") if inverse is not None else None,
            "spends": {
                "service": plan.service,
                "class": plan.class_,
                "playbook": plan.playbook,
                "money": plan.bounds.money,
                "until": (self._clock.now() + 2 * plan.bounds.time).isoformat(),
            },
            "text": f"{task.step}: {task.action.verb} {arguments}",
        }

    def _spending(self, now: datetime) -> tuple[Sequence[Entry], int]:
        """Return what was spent, and up to which entry that is known."""
        self._spent += self._journal.entries(kinds=self._allowance.kinds, after=self._spent_seq)
        self._spent_seq = max(self._spent_seq, self._spent[-1].seq if self._spent else 0)
        self._spent = [entry for entry in self._spent if not self._allowance.outdated(entry, now)]
        return self._spent, self._spent_seq

    def _recorded(self, answer: Wait | Denied, after: int, now: datetime) -> Wait | Denied:
        if isinstance(answer, Denied) and answer.record is not None:
            kind, body = answer.record
            self._journal.append_if("fleet", kind, body, now, (Unless(after, (kind,)),))
        return answer

    def settle(self, plan: Plan, task: Task, state: LegState, detail: str, **more: Any) -> None:
        """Write down how an operation stands, unless another executor has taken the run over: then it is theirs."""
        if self.owns(plan):
            body = {"step": task.step, "operation": task.operation, "state": state, "detail": detail, **more}
            self.note(plan, f"{task.kind}_OUTCOME", body, f"{task.step}: {state} {detail}".strip())

    def judge(self, plan: Plan, step: str, verdict: str, text: str) -> None:
        """Write down what the guards of a step say; an empty step is the run as a whole."""
        self.note(plan, "GUARD", {"step": step, "verdict": verdict}, text)

    def end(self, plan: Plan, state: EndState, reason: str) -> None:
        """Write down that it is over."""
        self.note(plan, "RUN_END", {"state": state, "reason": reason}, f"{state} {reason}".strip())

    def note(self, plan: Plan, kind: str, body: dict[str, Any], text: str) -> None:
        """Write down anything of a run."""
        self._journal.append(plan.incident, kind, self._whole(plan, body | {"text": text}), self._clock.now())

    def _whole(self, plan: Plan, body: dict[str, Any]) -> dict[str, Any]:
        return {"plan": plan.id, "epoch": self._leases.epoch(plan), **body}


def words(values: Mapping[str, Any]) -> str:
    """Return ``name=value`` pairs as one line."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def targets(plan: Plan) -> frozenset[str]:
    """Return what a plan writes to, and its patient."""
    return touched(plan.service, (step.action for step in plan.steps))
