"""The graph of agents, one thread per incident.

::

    analysts (six, in parallel) > diagnostician > planner > judge > approve > act > verify > report
          ^                            |              |                                |
          +---------- wait <-----------+--------------+------------- next round <------+

State holds the incident's id and where to go; everything else is in the journal. ``wait`` and ``approve`` interrupt and
have no other effect, because a node is run again from its top on resume.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from agent.analysts import changes, cost, hardware, marks, quality, serving
from agent.bindings import bindings_for, subject_of
from agent.brief import facts
from agent.case import Evidence, Hypothesis, Incident, Outcome
from agent.casebook import Case, read_cases
from agent.desk import Desk, recall
from agent.diagnose import diagnose
from agent.observe import Scene
from agent.plan import Facts, propose
from agent.preconditions import Ground, unmet
from agent.progress import begun, leading, place, plan_of, round_began, unspent
from agent.situate import situate
from agent.verify import labelled_well, measured, standing, well_since, within_budget
from playbooks.plan import Execution, Plan
from policies.approvals import ask, fold
from policies.decision import Approval, Verdict
from policies.judge import judge
from policies.windows import is_frozen, restrain
from tools.action import SetSchedulable
from tools.errors import Ambiguous, Refused, ToolError, Transient

ANALYSTS: dict[str, Callable[[Incident, Scene], tuple[Evidence, ...]]] = {
    "serving": serving.examine,
    "hardware": hardware.examine,
    "quality": quality.examine,
    "cost": cost.examine,
    "changes": changes.examine,
    "marks": marks.examine,
}
PATIENCE = timedelta(minutes=6)  # for a diagnosis to become clear
BLIND_PATIENCE = timedelta(minutes=15)  # the same, while part of what was asked for did not come: no data is no verdict
LABEL_PATIENCE = timedelta(hours=2)  # for labels to train on
LATE_LABELS = timedelta(minutes=30)  # more, where answers are judged by labels
MOST_ATTEMPTS = 3


class State(TypedDict, total=False):
    """Only ids and short words: the journal keeps the rest."""

    incident: str
    go: str


def build(desk: Desk) -> "StateGraph[State, None, State, State]":
    """Return the uncompiled graph over one desk."""
    graph = StateGraph(State)
    agents = Agents(desk)
    graph.add_node("begin", agents.begin)
    for name in ANALYSTS:
        analyst: Any = agents.analyst(name)
        graph.add_node(name, analyst)
        graph.add_edge("begin", name)
    for name, node in agents.nodes().items():
        agent: Any = node
        graph.add_node(name, agent)
    graph.add_edge(list(ANALYSTS), "diagnostician")
    graph.add_conditional_edges(START, agents.where, ["begin", "approve", "act", "verify"])
    for name in agents.nodes():
        graph.add_conditional_edges(name, _go, {**{each: each for each in agents.nodes()}, "begin": "begin", END: END})
    return graph


def _go(state: State) -> str:
    return state.get("go", END)


class Agents:
    """The nodes. Each reads the journal, does one thing and says where to go."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def nodes(self) -> "dict[str, Callable[[State], State]]":
        """Return every node behind the analysts."""
        return {
            "diagnostician": self.diagnostician,
            "planner": self.planner,
            "judge": self.judge,
            "approve": self.approve,
            "act": self.act,
            "verify": self.verify,
            "report": self.report,
            "wait": self.wait,
            "wait_judge": self.wait_judge,
            "wait_act": self.wait_act,
            "wait_verify": self.wait_verify,
        }

    def where(self, state: State) -> str:
        """Return where a case goes on whose thread is new: from the journal alone, so that no thread need survive."""
        return place(self._desk.case(state["incident"]))

    def begin(self, state: State) -> State:
        """Start a round with an empty table."""
        self._desk.evidence[state["incident"]] = {}
        return {}

    def analyst(self, name: str) -> "Callable[[State], State]":
        """Return the node of one analyst."""

        def examine(state: State) -> State:
            case = self._desk.case(state["incident"])
            found = ANALYSTS[name](case.incident, self._desk.look())
            self._desk.evidence.setdefault(case.incident.id, {})[name] = found
            return {}

        return examine

    def diagnostician(self, state: State) -> State:
        """Weigh the evidence; wait for more, or give the case to a person, when it does not suffice."""
        case, scene = self._desk.case(state["incident"]), self._desk.look()
        table = self._desk.evidence.get(case.incident.id, {})
        # A round that a crash cut in two has lost its table: what is missing is examined again.
        found = (table[name] if name in table else ANALYSTS[name](case.incident, scene) for name in ANALYSTS)
        evidence = tuple(item for items in found for item in items)
        diagnosis = diagnose(case.incident, evidence, self._desk.faults)
        if not diagnosis.resolved and self._self_healed(case):
            return self._end(case, "self_recovered", "every objective holds again and nothing was done")
        if leading(case.diagnosis) != leading(diagnosis):
            self._desk.write(
                case.incident.id, "EVIDENCE", {"items": [item.model_dump(mode="json") for item in evidence]}
            )
            self._desk.write(case.incident.id, "DIAGNOSIS", diagnosis.model_dump(mode="json"))
        if diagnosis.resolved:
            return {"go": "planner"}
        if scene.now - round_began(case) > _patience(scene, evidence):
            return self._end(case, "escalated", f"the cause is not clear; wanted: {diagnosis.wants}")
        return {"go": "wait"}

    def planner(self, state: State) -> State:
        """Bind a playbook to the diagnosis."""
        case, scene = self._desk.case(state["incident"]), self._desk.look()
        if unspent(case) is not None:
            return {"go": "judge"}
        attempt = len(case.plans) + 1
        if attempt > MOST_ATTEMPTS:
            return self._end(case, "escalated", f"{len(case.plans)} attempts did not help")
        found = propose(case, self._desk.playbooks, self._finder(case, scene), attempt, scene.now)
        if found.plan is not None and self._is_shared(found.plan, case):
            return {"go": "wait"}  # somebody moves the same machine's replicas: that may heal this case too
        if found.plan is not None:
            self._desk.write(case.incident.id, "PLAN", found.plan.model_dump(mode="json"))
            return {"go": "judge"}
        patience = LABEL_PATIENCE if found.worth_waiting else _patience(scene, case.evidence)
        if (found.worth_waiting or patience > PATIENCE) and scene.now - round_began(case) <= patience:
            return {"go": "wait"}
        return self._end(case, "escalated", "no plan: " + "; ".join(found.reasons[:4]))

    def judge(self, state: State) -> State:
        """Ask the policies."""
        case, scene = self._desk.case(state["incident"]), self._desk.look()
        plan = plan_of(case)
        frozen = is_frozen(self._desk.freezes, scene.now)
        situation = situate(case, plan, scene, self._desk.journal, self._desk.open_cases, frozen)
        if not situation.data_fresh and scene.now - self._looked_since(case) <= _patience(scene, ()):
            return {"go": "wait_judge"}
        rung, why = self._desk.rung(plan, situation.environment)
        decision = restrain(judge(plan, situation, self._desk.rules, self._desk.caps), rung, why)
        self._desk.write(case.incident.id, "SITUATION", situation.model_dump(mode="json"))
        self._desk.write(case.incident.id, "DECISION", decision.model_dump(mode="json"))
        match decision.verdict:
            case Verdict.ALLOW:
                return {"go": "act"}
            case Verdict.ASK:
                desk = self._desk
                asked = ask(
                    desk.journal, decision, scene.now, desk.approval_life, quorum=desk.quorum, ladder=desk.asked
                )
                return {"go": "act" if asked.state == "approved" else "approve"}
            case Verdict.DENY:
                return self._end(case, "escalated", "policy: " + "; ".join(r.text for r in decision.reasons[:4]))

    def approve(self, state: State) -> State:
        """Wait for a person; pure. Silence never means yes."""
        answer = interrupt({"waits_for": "a person", "incident": state["incident"]})
        if answer in ("approved", "not asked"):
            return {"go": "judge"}  # the world may have moved on while the person thought
        return self._end(self._desk.case(state["incident"]), "escalated", f"the plan was {answer}")

    def act(self, state: State) -> State:
        """Make the moves that are possible now."""
        case, desk = self._desk.case(state["incident"]), self._desk
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
            return self._end(case, "escalated", f"partial readings for {plan.bounds.time}: nothing was done")
        try:
            if plan not in desk.authority.plans():
                _grant(desk, case, answer)
            execution = desk.executor.advance(plan)
        except (Transient, Ambiguous):
            return {"go": "wait_act"}  # the journal cannot be written just now, and knows how far the plan has come
        except ToolError as error:
            return self._end(case, "escalated", f"not carried out: {error}")
        self._note(case, execution)
        return self._acted(case, plan, execution)

    def _acted(self, case: Case, plan: Plan, execution: Execution) -> State:
        """Return where a case goes on after the executor's moves."""
        desk = self._desk
        match execution.state:
            case "running" | "holding":
                return {"go": "wait_act"}
            case "done":
                desk.authority.revoke(plan.id)
                desk.write(case.incident.id, "VERIFYING", {"text": f"{plan.playbook} is done; proving recovery"})
                return {"go": "verify"}
            case "failed" | "undone":
                desk.authority.forget(plan.id)
                self._outcome(case, "undone", execution.reason or "the plan failed and was undone")
                return {"go": "begin"}
            case "escalated":
                return self._end(case, "escalated", execution.reason or "a person must look")

    def verify(self, state: State) -> State:
        """Prove recovery from live numbers, or undo and try something else."""
        case, desk = self._desk.case(state["incident"]), self._desk
        plan, scene = plan_of(case), desk.look()
        service = desk.fleet.service(plan.service)
        if unspent(case) is None:
            return {"go": "begin"}  # its outcome was written down before a crash
        if case.phase == "acting":
            return self._take_back(case, plan)  # begun on an earlier look, and not yet through
        began = desk.since(case.incident.id, "VERIFYING") or scene.now
        well = well_since(scene, service, began)
        proofs = (labelled_well(scene, service, began), within_budget(scene, service, case))
        if well is not None and scene.now - well >= plan.verification.hold and proofs == ("holds", "holds"):
            held = (scene.now - well).total_seconds()
            desk.authority.forget(plan.id)
            self._outcome(case, "recovered", f"every objective of {service.name} held for {held:.0f} s", well)
            return {"go": "report"}
        deadline = plan.verification.deadline + (LATE_LABELS if service.model else timedelta())
        return {"go": "wait_verify"} if scene.now - began <= deadline else self._take_back(case, plan)

    def _take_back(self, case: Case, plan: Plan) -> State:
        """Undo what did not help, where it can be undone and is known not to help; then another round."""
        desk, service = self._desk, self._desk.fleet.service(plan.service)
        now = "broken" if case.phase == "acting" else standing(desk.look().observation, service)
        if now == "no_data":
            desk.authority.forget(plan.id)
            return self._end(case, "escalated", f"{plan.playbook} is done, and no data says whether it helped")
        if plan.undo == "inverse" and now == "broken" and desk.executor is not None:
            recall(desk, plan)
            execution = desk.executor.undo(plan, "it did not help")
            self._note(case, execution)
            if execution.state in ("running", "holding"):
                return {"go": "wait_verify"}
            if execution.state == "escalated":
                return self._end(case, "escalated", execution.reason or "a person must look")
        desk.authority.forget(plan.id)
        self._outcome(case, "not_recovered", f"{plan.playbook} did not help within {plan.verification.deadline}")
        return {"go": "begin"}

    def report(self, state: State) -> State:
        """Write the summary for people."""
        case = self._desk.case(state["incident"])
        self._desk.write(case.incident.id, "SUMMARY", {"text": self._desk.reasoner.summarise(facts(case))})
        self._desk.evidence.pop(case.incident.id, None)
        return {"go": END}

    def wait(self, state: State) -> State:
        """Let time pass before another look; pure."""
        interrupt({"waits_for": "more evidence", "incident": state["incident"]})
        return {"go": "begin"}

    def wait_judge(self, state: State) -> State:
        """Let the readings come back; pure."""
        interrupt({"waits_for": "fresh data", "incident": state["incident"]})
        return {"go": "judge"}

    def wait_act(self, state: State) -> State:
        """Let a hold pass; pure."""
        interrupt({"waits_for": "a hold", "incident": state["incident"]})
        return {"go": "act"}

    def wait_verify(self, state: State) -> State:
        """Let the proof ripen; pure."""
        interrupt({"waits_for": "proof", "incident": state["incident"]})
        return {"go": "verify"}

    def _finder(self, case: Case, scene: Scene) -> Callable[[Hypothesis], Facts]:
        past = tuple(each for each in read_cases(self._desk.journal) if each.incident.id != case.incident.id)

        def find(hypothesis: Hypothesis) -> Facts:
            service = subject_of(case, hypothesis, scene).service
            bindings = bindings_for(case, scene, hypothesis, past)
            ground = Ground(service, bindings, scene)
            return Facts(service.name, bindings, lambda name: unmet(name, ground))

        return find

    def _is_shared(self, plan: Plan, case: Case) -> bool:
        """Whether another open case is healing a node that this plan would heal too."""
        nodes = {step.action.node for step in plan.steps if isinstance(step.action, SetSchedulable)}
        others = (other for other in read_cases(self._desk.journal) if other.is_open and other.plan is not None)
        return bool(nodes) and any(
            isinstance(step.action, SetSchedulable) and step.action.node in nodes
            for other in others
            if other.incident.id != case.incident.id and other.plan is not None and unspent(other) is not None
            for step in other.plan.steps
        )

    def _self_healed(self, case: Case) -> bool:
        service = self._desk.fleet.service(case.incident.service)
        recent = self._desk.look().history[-4:]
        cost_only = all(anomaly.detector == "cost" for anomaly in case.incident.anomalies)
        return len(recent) == 4 and not cost_only and all(standing(seen, service) == "holds" for seen in recent)

    def _looked_since(self, case: Case) -> datetime:
        """Return since when the readings for a decision are waited for: the round's begin, or a person's yes."""
        answered = case.approval.answered_at if case.approval else None
        return max(round_began(case), answered or round_began(case))

    def _note(self, case: Case, execution: Execution) -> None:
        old = case.execution
        same = old is not None and (old.state, old.steps) == (execution.state, execution.steps)
        if not same:
            self._desk.write(case.incident.id, "EXECUTION", execution.model_dump(mode="json"))

    def _end(self, case: Case, verdict: str, text: str) -> State:
        self._outcome(case, verdict, text)
        return {"go": "report"}

    def _outcome(self, case: Case, verdict: str, text: str, healed: datetime | None = None) -> None:
        scene = self._desk.look()
        service = self._desk.fleet.service(case.incident.service)
        numbers = measured(case, scene, service, self._desk.since(case.incident.id, "VERIFYING"))
        outcome = Outcome.model_validate(
            {
                "incident": case.incident.id,
                "at": scene.now,
                "verdict": verdict,
                "text": text,
                "measured": numbers,
                "healed_at": healed,
            }
        )
        self._desk.close(case.incident.id, outcome)


def _patience(scene: Scene, evidence: Sequence[Evidence]) -> timedelta:
    """Return for how long a case waits for what would decide it: longer where what was asked for did not come."""
    blind = bool(scene.observation.problems) or any(e.analyst == "changes" and not e.weight for e in evidence)
    return BLIND_PATIENCE if blind else PATIENCE


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
