"""The casebook: every case is a fold over the journal, and nothing else.

The agent writes one entry per noun (kind = the noun's name in capitals, body = its JSON); ``fold`` reads them back.
Entries of other writers (the executor, approvals) appear in the timeline only.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from agent.case import Diagnosis, Evidence, Incident, Outcome
from config.frozen import Frozen
from playbooks.plan import Execution, Plan
from policies.decision import Approval, Decision, Situation
from tools.figure import beside
from tools.journal import Entry, Journal, Json

Phase = Literal[
    "investigating", "planning", "waiting_approval", "acting", "verifying", "recovered", "escalated", "closed"
]
OPEN: frozenset[Phase] = frozenset(("investigating", "planning", "waiting_approval", "acting", "verifying"))


class TimelineItem(Frozen):
    """One line of a case's story."""

    at: datetime
    kind: str  # the entry's kind: INCIDENT, EVIDENCE, DIAGNOSIS, PLAN, DECISION, APPROVAL, STEP_INTENT, OUTCOME ...
    text: str


class Case(Frozen):
    """Everything known of one incident, rebuilt from the journal alone."""

    incident: Incident
    phase: Phase = "investigating"
    evidence: tuple[Evidence, ...] = ()  # the last round's
    diagnosis: Diagnosis | None = None
    plans: tuple[Plan, ...] = ()  # attempts, oldest first
    decision: Decision | None = None
    approval: Approval | None = None
    execution: Execution | None = None
    outcome: Outcome | None = None
    barred: tuple[str, ...] = ()  # plans that ended at a refused first look: they are no attempts
    held: tuple[str, ...] = ()  # plans broken off by what passes by itself: they say nothing of their playbooks
    summary: str = ""
    timeline: tuple[TimelineItem, ...] = ()

    @property
    def plan(self) -> Plan | None:
        """The present plan."""
        return self.plans[-1] if self.plans else None

    @property
    def is_open(self) -> bool:
        """Whether somebody still works on it."""
        return self.phase in OPEN


class ServiceRow(Frozen):
    """One service as the console shows it."""

    name: str
    kind: str
    tier: str
    state: Literal["ok", "bad", "no_data"]
    ready: int | None
    wanted: int | None
    headline: dict[str, float | None]  # signal -> present value, at most four
    targets: dict[str, float] = Field(default_factory=dict)
    broken: tuple[str, ...] = ()  # headline signals whose objective does not hold
    spark: tuple[float | None, ...] = ()  # of the first headline signal, oldest first


class Snapshot(Frozen):
    """What the console draws: one instant of the fleet and its cases."""

    at: datetime
    environment: str
    services: tuple[ServiceRow, ...]
    cases: tuple[Case, ...]  # open ones first, then closed, newest first
    problems: tuple[str, ...] = ()


def read_case(journal: Journal, incident: str) -> Case | None:
    """Rebuild one case from the journal; None when there is no such incident."""
    return fold(journal.entries(subject=incident))


def read_cases(journal: Journal) -> tuple[Case, ...]:
    """Rebuild every case."""
    cases = (read_case(journal, subject) for subject in journal.subjects() if subject.startswith("inc-"))
    return tuple(case for case in cases if case is not None)


def last_case(journal: Journal) -> Case | None:
    """Return the newest case in which something was planned or is still open; only where there is none, the newest."""
    cases = sorted(read_cases(journal), key=lambda case: case.incident.at)
    told = [case for case in cases if case.plans or case.is_open]
    return next(reversed(told or cases), None)


def fold(entries: Iterable[Entry]) -> Case | None:
    """Fold entries of one subject into a case. Unknown kinds only lengthen the timeline."""
    case: Case | None = None
    for entry in entries:
        case = _start(entry) if case is None else step(case, entry)
    return case


def _start(entry: Entry) -> Case | None:
    if entry.kind != "INCIDENT":
        return None
    incident = Incident.model_validate(entry.body)
    return Case(incident=incident, timeline=(TimelineItem(at=entry.at, kind=entry.kind, text=opening(incident)),))


def opening(incident: Incident) -> str:
    """Return the first line of a case's story."""
    first = incident.anomalies[0]
    more = f" and {len(incident.anomalies) - 1} more" if len(incident.anomalies) > 1 else ""
    value = beside(first.signal, first.value, "expected", first.expected)
    return f"{incident.service}: {first.signal} {value} ({first.entity}){more}"


Update = dict[str, object]


def step(case: Case, entry: Entry) -> Case:
    """Return the case after one more entry."""
    reader = READERS.get(entry.kind)
    update, text = reader(case, entry.body) if reader else ({}, _plain(entry.body))
    item = TimelineItem(at=entry.at, kind=entry.kind, text=text)
    return case.model_copy(update={**update, "timeline": (*case.timeline, item)})


def _plain(body: Json) -> str:
    said = str(body.get("text", body.get("detail", "")))
    return said or ", ".join(f"{key} {value}" for key, value in body.items() if isinstance(value, str | int))[:160]


def _incident(case: Case, body: Json) -> tuple[Update, str]:
    del case
    incident = Incident.model_validate(body)
    return {"incident": incident}, opening(incident)


def _evidence(case: Case, body: Json) -> tuple[Update, str]:
    del case
    items = tuple(Evidence.model_validate(item) for item in body["items"])
    text = "; ".join(item.text for item in items if item.weight > 0) or "nothing out of the ordinary"
    return {"evidence": items, "phase": "investigating"}, text


def _diagnosis(case: Case, body: Json) -> tuple[Update, str]:
    del case
    diagnosis = Diagnosis.model_validate(body)
    return {"diagnosis": diagnosis, "phase": "planning"}, verdict_line(diagnosis)


def _planned(case: Case, body: Json) -> tuple[Update, str]:
    plan = Plan.model_validate(body)
    update: Update = {"plans": (*case.plans, plan), "decision": None, "approval": None, "execution": None}
    steps = "1 step" if len(plan.steps) == 1 else f"{len(plan.steps)} steps"
    return update, f"{plan.playbook} ({steps}): {plan.predicted}"


def _situated(case: Case, body: Json) -> tuple[Update, str]:
    del case
    found = Situation.model_validate(body)
    said = f"confidence {found.confidence_percent} %, load {found.load_percent} %, blast {found.blast_percent} %"
    return {}, f"{said}, {_margin(found.floor_margin)}{found.tier}, rules of {found.environment}"


def _margin(spare: int) -> str:
    """Return how far from the floor of replicas, in words."""
    return f"{abs(spare)} {'below' if spare < 0 else 'above'} the floor, "


def _decided(case: Case, body: Json) -> tuple[Update, str]:
    del case
    decision = Decision.model_validate(body)
    return {"decision": decision}, f"{decision.verdict}: " + "; ".join(r.text for r in decision.reasons[:6])


def _approval(case: Case, body: Json) -> tuple[Update, str]:
    approval = Approval.model_validate(body)
    phase = "waiting_approval" if approval.state == "pending" else case.phase
    return {"approval": approval, "phase": phase}, approval.state + (f" by {approval.by}" if approval.by else "")


def _executed(case: Case, body: Json) -> tuple[Update, str]:
    execution = Execution.model_validate(body)
    again = not execution.barred or execution.plan in case.barred
    barred = case.barred if again else (*case.barred, execution.plan)
    held = (*case.held, execution.plan) if execution.held and execution.plan not in case.held else case.held
    return {
        "execution": execution,
        "phase": "acting",
        "barred": barred,
        "held": held,
    }, f"{execution.state} {execution.reason}".strip()


def _verifying(case: Case, body: Json) -> tuple[Update, str]:
    del case
    return {"phase": "verifying"}, _plain(body)


def _outcome(case: Case, body: Json) -> tuple[Update, str]:
    del case
    outcome = Outcome.model_validate(body)
    return {"outcome": outcome, "phase": _phase_of(outcome)}, f"{outcome.verdict}: {outcome.text}"


def _summary(case: Case, body: Json) -> tuple[Update, str]:
    del case
    return {"summary": _plain(body)}, _plain(body)


READERS: Mapping[str, Callable[[Case, Json], tuple[Update, str]]] = {
    "INCIDENT": _incident,
    "EVIDENCE": _evidence,
    "DIAGNOSIS": _diagnosis,
    "PLAN": _planned,
    "SITUATION": _situated,
    "DECISION": _decided,
    "APPROVAL": _approval,
    "EXECUTION": _executed,
    "VERIFYING": _verifying,
    "OUTCOME": _outcome,
    "SUMMARY": _summary,
}


def _phase_of(outcome: Outcome) -> Phase:
    match outcome.verdict:
        case "recovered" | "self_recovered":
            return "recovered"
        case "escalated" | "known":
            return "escalated"
        case "not_recovered" | "inconclusive" | "error" | "undone":
            return "investigating"  # the next attempt starts from fresh evidence


def verdict_line(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as one line."""
    ranked = ", ".join(f"{h.fault} on {h.entity} {h.probability:.0%}" for h in diagnosis.hypotheses[:3])
    return ranked if diagnosis.resolved else f"unresolved ({ranked or 'no hypothesis'})"
