"""What the executor knows and writes: runs folded from the journal, leases, intents and outcomes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from playbooks.bind import touched
from playbooks.plan import Execution, Plan
from playbooks.run import EndState, LegState, RunState, execution, fold
from playbooks.task import Task
from tools.action import Action, Operation
from tools.clock import Clock
from tools.errors import Refused
from tools.journal import Journal

FENCE = "fleet"  # one epoch per executor, so that epochs compare on every target
RECHECK = timedelta(seconds=30)  # between two looks at something that goes on


class Ledger:
    """The executor's side of the journal. A run is its own as long as nobody leased it with a higher epoch."""

    def __init__(self, journal: Journal, clock: Clock, owner: str) -> None:
        self._journal = journal
        self._clock = clock
        self._owner = owner
        self._epoch = 0  # none taken yet
        self._runs: dict[str, RunState] = {}  # of plans under way: folds so far, never more than the journal says

    def run(self, plan: Plan) -> RunState:
        """Return the run as the journal has it now."""
        known = self._runs.get(plan.id)
        entries = self._journal.entries(plan.incident, after=known.seq if known else 0)
        self._runs[plan.id] = run = fold(entries, plan.id, known)
        return run

    def forget(self, plan: Plan) -> None:
        """Keep no fold of a run that is over."""
        self._runs.pop(plan.id, None)

    def owns(self, plan: Plan) -> bool:
        """Whether nobody else has taken the run over."""
        return self.run(plan).epoch == self._epoch

    def stamp(self, plan: Plan, task: Task) -> Operation:
        """Return the stamp that the actuator is shown."""
        return Operation(id=task.operation, incident=plan.incident, epoch=self._epoch)

    def waiting(self, plan: Plan, reason: str) -> Execution:
        """Return the run as one that cannot go on here and now."""
        now = self._clock.now()
        return execution(plan, self.run(plan), now, now + RECHECK, reason)

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self, plan: Plan) -> Execution | None:
        """See that the run is planned and leased by us; returns an execution where it cannot go on now."""
        run = self.run(plan)
        if run.end is None and not run.planned:
            run = self._plan(plan)
        if run.digest and run.digest != plan.digest():
            raise Refused(f"plan {plan.id} is not the plan that was begun ({plan.digest()}, not {run.digest})")
        if not run.epoch and run.end is None and (rival := self._rival(plan, run)):
            return self._yield(plan, run, f"target is held by run {rival}")
        return self._lease(plan, run)

    def _plan(self, plan: Plan) -> RunState:
        now, targets = self._clock.now(), sorted(_targets(plan))
        body = {
            "plan": plan.id,
            "digest": plan.digest(),
            "playbook": plan.playbook,
            "targets": targets,
            "until": (now + 2 * plan.bounds.time).isoformat(),  # by then it is over, or nobody works on it
            "text": f"{plan.playbook} on {', '.join(targets)}",
        }
        self._journal.append(plan.incident, "RUN_PLANNED", body, now)
        return self.run(plan)

    def _lease(self, plan: Plan, run: RunState) -> Execution | None:
        if not self._epoch or (run.end is not None and run.epoch > self._epoch):
            self._epoch = self._journal.next_epoch(FENCE, self._owner, self._clock.now())
        if run.epoch > self._epoch:
            return self.waiting(plan, f"held by {run.owner}")
        if run.epoch < self._epoch:
            self.note(plan, "LEASE", {"owner": self._owner}, f"{self._owner}, epoch {self._epoch}")
        return None

    def _rival(self, plan: Plan, run: RunState) -> str:
        """Return the run, planned before this one and not over, that touches one of its targets; empty: none."""
        mine, now = _targets(plan), self._clock.now()
        rivals: dict[str, None] = {}
        for entry in self._journal.entries(kinds=("RUN_PLANNED", "RUN_END")):
            body = entry.body
            if entry.kind == "RUN_END":
                rivals.pop(body["plan"], None)
            elif entry.seq < run.planned and mine & set(body["targets"]) and _later(body["until"], now):
                rivals[body["plan"]] = None
        return next((rival for rival in rivals if rival != plan.id), "")

    def _yield(self, plan: Plan, run: RunState, reason: str) -> Execution:
        if run.planned_at is not None and self._clock.now() > run.planned_at + plan.bounds.time:
            self.end(plan, "failed", reason)
        return self.waiting(plan, reason)

    # -- writing -------------------------------------------------------------------------------------------------------

    def intend(self, plan: Plan, task: Task, before: Mapping[str, str], inverse: Action | None) -> None:
        """Write down what is about to be done, how the world stands, and how to change it back."""
        action = task.action.model_dump(mode="json")
        body = {
            "step": task.step,
            "operation": task.operation,
            "action": action,
            "preimage": dict(before),
            "inverse": inverse.model_dump(mode="json") if inverse is not None else None,
        }
        arguments = words({key: value for key, value in action.items() if key != "verb"})
        self.note(plan, f"{task.kind}_INTENT", body, f"{task.step}: {task.action.verb} {arguments}")

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
        whole = {"plan": plan.id, "epoch": self._epoch, **body, "text": text}
        self._journal.append(plan.incident, kind, whole, self._clock.now())


def words(values: Mapping[str, Any]) -> str:
    """Return ``name=value`` pairs as one line."""
    return " ".join(f"{key}={value}" for key, value in values.items())


def _targets(plan: Plan) -> frozenset[str]:
    return touched(plan.service, (step.action for step in plan.steps))


def _later(instant: str, now: datetime) -> bool:
    return datetime.fromisoformat(instant) > now
