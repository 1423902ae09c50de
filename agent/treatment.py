"""What is done about a diagnosis, and the proof that it helped; what did not help is taken back."""

from datetime import timedelta

from agent.casebook import Case
from agent.converting import come_again
from agent.degrees import in_use
from agent.desk import Desk, recall
from agent.misread import MISREAD, read_as_meant
from agent.observe import Observation
from agent.progress import begun, plan_of, unspent
from agent.round import Round, State
from agent.verify import (
    labelled_well,
    outgrown,
    rolled_out,
    standing,
    stepping,
    stood_since,
    well_since,
    within_budget,
)
from config.fleet import Service
from playbooks.plan import Execution, Plan
from policies.approvals import fold
from policies.decision import Approval
from tools.errors import Ambiguous, Refused, ToolError, Transient

LATE_LABELS = timedelta(minutes=30)  # more time for the proof, where answers are judged by labels, at least
FED_AGAIN = "what is read comes as it did before"
TOO_LITTLE = "labels say that what was learnt is not enough, and there is more to learn from"
ENOUGH = timedelta(minutes=10)  # after the first label is in, for enough of them


class Treatment(Round):
    """The nodes behind the decision."""

    def act(self, state: State) -> State:
        """Make the moves that are possible now."""
        case, desk = self.desk.case(state["incident"]), self.desk
        plan = plan_of(case)
        if unspent(case) is None:
            return {"go": "begin"}  # its outcome was written down before a crash
        if desk.executor is None or case.decision is None:
            raise RuntimeError("no executor at the desk")
        approval = fold(desk.journal.entries(subject=plan.incident, kinds=("APPROVAL",)))
        answer = next((item for item in approval.values() if item.plan_digest == plan.digest()), None)
        if desk.look().observation.problems and desk.clock.now() <= case.decision.at + plan.bounds.time:
            return {"go": "wait_act"}  # nothing is done blindly, not even the next step; but a half-done plan must end
        if desk.look().observation.problems and not begun(case):
            return self.end(case, "escalated", f"partial readings for {plan.bounds.time}: nothing was done")
        try:
            if plan not in desk.authority.plans():
                _grant(desk, case, answer)
            execution = desk.executor.advance(plan)
        except (Transient, Ambiguous):
            return {"go": "wait_act"}  # the journal cannot be written just now, and knows how far the plan has come
        except ToolError as error:
            return self.end(case, "escalated", f"not carried out: {error}")
        self.note(case, execution)
        return self._acted(case, plan, execution)

    def _acted(self, case: Case, plan: Plan, execution: Execution) -> State:
        """Return where a case goes on after the executor's moves."""
        desk = self.desk
        match execution.state:
            case "running" | "holding":
                return {"go": "wait_act"}
            case "done":
                desk.authority.revoke(plan.id)
                desk.write(case.incident.id, "VERIFYING", {"text": f"{plan.playbook} is done; proving recovery"})
                return {"go": "verify"}
            case "failed" if execution.barred:
                desk.authority.forget(plan.id)
                self.outcome(case, "error", _barred(plan, execution))
                return {"go": "begin"}
            case "failed" | "undone":
                desk.authority.forget(plan.id)
                # What did nothing harmed nobody, and what was held up did not come so far as to.
                verdict = "undone" if execution.state == "undone" and not execution.held else "not_recovered"
                self.outcome(case, verdict, execution.reason or "the plan failed and was undone")
                return {"go": "begin"}
            case "escalated":
                return self.end(case, "escalated", execution.reason or "a person must look")

    def verify(self, state: State) -> State:
        """Prove recovery from live numbers, or undo and try something else."""
        case, desk = self.desk.case(state["incident"]), self.desk
        plan, scene = plan_of(case), desk.look()
        service = desk.fleet.service(plan.service)
        if unspent(case) is None:
            return {"go": "begin"}  # its outcome was written down before a crash
        if case.phase == "acting":
            return self._take_back(case, plan)  # begun on an earlier look, and not yet through
        if why := come_again(plan, scene):
            return self._take_back(case, plan, f"{FED_AGAIN}: {why}")
        began = desk.since(case.incident.id, "VERIFYING") or scene.now
        well = well_since(scene, service, began)
        proofs = {
            (labels := labelled_well(scene, service, began, plan)),
            within_budget(scene, service, case),
            rolled_out(scene, service, case),
            (engines := stepping(scene, case)),
            (read := read_as_meant(plan, scene, began)),
        }
        held = well is not None and scene.now - well >= plan.verification.hold
        if well is not None and held and proofs == {"holds"}:
            desk.authority.forget(plan.id)
            text = f"every objective of {service.name} held for {(scene.now - well).total_seconds():.0f} s"
            self.outcome(case, "recovered", text, well)
            return {"go": "report"}
        if engines == "broken" and (held or stood_since(case, began)):  # another fault, for which this is not undone
            desk.authority.forget(plan.id)
            self.outcome(case, "not_recovered", f"{plan.playbook} is done and stays, but an engine stands still")
            return {"go": "begin"}
        if labels == "broken" and outgrown(plan, scene):
            desk.authority.forget(plan.id)
            self.outcome(case, "not_recovered", f"{plan.playbook} is done and stays, but {TOO_LITTLE}")
            return {"go": "begin"}
        if read == "broken":  # and still better than what was before: to undo it would harm
            desk.authority.forget(plan.id)
            return self.end(case, "escalated", f"{plan.playbook} is done and stays, but {MISREAD}")
        deadline = plan.verification.deadline + labels_wait(scene.observation, service)
        return {"go": "wait_verify"} if scene.now - began <= deadline else self._take_back(case, plan)

    def _take_back(self, case: Case, plan: Plan, why: str = "") -> State:
        """Undo what did not help, where it can be undone and is known not to help; then another round.

        ``why``: it is known to harm, and nothing else is wrong.
        """
        desk, service = self.desk, self.desk.fleet.service(plan.service)
        now = "broken" if why or case.phase == "acting" else standing(desk.look().observation, service)
        if now == "no_data":
            desk.authority.forget(plan.id)
            return self.end(case, "escalated", f"{plan.playbook} is done, and no data says whether it helped")
        used = "" if case.phase == "acting" else in_use(plan, desk.journal.entries(subject=plan.incident), desk.look())
        if plan.undo == "inverse" and now == "broken" and not used and desk.executor is not None:
            recall(desk, plan)
            execution = desk.executor.undo(plan, why or "it did not help")
            self.note(case, execution)
            if execution.state in ("running", "holding"):
                return {"go": "wait_verify"}
            if execution.state == "escalated":
                return self.end(case, "escalated", execution.reason or "a person must look")
            if execution.state == "undone" and execution.reason.startswith(FED_AGAIN):
                desk.authority.forget(plan.id)
                return self.end(case, "self_recovered", f"{execution.reason}, and {plan.playbook} was undone")
        desk.authority.forget(plan.id)
        said = f"was not enough within {plan.verification.deadline}, and stays: {used}" if used else ""
        said = said or f"did not help within {plan.verification.deadline}"
        self.outcome(case, "not_recovered", f"{plan.playbook} {said}")
        return {"go": "begin"}


def labels_wait(seen: Observation, service: Service) -> timedelta:
    """Return how much longer a proof takes where answers are judged by labels: as long as those are late now."""
    if not service.model:
        return timedelta()
    reading = seen.quality.get(service.name)
    return max(LATE_LABELS, reading.late + ENOUGH) if reading is not None else LATE_LABELS


def _barred(plan: Plan, execution: Execution) -> str:
    """Return in plain words that a playbook could not be tried."""
    said = f"{plan.playbook} was not tried and nothing was done: the first look was refused, {execution.reason}"
    return f"{said}. Where rights are missing, prunella doctor names them"


def _grant(desk: Desk, case: Case, answer: Approval | None) -> None:
    """Let a plan be carried out. One that was begun and may not go on is not granted: it can still be undone."""
    plan = plan_of(case)
    began = recall(desk, plan)
    try:
        if case.decision is not None:
            desk.authority.grant(plan, case.decision, answer, now=desk.clock.now(), started_at=began)
    except Refused:
        if began is None:
            raise
