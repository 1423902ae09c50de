"""A case told again from the journal alone, in the order in which it was thought and done.

Evidence, every hypothesis with the rejected ones, plan, facts, decision, answer, steps, effect: one chapter per entry.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.case import Diagnosis, Evidence, Hypothesis, Incident, Outcome
from agent.view.figures import deed
from agent.view.plain import plain
from config.frozen import Frozen
from playbooks.plan import Execution, Plan
from policies.decision import Approval, Decision, Situation
from tools.figure import figure
from tools.journal import Entry, Json


class Chapter(Frozen):
    """One entry, told. ``seq`` is its place in the journal, where an auditor finds it."""

    seq: int
    at: datetime
    kind: str
    title: str
    lines: tuple[str, ...] = ()


def chapters(entries: Iterable[Entry]) -> tuple[Chapter, ...]:
    """Return the chapters of one incident's entries."""
    known: dict[str, Evidence] = {}
    plans: dict[str, Plan] = {}
    return tuple(_chapter(entry, _Shelf(known, plans)) for entry in entries)


class _Shelf:
    """What earlier chapters brought: evidence by id and plans by name."""

    def __init__(self, evidence: dict[str, Evidence], plans: dict[str, Plan]) -> None:
        self.evidence, self.plans = evidence, plans


def _chapter(entry: Entry, shelf: _Shelf) -> Chapter:
    teller = _TELLERS.get(entry.kind)
    title, lines = teller(entry.body, shelf) if teller else (entry.kind.lower().replace("_", " "), _fields(entry.body))
    clean = tuple(plain(line, 600) for line in lines)
    return Chapter(seq=entry.seq, at=entry.at, kind=entry.kind, title=plain(title, 300), lines=clean)


Told = tuple[str, list[str]]


def _incident(body: Json, shelf: _Shelf) -> Told:
    del shelf
    incident = Incident.model_validate(body)
    signs = [
        f"{item.signal} of {item.entity}: {figure(item.signal, item.value)}, expected "
        f"{figure(item.signal, item.expected)} ({item.detector}, since {item.onset_at:%H:%M:%S})"
        for item in incident.anomalies
    ]
    return f"incident {incident.id}: {incident.service}, {incident.severity}", signs


def _evidence(body: Json, shelf: _Shelf) -> Told:
    items = [Evidence.model_validate(item) for item in body["items"]]
    shelf.evidence.update({item.id: item for item in items})
    seen = sorted(items, key=lambda item: (-item.weight, item.id))
    return f"evidence: {len(items)} findings", [f"{item.weight:+.1f} {item.analyst}: {item.text}" for item in seen]


def _diagnosis(body: Json, shelf: _Shelf) -> Told:
    found = Diagnosis.model_validate(body)
    lines = [
        line
        for place, each in enumerate(found.hypotheses)
        for line in _hypothesis(each, "accepted" if found.resolved and place == 0 else "rejected", shelf)
    ]
    if found.wants:
        lines.append(f"wanted to decide: {found.wants}")
    return f"hypotheses: {'resolved' if found.resolved else 'unresolved'}", lines


def _hypothesis(each: Hypothesis, fate: str, shelf: _Shelf) -> list[str]:
    parts = [f"{fate} {each.probability:.0%} {each.fault} on {each.entity}"]
    for word, ids in (("for", each.supporting), ("against", each.opposing)):
        parts += [f"  {word}: {_told(shelf.evidence[name]) if name in shelf.evidence else name}" for name in ids]
    return parts


def _told(item: Evidence) -> str:
    """Return a finding in words; what was looked for and not seen is called that."""
    return item.text if item.weight > 0 else f"{item.finding} not seen: {item.text}"


def _plan(body: Json, shelf: _Shelf) -> Told:
    plan = Plan.model_validate(body)
    shelf.plans[plan.id] = plan
    bounds = plan.bounds
    lines = [
        f"predicted: {plan.predicted}",
        *(f"step {step.id}: {deed(step.action)}" for step in plan.steps),
        f"bounds: {bounds.steps} steps, {bounds.targets} targets, {bounds.time}, {bounds.money:g} per hour; "
        f"undo: {plan.undo}; digest {plan.digest()}",
    ]
    return f"plan {plan.id}: {plan.playbook} against {plan.fault}, attempt {plan.attempt}", lines


def _situation(body: Json, shelf: _Shelf) -> Told:
    del shelf
    facts = Situation.model_validate(body).model_dump(mode="json", exclude={"incident", "at"})
    return "facts for the judge", [", ".join(f"{name} {value}" for name, value in facts.items() if value != "")]


def _decision(body: Json, shelf: _Shelf) -> Told:
    del shelf
    decision = Decision.model_validate(body)
    lines = [f"{reason.rule}: {reason.text}" for reason in decision.reasons]
    return f"decision: {decision.verdict} (plan {decision.plan_digest}, policy {decision.policy_digest})", lines


def _approval(body: Json, shelf: _Shelf) -> Told:
    del shelf
    found = Approval.model_validate(body)
    by = f" by {found.by}" if found.by else ""
    return f"question {found.id}: {found.state}{by}", [found.note] if found.note else []


def _execution(body: Json, shelf: _Shelf) -> Told:
    del shelf
    found = Execution.model_validate(body)
    lines = [f"step {each.step}: {each.state} {each.detail}".rstrip() for each in found.steps]
    return f"execution: {found.state} {found.reason}".rstrip(), lines


def _outcome(body: Json, shelf: _Shelf) -> Told:
    del shelf
    found = Outcome.model_validate(body)
    lines = [
        f"{each.signal} of {each.entity}: {figure(each.signal, each.before)} -> {figure(each.signal, each.after)}"
        + ("" if each.target is None else f" (target {figure(each.signal, each.target)})")
        for each in found.measured
    ]
    return f"effect: {found.verdict.replace('_', ' ')}: {found.text}", lines


def _fields(body: Mapping[str, Any]) -> list[str]:
    said = [f"{name} {value}" for name, value in sorted(body.items()) if isinstance(value, str | int | float)]
    return [", ".join(said)] if said else []


_TELLERS: Mapping[str, Callable[[Json, _Shelf], Told]] = {
    "INCIDENT": _incident,
    "EVIDENCE": _evidence,
    "DIAGNOSIS": _diagnosis,
    "PLAN": _plan,
    "SITUATION": _situation,
    "DECISION": _decision,
    "APPROVAL": _approval,
    "EXECUTION": _execution,
    "OUTCOME": _outcome,
}


def as_text(found: Iterable[Chapter]) -> str:
    """Return the chapters for people; ends in a newline."""
    lines = []
    for each in found:
        lines.append(f"{each.at:%Y-%m-%d %H:%M:%S}Z #{each.seq} {each.title}")
        lines += [f"    {line}" for line in each.lines]
    return "\n".join(lines) + "\n"
