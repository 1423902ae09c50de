"""The course of what is done though nothing is wrong: judged, begun, carried out, looked after and ended.

The same door as every remedy: a plan of a playbook, judged by the same rules, granted only where it may be done
without a person, under the same budgets, written down, proven, and undone where it does harm. State is a fold over the
journal: each is a subject of its own, from PLAN to OUTCOME.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta

from agent.case import Outcome
from agent.casebook import Case
from agent.desk import Desk, recall
from agent.observe import Scene
from agent.situate import situate
from agent.verify import well_since
from config.fleet import Service
from playbooks.plan import Plan
from policies.breaker import KIND as BREAKER
from policies.breaker import fold
from policies.decision import Decision, Verdict
from policies.judge import judge
from policies.windows import restrain
from tools.errors import Refused

FORESEEN, GIVEN_UP = "FORESEEN", "GIVEN_UP"
TOUCHED = 2  # services acted on within the breaker's window, at which none is begun: those places are for incidents
WINDOW = timedelta(minutes=10)


class Course(ABC):
    """Takes plans without an incident from PLAN to OUTCOME; what to plan is said by whoever inherits it."""

    prefix = ""  # of its subjects

    def __init__(self, desk: Desk, touched: int = TOUCHED) -> None:
        self._desk, self._touched = desk, touched
        self._open: dict[str, Plan] = {}
        self._rests: dict[tuple[str, str], datetime] = {}  # until when a service is left as it is, by what for

    def attends(self, plan: Plan) -> bool:
        """Whether a run is one of these, and is worked on."""
        return plan.incident in self._open

    @abstractmethod
    def _settled(self, plan: Plan, verdict: str, at: datetime) -> None:
        """Learn from how one ended."""

    def _recall(self) -> None:
        """Fold the journal: what is under way, what was given back, who rests."""
        plans: dict[str, Plan] = {}
        for entry in self._desk.journal.entries(kinds=("PLAN", "OUTCOME")):
            if entry.subject.startswith(self.prefix) and entry.kind == "PLAN":
                self._open[entry.subject] = plans[entry.subject] = Plan.model_validate(entry.body)
            elif entry.subject.startswith(self.prefix):
                self._open.pop(entry.subject, None)
                self._settled(plans[entry.subject], str(entry.body["verdict"]), entry.at)

    # -- beginning -----------------------------------------------------------------------------------------------------
    def _busy(self, now: datetime, but: str = "") -> bool:
        """Whether the breaker is tripped, or so much was done lately that its places are left to incidents.

        ``but``: a service on which something more may be done: it has its place already.
        """
        entries, beside = self._desk.journal.entries(kinds=("STEP_INTENT", BREAKER)), self._desk.fleet.beside
        lately = [e.body["spends"]["service"] for e in entries if e.kind == "STEP_INTENT" and now - e.at < WINDOW]
        acted = {beside.get(name, name) for name in (*lately, *(plan.service for plan in self._open.values()))}
        return len(acted - {but}) >= self._touched or fold(entries).tripped

    def _judged(self, case: Case, scene: Scene, known: Mapping[str, object], why: Mapping[str, object]) -> bool:
        """Judge a plan, ``known`` better than by itself; where nobody need be asked, write it down and begin."""
        desk, plan = self._desk, case.plans[0]
        found = situate(case, plan, scene, desk.journal, desk.open_cases, "")
        situation = found.model_copy(update=dict(known))
        decision = restrain(judge(plan, situation, desk.rules, desk.caps), *desk.rung(plan, situation.environment))
        if decision.verdict is not Verdict.ALLOW:
            return False
        if not desk.journal.claim(plan.incident, "routine", scene.now):
            return False
        self._note(plan, why)
        desk.write(plan.incident, "PLAN", plan.model_dump(mode="json"))
        desk.write(plan.incident, "SITUATION", situation.model_dump(mode="json"))
        desk.write(plan.incident, "DECISION", decision.model_dump(mode="json"))
        self._open[plan.incident] = plan
        return True

    def _note(self, plan: Plan, why: Mapping[str, object]) -> None:
        """Write down why one is begun."""
        self._desk.write(plan.incident, FORESEEN, why)

    # -- going on ------------------------------------------------------------------------------------------------------
    def _advance(self, plan: Plan) -> None:
        desk = self._desk
        if desk.executor is None:
            raise RuntimeError("no executor at the desk")
        if plan not in desk.authority.plans():
            self._grant(plan)
        execution = desk.executor.advance(plan)
        match execution.state:
            case "done":
                desk.authority.revoke(plan.id)
                desk.write(plan.incident, "VERIFYING", {"text": f"{plan.playbook} is done; nobody may be harmed"})
            case "undone":
                self._end(plan, "undone", execution.reason)
            case "failed" | "escalated":
                self._end(plan, "inconclusive", execution.reason or "it was not carried out")
            case "running" | "holding":
                return

    def _grant(self, plan: Plan) -> None:
        """Let a plan be carried out by the decision that stands in the journal; one that may not go on is undone."""
        desk, began = self._desk, recall(self._desk, plan)
        entries = desk.journal.entries(subject=plan.incident, kinds=("DECISION",))
        if not entries:
            raise Refused("nothing was decided about it: whoever planned it crashed")
        try:
            desk.authority.grant(
                plan, Decision.model_validate(entries[-1].body), now=desk.clock.now(), started_at=began
            )
        except Refused:
            if began is None:
                raise

    def _prove(self, plan: Plan, scene: Scene, service: Service, began: datetime) -> None:
        well = well_since(scene, service, began)
        if well is not None and scene.now - well >= plan.verification.hold:
            self._end(plan, "recovered", f"every objective of {service.name} went on holding")
        elif scene.now - began > plan.verification.deadline:
            self._end(plan, "inconclusive", f"{service.name} was not seen to be well for {plan.verification.hold}")

    def _turn(self, plan: Plan, why: str, *, again: bool) -> None:
        """Give back what was taken."""
        desk = self._desk
        if desk.executor is None:
            raise RuntimeError("no executor at the desk")
        if not again:
            desk.write(plan.incident, GIVEN_UP, {"text": why})
        recall(desk, plan)
        execution = desk.executor.undo(plan, why)
        if execution.state not in ("running", "holding"):
            self._end(plan, "undone" if execution.state == "undone" else "inconclusive", execution.reason or why)

    def _end(self, plan: Plan, verdict: str, text: str) -> None:
        desk, now = self._desk, self._desk.clock.now()
        desk.authority.forget(plan.id)
        body = {"incident": plan.incident, "at": now, "verdict": verdict, "text": text}
        desk.close(plan.incident, Outcome.model_validate(body))
        self._open.pop(plan.incident, None)
        self._settled(plan, verdict, now)

    # -- resting -------------------------------------------------------------------------------------------------------
    def _rest(self, service: str, what: str, until: datetime) -> None:
        self._rests[service, what] = max(self._rests.get((service, what), until), until)

    def _rests_now(self, service: str, what: str, now: datetime) -> bool:
        return self._rests.get((service, what), now) > now
