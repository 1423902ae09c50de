"""What is thought before anything is done: the analysts' table, the diagnosis, the plan, the policies' decision."""

from collections.abc import Callable, Sequence, Set
from datetime import datetime, timedelta

from agent.acquitted import acquitted
from agent.analysts import changes, cost, hardware, marks, quality, rows, serving
from agent.bindings import bindings_for, subject_of
from agent.capacity import FULL, queues, use_of
from agent.case import BLIND, OFTEN, Diagnosis, Evidence, Hypothesis, Incident
from agent.casebook import Case, read_cases
from agent.correlate import onset
from agent.degrees import LABEL_PATIENCE
from agent.diagnose import diagnose
from agent.hardware import MACHINE
from agent.moving import node_left
from agent.observe import Scene
from agent.plan import Facts, Proposal, propose, without
from agent.preconditions import Ground, unmet
from agent.progress import attempts, leading, plan_of, revision, round_began, unspent
from agent.round import Round, State
from agent.situate import situate
from agent.told import told_lately
from agent.verify import rolled_out, standing, stepping
from playbooks.change import changed
from playbooks.plan import Plan
from policies.approvals import ask
from policies.decision import Decision, Verdict
from policies.judge import judge
from policies.windows import frozen_by, restrain
from tools.action import SetSchedulable
from tools.errors import Refused
from tools.signal import USUAL_WINDOW

ANALYSTS: dict[str, Callable[[Incident, Scene], tuple[Evidence, ...]]] = {
    "serving": serving.examine,
    "hardware": hardware.examine,
    "quality": quality.examine,
    "cost": cost.examine,
    "changes": changes.examine,
    "marks": marks.examine,
    "rows": rows.examine,
}
SHOWN_FOR = timedelta(seconds=1.25 * USUAL_WINDOW)  # a burst is seen for so long: the window of a rate, and a scrape
PATIENCE = timedelta(minutes=6)  # for a diagnosis to become clear
BLIND_PATIENCE = timedelta(minutes=15)  # the same, while part of what was asked for did not come: no data is no verdict
LATE_PATIENCE = timedelta(minutes=45)  # the same, where answers are judged by labels: those are as late anyway
STORM_PATIENCE = timedelta(minutes=45)  # for a storm to pass: twice what one lasts after its last incident
PASSING = frozenset(("no-destruction-in-storm", "no-stale-data"))  # rules whose grounds pass by themselves
ARITHMETIC = frozenset(("capacity-proof", "error-budget"))  # reasons that are numbers beside a rule, and none
MOST_ATTEMPTS = 3
RIDDLE = 2 * OFTEN  # times that something went by itself within a day, and nobody knows why: then a person is told


class Deliberation(Round):
    """The nodes from the analysts to the judge."""

    def analyst(self, name: str) -> "Callable[[State], State]":
        """Return the node of one analyst."""

        def examine(state: State) -> State:
            case = self.desk.case(state["incident"])
            found = ANALYSTS[name](case.incident, self.desk.look())
            self.desk.evidence.setdefault(case.incident.id, {})[name] = found
            return {}

        return examine

    def diagnostician(self, state: State) -> State:
        """Weigh the evidence; wait for more, or give the case to a person, when it does not suffice."""
        case, scene = self.desk.case(state["incident"]), self.desk.look()
        table = self.desk.evidence.get(case.incident.id, {})
        # A round that a crash cut in two has lost its table: what is missing is examined again.
        found = (table[name] if name in table else ANALYSTS[name](case.incident, scene) for name in ANALYSTS)
        evidence = self._acquitted(case, scene, tuple(item for items in found for item in items))
        late = scene.now - round_began(case) > _patience(scene, evidence)
        # What time did not tell apart need not be, where the remedy is the same.
        diagnosis = diagnose(case.incident, evidence, self.desk.faults, self._cures() if late else None)
        if not diagnosis.resolved and self._self_healed(case):
            return self._over(case) if case.incident.again < RIDDLE else self._riddle(case, diagnosis)
        if leading(case.diagnosis) != leading(diagnosis):
            self.desk.write(
                case.incident.id, "EVIDENCE", {"items": [item.model_dump(mode="json") for item in evidence]}
            )
            self.desk.write(case.incident.id, "DIAGNOSIS", diagnosis.model_dump(mode="json"))
        if diagnosis.resolved:
            return {"go": "planner"}
        if late:
            return self.end(case, "escalated", f"the cause is not clear; wanted: {diagnosis.wants}")
        return {"go": "wait"}

    def _acquitted(self, case: Case, scene: Scene, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        """Return the evidence, with what was changed by chance as no cause."""
        others = (each for each in read_cases(self.desk.journal) if each.incident.id != case.incident.id)
        return acquitted(case.incident.service, evidence, others, self.desk.faults, scene.now)

    def _over(self, case: Case, why: str = "nothing was done") -> State:
        """Close a case that nobody had to do anything about; what keeps coming back is said to."""
        again = case.incident.again
        said = f"; so it was {again} time{'s' if again > 1 else ''} before within a day" if again else ""
        return self.end(case, "self_recovered", f"every objective holds again and {why}{said}")

    def _riddle(self, case: Case, diagnosis: Diagnosis) -> State:
        """Give a person what goes by itself, comes back all day, and is not understood."""
        said = f"it went by itself {case.incident.again} times within a day, and comes back"
        return self.end(case, "escalated", f"{said}; the cause is not clear; wanted: {diagnosis.wants}")

    def _cures(self) -> dict[str, frozenset[str]]:
        books = self.desk.playbooks
        return {fault.id: frozenset(book.id for book in books if fault.id in book.cures) for fault in self.desk.faults}

    def planner(self, state: State) -> State:
        """Bind a playbook to the diagnosis."""
        case, scene = self.desk.case(state["incident"]), self.desk.look()
        if (waiting := unspent(case)) is not None:
            return self._revised(case, waiting)
        attempt = attempts(case) + 1
        if attempt > MOST_ATTEMPTS:
            return self.end(case, "escalated", f"{attempt - 1} attempts did not help")
        found = propose(case, self.desk.playbooks, self._finder(case, scene), attempt, scene.now)
        return self._unplanned(case, scene, found) if found.plan is None else self._planned(case, scene, found.plan)

    def _planned(self, case: Case, scene: Scene, plan: Plan) -> State:
        """Write a plan down, unless it is not needed now."""
        if self._is_shared(plan, case):
            return {"go": "wait"}  # somebody moves the same machine's replicas: that may heal this case too
        if self._is_passing(case) or self._is_held(plan, case, scene):
            return self._over(case) if self._self_healed(case) else {"go": "wait"}
        plan = without(plan, [node.name for node in scene.observation.topology.nodes if not node.schedulable])
        self.desk.write(case.incident.id, "PLAN", plan.model_dump(mode="json"))
        return {"go": "judge"}

    def _unplanned(self, case: Case, scene: Scene, found: Proposal) -> State:
        """Wait for what time may bring, or give the case to a person."""
        waited = scene.now - round_began(case)
        if node := node_left(case, scene.observation):
            if self._self_healed(case):
                return self._over(case, f"no replica of {case.incident.service} is on node {node} any more")
            if waited <= PATIENCE or self._is_treated({node}, case) or self._is_well(case, looks=1):
                return {"go": "wait"}
        patience = LABEL_PATIENCE if found.worth_waiting else _patience(scene, case.evidence)
        if (found.worth_waiting or patience > PATIENCE) and waited <= patience:
            return {"go": "wait"}
        if (told := told_lately(case, read_cases(self.desk.journal), scene.now)) is not None:
            return self.end(
                case, "known", f"a person was told of the same cause at {told.at:%H:%M:%S}: {told.incident}"
            )
        return self.end(case, "escalated", "no plan: " + "; ".join(found.reasons[:4]))

    def _is_held(self, plan: Plan, case: Case, scene: Scene) -> bool:
        """Whether nothing but a storm forbids a plan, and not for long: it is made when that has passed, if still due.

        Nothing is taken away in between; the analysts look again at every tick. Where the storm has broken off the
        plan before, what is seen in it says too little for another one: that waits as well.
        """
        if scene.now - round_began(case) > STORM_PATIENCE:
            return False
        situation = situate(case, plan, scene, self.desk.journal, self.desk.open_cases, self._freeze(scene))
        if not situation.storm:
            return False
        if case.plan is not None and case.plan.id in case.held:
            return True
        decision = judge(plan, situation, self.desk.rules, self.desk.caps)
        return decision.verdict is Verdict.DENY and {reason.rule for reason in decision.reasons} <= PASSING | ARITHMETIC

    def _freeze(self, scene: Scene) -> str:
        return frozen_by(self.desk.freezes, scene.now)

    def _revised(self, case: Case, plan: Plan) -> State:
        """Make the plan that a person wanted instead of this one, if anybody did; what was asked about it is void."""
        wanted = revision(self.desk.journal, plan)
        if wanted is not None:
            try:
                made = changed(plan, wanted.changes, wanted.by, self.desk.look().now)
            except Refused as error:
                return self.end(case, "escalated", f"the plan was modified by {wanted.by}, which cannot be: {error}")
            self.desk.write(case.incident.id, "PLAN", made.model_dump(mode="json"))
        return {"go": "judge"}

    def _restrained(self, decision: Decision, case: Case, environment: str) -> Decision:
        """Return the decision under the playbook's rung; what a person changed is always put to people again."""
        rung, why = self.desk.rung(plan_of(case), environment)
        before = revision(self.desk.journal, case.plans[-2]) if len(case.plans) > 1 else None
        if before is not None and rung == "act":
            rung, why = "ask", f"{before.by} changed it, and a changed plan needs an approval of its own"
        return restrain(decision, rung, why)

    def judge(self, state: State) -> State:
        """Ask the policies."""
        case, scene = self.desk.case(state["incident"]), self.desk.look()
        plan = plan_of(case)
        situation = situate(case, plan, scene, self.desk.journal, self.desk.open_cases, self._freeze(scene))
        if not situation.data_fresh and scene.now - self._looked_since(case) <= _patience(scene, ()):
            return {"go": "wait_judge"}
        judged = judge(plan, situation, self.desk.rules, self.desk.caps)
        decision = self._restrained(judged, case, situation.environment)
        self.desk.write(case.incident.id, "SITUATION", situation.model_dump(mode="json"))
        self.desk.write(case.incident.id, "DECISION", decision.model_dump(mode="json"))
        match decision.verdict:
            case Verdict.ALLOW:
                return {"go": "act"}
            case Verdict.ASK:
                desk = self.desk
                asked = ask(
                    desk.journal, decision, scene.now, desk.approval_life, quorum=desk.quorum, ladder=desk.asked
                )
                return {"go": "act" if asked.state == "approved" else "approve"}
            case Verdict.DENY:
                return self.end(case, "escalated", "policy: " + "; ".join(r.text for r in decision.reasons[:4]))

    def _finder(self, case: Case, scene: Scene) -> Callable[[Hypothesis], Facts]:
        past = tuple(each for each in read_cases(self.desk.journal) if each.incident.id != case.incident.id)

        def find(hypothesis: Hypothesis) -> Facts:
            service = subject_of(case, hypothesis, scene).service
            bindings = bindings_for(case, scene, hypothesis, past)
            ground = Ground(service, bindings, scene)
            return Facts(service.name, bindings, lambda name: unmet(name, ground))

        return find

    def _is_shared(self, plan: Plan, case: Case) -> bool:
        """Whether another open case is healing a node that this plan would heal too."""
        return self._is_treated(
            {step.action.node for step in plan.steps if isinstance(step.action, SetSchedulable)}, case
        )

    def _is_treated(self, nodes: Set[str], case: Case) -> bool:
        """Whether another open case is healing one of these nodes."""
        others = (other for other in read_cases(self.desk.journal) if other.is_open and other.plan is not None)
        return bool(nodes) and any(
            isinstance(step.action, SetSchedulable) and step.action.node in nodes
            for other in others
            if other.incident.id != case.incident.id and other.plan is not None and unspent(other) is not None
            for step in other.plan.steps
        )

    def _is_passing(self, case: Case) -> bool:
        """Whether broken promises are all that was seen, and by now none is, or none may be: then nothing is done yet.

        Rates look back for minutes, and so a burst of seconds is seen for minutes. What keeps coming back is treated,
        and so is what has a cause that stands whether it is felt or not: a change, a machine, what an exporter marks.
        """
        promises = all(anomaly.detector == "objective" for anomaly in case.incident.anomalies)
        felt = promises and all(item.analyst == "serving" for item in case.evidence if item.weight > 0)
        passing = self._is_well(case, looks=1) or self._is_carried(case)
        return felt and not case.incident.returns and passing

    def _is_carried(self, case: Case) -> bool:
        """Whether rates may show a burst that is over: they look back so far, and at this look the load is carried."""
        service, scene = self.desk.fleet.service(case.incident.service), self.desk.look()
        fresh = scene.now - onset(case.incident.anomalies) <= SHOWN_FOR
        entity, seen = f"service/{service.name}", scene.observation
        waiting, use = seen.value("waiting", entity), use_of(seen, service)
        known = waiting is not None and use is not None and use < FULL
        return fresh and known and not queues(waiting or 0.0, seen.value("running", entity))

    def _self_healed(self, case: Case) -> bool:
        shown = any(anomaly.detector not in ("cost", "inputs", MACHINE) for anomaly in case.incident.anomalies)
        return shown and self._is_well(case, looks=4)

    def _is_well(self, case: Case, looks: int) -> bool:
        """Whether every objective held at each of the newest looks, and no rollout or engine stands still."""
        service, scene = self.desk.fleet.service(case.incident.service), self.desk.look()
        recent = scene.history[-looks:]
        over = rolled_out(scene, service, case) == stepping(scene, case) == "holds"
        return len(recent) == looks and over and all(standing(seen, service) == "holds" for seen in recent)

    def _looked_since(self, case: Case) -> datetime:
        """Return since when the readings for a decision are waited for: the round's begin, or a person's yes."""
        answered = case.approval.answered_at if case.approval else None
        return max(round_began(case), answered or round_began(case))


def _patience(scene: Scene, evidence: Sequence[Evidence]) -> timedelta:
    """Return for how long a case waits for what would decide it: longer where what was asked for did not come."""
    lost = {e.analyst for e in evidence if not e.weight and e.text.startswith(BLIND)}
    if "quality" in lost:
        return LATE_PATIENCE
    return BLIND_PATIENCE if scene.observation.problems or lost else PATIENCE
