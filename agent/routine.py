"""Routine: replicas follow what the hours usually bring. No incident: nothing is wrong, and nobody is told.

The same door as every remedy: a plan of a scale playbook, judged by the same rules, granted only where it may be done
without a person, under the same budgets, written down, proven, and undone where it does harm. State is a fold over the
journal: a routine is a subject of its own, from PLAN to OUTCOME.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from agent.capacity import wanted_of
from agent.case import Outcome
from agent.desk import Desk, recall
from agent.foresee import NEEDED_SOON, NOT_NEEDED, Need, planned, shortage, spare, told
from agent.observe import Scene
from agent.situate import DAY, situate
from agent.usual import Usual
from agent.verify import standing, well_since
from config.fleet import Service, ServiceKind
from config.foresight import ForesightSettings
from playbooks.plan import Plan
from policies.breaker import KIND as BREAKER
from policies.breaker import fold
from policies.decision import Decision, Verdict
from policies.judge import judge
from policies.windows import frozen_by, restrain
from tools.errors import Ambiguous, Refused, ToolError, Transient

PREFIX = "routine-"
FORESEEN, GIVEN_UP = "FORESEEN", "GIVEN_UP"
EVERY = timedelta(minutes=4)  # between two that are begun: a morning's worth goes one after the other
AT_ONCE = 2  # under way: scaling for an incident finds a place beside them
TOUCHED = 2  # services acted on within the breaker's window, at which none is begun: those places are for incidents
REST = timedelta(minutes=20)  # of a service, after one of its replicas was given back
HARMED = timedelta(days=1)  # of a service whose routine had to be undone
RECENT = 10  # looks, whose mean is the load of now


class Routine:
    """Begins routines and takes them further, one step a tick."""

    def __init__(self, desk: Desk, settings: ForesightSettings) -> None:
        self._desk, self._settings = desk, settings
        self._usual = Usual(desk.journal, desk.fleet)
        self._open: dict[str, Plan] = {}
        self._before: dict[str, int] = {}  # replicas of a service before the first was given back
        self._read = 0  # entries of the journal about what was given back
        self._failed: dict[tuple[str, str], list[datetime]] = {}  # when what was done did not end well, by what for
        self._rests: dict[tuple[str, str], datetime] = {}  # until when a service is left as it is, by what for
        self._next_at: datetime | None = None
        self._recall()

    def tick(self, scene: Scene, ill: Collection[str], *, calm: bool) -> None:
        """Learn from one look, and act on what is foretold.

        ``ill``: the services of open cases. ``calm``: nothing holds her back; else no routine is begun.
        """
        self._usual.update(scene.observation)
        for name in ill:
            self._rest(name, NOT_NEEDED, scene.now + self._settings.ahead)
        for plan in tuple(self._open.values()):
            self._further(plan, scene, ill)
        calm = calm and not scene.observation.problems and not frozen_by(self._desk.freezes, scene.now)
        if calm and len(self._open) < AT_ONCE and (self._next_at is None or scene.now >= self._next_at):
            self._next_at = scene.now + EVERY
            self._begin(scene, ill)

    def attends(self, plan: Plan) -> bool:
        """Whether a run is one of these, and is worked on."""
        return plan.incident in self._open

    # -- beginning -----------------------------------------------------------------------------------------------------
    def _begin(self, scene: Scene, ill: Collection[str]) -> None:
        """Begin the first routine that may be done, and leave the others to later looks."""
        if self._busy(scene.now):
            return
        self._note_given()
        for need in self._needs(scene, ill):
            self._rest(need.service, need.fault, scene.now + 2 * EVERY)
            if self._may(need, scene):
                return

    def _needs(self, scene: Scene, ill: Collection[str]) -> Iterator[Need]:
        """Yield what the hours to come ask for: what is missing first; nothing is given back while anybody is ill."""
        taken = {plan.service for plan in self._open.values()} | set(ill)
        free = [s for s in scene.fleet.services if s.kind is not ServiceKind.VENDOR and s.name not in taken]
        for service in free:
            growth = self._growth(service, scene, self._settings.lead)
            most = self._most(service, scene)
            free_now = most and not self._rests_now(service.name, NEEDED_SOON, scene.now)
            if free_now and (need := shortage(scene, service, most, growth or 1.0)):
                yield need
        for service in free if not ill else ():
            growth = self._growth(service, scene, self._settings.ahead)
            if growth and not self._rests_now(service.name, NOT_NEEDED, scene.now):
                self._rest(service.name, NOT_NEEDED, scene.now + REST)
                if need := spare(scene, service, growth):
                    yield need

    def _most(self, service: Service, scene: Scene) -> int:
        """Return how many replicas there were before any was given back; 0: none is missing."""
        before = self._before.get(service.name, 0)
        if wanted_of(scene.observation, service.name) >= before:
            self._before.pop(service.name, None)
            return 0
        return min(before, service.max_replicas)

    def _growth(self, service: Service, scene: Scene, ahead: timedelta) -> float | None:
        looked = [seen.value("requests", f"service/{service.name}") for seen in scene.history[-RECENT:]]
        known = [value for value in looked if value is not None]
        if not known:
            return None
        return self._usual.growth(service.name, sum(known) / len(known), scene.now, ahead)

    def _busy(self, now: datetime) -> bool:
        """Whether the breaker is tripped, or so much was done lately that its places are left to incidents."""
        entries = self._desk.journal.entries(kinds=("STEP_INTENT", BREAKER))
        lately = [e for e in entries if e.kind == "STEP_INTENT" and now - e.at < timedelta(minutes=10)]
        return len({e.body["spends"]["service"] for e in lately}) >= TOUCHED or fold(entries).tripped

    def _may(self, need: Need, scene: Scene) -> bool:
        """Judge a need; where it may be done without a person, write it down and begin."""
        plan = planned(need, scene, self._desk.playbooks, PREFIX)
        if plan is None:
            return False
        case = told(need, plan, self._usual.confidence(need.service))
        desk = self._desk
        found = situate(case, plan, scene, desk.journal, desk.open_cases, "")
        # Routines that went well are none of the attempts that the rules count; those that did not, are.
        failed = [at for at in self._failed.get((need.service, need.fault), ()) if at > scene.now - DAY]
        situation = found.model_copy(update={"attempts": len(failed), "capacity": need.text})
        decision = restrain(judge(plan, situation, desk.rules, desk.caps), *desk.rung(plan, situation.environment))
        if decision.verdict is not Verdict.ALLOW:
            return False
        if not desk.journal.claim(plan.incident, "routine", scene.now):
            return False
        body = {"service": need.service, "before": need.before, "after": need.after, "text": need.text}
        desk.write(plan.incident, FORESEEN, body)
        desk.write(plan.incident, "PLAN", plan.model_dump(mode="json"))
        desk.write(plan.incident, "SITUATION", situation.model_dump(mode="json"))
        desk.write(plan.incident, "DECISION", decision.model_dump(mode="json"))
        self._open[plan.incident] = plan
        return True

    # -- going on ------------------------------------------------------------------------------------------------------
    def _further(self, plan: Plan, scene: Scene, ill: Collection[str]) -> None:
        """Take a routine a step further; what takes away is turned round where its service falls ill."""
        desk, service = self._desk, scene.fleet.service(plan.service)
        proving = desk.since(plan.incident, "VERIFYING")
        given_up = desk.since(plan.incident, GIVEN_UP) is not None
        back = plan.fault == NOT_NEEDED
        hurt = plan.service in ill or (proving and standing(scene.observation, service, quality=False) == "broken")
        try:
            if back and (given_up or hurt):
                self._turn(plan, given_up)
            elif proving is None:
                self._advance(plan)
            else:
                self._prove(plan, scene, service, proving)
        except (Transient, Ambiguous):
            return  # the next tick looks again
        except ToolError as error:
            self._end(plan, "inconclusive", f"not carried out: {error}")

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

    def _turn(self, plan: Plan, again: bool) -> None:
        """Give back what was taken."""
        desk, why = self._desk, f"{plan.service} is not well"
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

    # -- what the journal says -----------------------------------------------------------------------------------------
    def _recall(self) -> None:
        """Fold the journal: what is under way, what was given back, who rests."""
        plans: dict[str, Plan] = {}
        for entry in self._desk.journal.entries(kinds=("PLAN", "OUTCOME")):
            if entry.subject.startswith(PREFIX) and entry.kind == "PLAN":
                self._open[entry.subject] = plans[entry.subject] = Plan.model_validate(entry.body)
            elif entry.subject.startswith(PREFIX):
                self._open.pop(entry.subject, None)
                self._settled(plans[entry.subject], str(entry.body["verdict"]), entry.at)

    def _note_given(self) -> None:
        """Read what was given back lately, by whomever: another controller may bring it back."""
        for entry in self._desk.journal.entries(kinds=(FORESEEN,), after=self._read):
            self._read = entry.seq
            name, before, after = (entry.body[key] for key in ("service", "before", "after"))
            if after < before:
                self._before.setdefault(name, before)
            elif after >= self._before.get(name, after):
                self._before.pop(name, None)

    def _settled(self, plan: Plan, verdict: str, at: datetime) -> None:
        """Let a service rest: briefly after what went well, longer after what did not, a day after harm."""
        if verdict != "recovered" and self._desk.since(plan.incident, "STEP_OUTCOME") is not None:
            self._failed.setdefault((plan.service, plan.fault), []).append(at)
        rest = {"recovered": REST, "undone": HARMED}.get(verdict, self._settings.ahead)
        if plan.fault == NOT_NEEDED:
            self._rest(plan.service, NOT_NEEDED, at + rest)
            return
        self._rest(plan.service, NOT_NEEDED, at + self._settings.ahead)
        if verdict != "recovered":
            self._rest(plan.service, NEEDED_SOON, at + REST)

    def _rest(self, service: str, what: str, until: datetime) -> None:
        self._rests[service, what] = max(self._rests.get((service, what), until), until)

    def _rests_now(self, service: str, what: str, now: datetime) -> bool:
        return self._rests.get((service, what), now) > now
