"""What guards say of a step: after its hold, and, where its playbook lets it, as soon as they are sure."""

from collections.abc import Callable, Sequence
from datetime import datetime

from playbooks.ledger import RECHECK, Ledger
from playbooks.plan import Guard, Plan, Step
from playbooks.run import RunState
from playbooks.walk import GuardVerdict, Hold
from tools.clock import Clock
from tools.errors import ToolError


class Judging:
    """Asks the guards, and writes down what they say."""

    def __init__(self, check: Callable[[Guard, Plan], GuardVerdict], ledger: Ledger, clock: Clock) -> None:
        self._check, self._ledger, self._clock = check, ledger, clock

    def judge(self, plan: Plan, run: RunState, step: Step) -> Hold | None:
        """Ask after the hold; what stays inconclusive until the deadline counts as broken."""
        verdict = self._said(plan, step, run.steps[step.id].at)
        word, text = verdict.verdict, verdict.text
        earlier, now = run.guards.get(step.id), self._clock.now()
        if word == "inconclusive":
            if earlier is None or now < earlier.since + plan.verification.deadline:
                if earlier is None:
                    self._ledger.judge(plan, step.id, word, f"step {step.id}: {word} {text}".strip())
                return Hold(now + RECHECK, f"guards of step {step.id} are inconclusive: {text}")
            word, text = "broken", f"still inconclusive after {plan.verification.deadline}: {text}"
        self._ledger.judge(plan, step.id, word, f"step {step.id}: {word} {text}".strip())
        return None

    def glance(self, plan: Plan, step: Step, since: datetime, until: datetime) -> Hold | None:
        """Ask within the hold: what is broken turns back now, what is sure need not be waited for."""
        said = self._said(plan, step, since)
        if said.verdict == "broken" or said.sure:
            self._ledger.judge(plan, step.id, said.verdict, f"step {step.id}: {said.verdict} {said.text}".strip())
            return None
        return Hold(min(self._clock.now() + RECHECK, until), f"after step {step.id}")

    def _said(self, plan: Plan, step: Step, since: datetime) -> GuardVerdict:
        """Ask every guard of a step, told since when it is done."""
        asked = [guard.model_copy(update={"args": {**guard.args, "since": since.isoformat()}}) for guard in step.guards]
        return strictest([self._verdict(guard, plan) for guard in asked])

    def _verdict(self, guard: Guard, plan: Plan) -> GuardVerdict:
        try:
            return self._check(guard, plan)
        except ToolError as error:
            return GuardVerdict(verdict="inconclusive", text=f"{guard.kind} cannot be read: {error}")


def strictest(said: Sequence[GuardVerdict]) -> GuardVerdict:
    """Return broken before inconclusive before holds, with the words of all that say so; sure where all are."""
    for word in ("broken", "inconclusive", "holds"):
        if same := [verdict for verdict in said if verdict.verdict == word]:
            text = "; ".join(each.text for each in same if each.text)
            return GuardVerdict(verdict=same[0].verdict, text=text, sure=all(each.sure for each in same))
    return GuardVerdict(verdict="inconclusive", text="no guard spoke")
