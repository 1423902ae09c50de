"""A case as Markdown, fit to paste into a postmortem. Every text from outside is escaped; same case, same report."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agent.case import Evidence, Hypothesis
from agent.casebook import Case
from agent.view.figures import deed, span
from agent.view.plain import markdown, plain
from playbooks.plan import Plan, Step
from tools.figure import figure


def explain(case: Case) -> str:
    """Return the whole report; ends in a newline."""
    makers = (_signals, _cause, _evidence, _decision, _deeds, _outcome, _story)
    parts = [_head(case), *(part for make in makers if (part := make(case)))]
    return "\n\n".join(parts) + "\n"


def verdict(case: Case) -> str:
    """Return how a case went as one line of plain text, with the figures that prove it."""
    name = f"{plain(case.incident.id, 40)} {plain(case.incident.service, 63)}: {case.phase.replace('_', ' ')}"
    if case.outcome is None:
        return name
    took = ""
    if case.outcome.healed_at:
        took = f" after {span(case.outcome.healed_at - min(item.onset_at for item in case.incident.anomalies))}"
    figures = "; ".join(
        f"{plain(item.signal, 40)} {figure(item.signal, item.before)} -> {figure(item.signal, item.after)}"
        f" (target {_target(item.signal, item.target)})"
        for item in case.outcome.measured
    )
    return f"{name}{took}" + (f"; {figures}" if figures else "")


def _head(case: Case) -> str:
    incident, top = case.incident, case.diagnosis.top if case.diagnosis else None
    healed = case.outcome.healed_at if case.outcome else None
    began = min(anomaly.onset_at for anomaly in incident.anomalies)
    title = f"# {markdown(incident.id)}: {markdown(incident.service)}, {case.phase.replace('_', ' ')}"
    facts = [
        f"- severity: {incident.severity}, tier: {incident.tier}",
        f"- began {_when(began)}, noticed {_when(incident.at)} ({span(incident.at - began)} later)",
        *([_healed(case, healed, began)] if healed else []),
        *([f"- cause: {_hypothesis_name(top)}, {top.probability:.0%}"] if top else []),
        *([f"- also affected: {', '.join(markdown(name) for name in incident.related)}"] if incident.related else []),
    ]
    summary = f"\n\n{markdown(case.summary, 2000)}" if case.summary else ""
    return f"{title}{summary}\n\n" + "\n".join(facts)


def _healed(case: Case, healed: datetime, began: datetime) -> str:
    """Say since when it has been well, and when that was proven: two instants, lest they look like a contradiction."""
    words = f"- well again since {_when(healed)}, {span(healed - began)} after it began"
    proven = case.outcome.at if case.outcome else healed
    return f"{words}; proven at {_when(proven)}, when it had stayed so" if proven > healed else words


def _signals(case: Case) -> str:
    measured = case.outcome.measured if case.outcome else ()
    if not measured:
        rows = [
            (
                item.signal,
                item.entity,
                figure(item.signal, item.value),
                figure(item.signal, item.expected),
                item.detector,
            )
            for item in case.incident.anomalies
        ]
        return "## Signals\n\n" + _table(("signal", "of", "value", "expected", "detector"), rows)
    pairs = [
        (
            item.signal,
            item.entity,
            *(figure(item.signal, value) for value in (item.before, item.after)),
            _target(item.signal, item.target),
        )
        for item in measured
    ]
    return "## Signals\n\n" + _table(("signal", "of", "before", "after", "target"), pairs)


def _target(signal: str, target: float | None) -> str:
    return "–" if target is None else figure(signal, target)


def _cause(case: Case) -> str:
    if case.diagnosis is None:
        return ""
    known = {item.id: item for item in case.evidence}
    lines = [_ranked(item, known) for item in case.diagnosis.hypotheses]
    if not case.diagnosis.resolved:
        lines.append("- **unresolved**: no hypothesis stood out, so a person decides")
    if case.diagnosis.wants:
        lines.append(f"- the reading that would decide: {markdown(case.diagnosis.wants)}")
    return "## Cause\n\n" + "\n".join(lines)


def _ranked(item: Hypothesis, known: dict[str, Evidence]) -> str:
    """Return one hypothesis with the evidence it stands or falls by."""
    lines = [f"- {item.probability:.0%} {_hypothesis_name(item)}"]
    for word, ids in (("for", item.supporting), ("against", item.opposing)):
        lines += [f"  - {word}: {_told(known[id_])}" for id_ in ids if id_ in known]
    return "\n".join(lines)


def _told(item: Evidence) -> str:
    """Return a finding in words; what was looked for and not seen speaks as well, and is called that."""
    return markdown(item.text) if item.weight > 0 else f"{markdown(item.finding)} not seen: {markdown(item.text)}"


def _hypothesis_name(item: Hypothesis) -> str:
    return f"**{markdown(item.fault)}** on {markdown(item.entity)}"


def _evidence(case: Case) -> str:
    ranked = sorted(case.evidence, key=lambda item: (-abs(item.weight), item.id))
    seen = [_finding(item) for item in ranked if item.weight > 0]
    unseen = [_finding(item) for item in ranked if item.weight <= 0]
    parts = []
    if seen:
        parts.append("### Seen\n\n" + "\n".join(seen))
    if unseen:
        parts.append("### Looked for, and not seen\n\n" + "\n".join(unseen))
    return "## Evidence\n\n" + "\n\n".join(parts) if parts else ""


def _finding(item: Evidence) -> str:
    query = f" ({_code(item.query)})" if item.query else ""
    return f"- {item.weight:+.1f} {item.analyst}, {markdown(item.finding)}: {markdown(item.text)}{query}"


def _decision(case: Case) -> str:
    if case.decision is None:
        return ""
    lines = [f"- {markdown(reason.rule)}: {markdown(reason.text)}" for reason in case.decision.reasons]
    bound = f"Plan {_code(case.decision.plan_digest)} under policy {_code(case.decision.policy_digest)}."
    return f"## Decision: {case.decision.verdict.value}\n\n" + "\n".join([*lines, *_answer(case)]) + f"\n\n{bound}"


def _answer(case: Case) -> Iterator[str]:
    if case.approval is None:
        return
    by = f" by {markdown(case.approval.by)}" if case.approval.by else ""
    when = f" at {_when(case.approval.answered_at)}" if case.approval.answered_at else ""
    note = f": {markdown(case.approval.note)}" if case.approval.note else ""
    yield f"- a person was asked ({_code(case.approval.id)}): **{case.approval.state}**{by}{when}{note}"


def _deeds(case: Case) -> str:
    if not case.plans:
        return ""
    return "## What was done\n\n" + "\n\n".join(_attempt(case, plan) for plan in case.plans)


def _attempt(case: Case, plan: Plan) -> str:
    title = f"Attempt {plan.attempt}: playbook **{markdown(plan.playbook)}**, to get: {markdown(plan.predicted)}"
    lines = [_step(case, plan, index, step) for index, step in enumerate(plan.steps, 1)]
    execution = case.execution if case.execution and case.execution.plan == plan.id else None
    if execution and execution.reason:
        lines.append(f"\nIt stopped as {execution.state}: {markdown(execution.reason)}")
    return f"{title}\n\n" + "\n".join(lines)


def _step(case: Case, plan: Plan, index: int, step: Step) -> str:
    records = case.execution.steps if case.execution and case.execution.plan == plan.id else ()
    record = next((item for item in reversed(records) if item.step == step.id), None)
    if record is None:
        return f"{index}. {markdown(deed(step.action))}: no record"
    detail = f", {markdown(record.detail)}" if record.detail else ""
    done = f"{record.state} at {_when(record.at)}{detail} ({_code(record.operation)})"
    return f"{index}. {markdown(deed(step.action))}: {done}"


def _outcome(case: Case) -> str:
    if case.outcome is None:
        return ""
    return f"## Outcome: {case.outcome.verdict.replace('_', ' ')}\n\n{markdown(case.outcome.text)}"


def _story(case: Case) -> str:
    lines = [f"- {_when(item.at)} {markdown(item.kind)}: {markdown(item.text)}" for item in case.timeline]
    return "## Timeline\n\n" + "\n".join(lines) if lines else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(markdown(cell, 200) for cell in row)} |" for row in rows]
    return "\n".join((f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines))


def _code(text: str) -> str:
    return "`" + plain(text, 400).replace("`", "'") + "`"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
