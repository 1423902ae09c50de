"""A case in a few sentences of facts: what a summary is written from, by a language model or by the template."""

from collections.abc import Iterator

from agent.casebook import Case
from agent.view.figures import deed, span
from agent.view.plain import plain
from tools.figure import figure

LONGEST = 600  # characters of one fact
MOST_DEEDS = 3  # steps that are told one by one
MOST_REASONS = 2  # findings that are told for a cause


def facts(case: Case) -> str:
    """Return one Markdown bullet per fact, in the order of events; text from outside stays on its line."""
    lines = (*_signs(case), *_cause(case), *_deeds(case), *_ending(case))
    return "\n".join(f"- {plain(line, LONGEST)}" for line in lines)


def _signs(case: Case) -> Iterator[str]:
    incident = case.incident
    first, onset = incident.anomalies[0], min(anomaly.onset_at for anomaly in incident.anomalies)
    reading = f"{figure(first.signal, first.value)} where {figure(first.signal, first.expected)} is expected"
    late = f"noticed {span(incident.at - onset)} after it began at {onset:%H:%M:%S}"
    also = f", felt by {', '.join(incident.related)}" if incident.related else ""
    yield f"{first.entity.replace('/', ' ')}: {first.signal} is {reading}, {late}{also}"


def _cause(case: Case) -> Iterator[str]:
    top = case.diagnosis.top if case.diagnosis else None
    if case.diagnosis is None or top is None:
        return
    known = sorted((e for e in case.evidence if e.id in top.supporting and e.weight > 0), key=lambda e: -e.weight)
    reasons = "; ".join(item.text for item in known[:MOST_REASONS])
    word = "the cause is" if case.diagnosis.resolved else "no cause stands out; the likeliest is"
    yield f"{word} {top.fault} on {top.entity} ({top.probability:.0%})" + (f": {reasons}" if reasons else "")


def _deeds(case: Case) -> Iterator[str]:
    for plan in case.plans:
        deeds = [deed(step.action) for step in plan.steps]
        few = len(deeds) <= MOST_DEEDS
        steps = ", ".join(deeds) if few else f"{len(deeds)} steps, from {deeds[0]} to {deeds[-1]}"
        yield f"attempt {plan.attempt}, {plan.playbook}: {steps}"
    if case.approval is not None:
        by = f" by {case.approval.by}" if case.approval.by else ""
        yield f"a person was asked, and the plan was {case.approval.state}{by}"


def _ending(case: Case) -> Iterator[str]:
    if case.outcome is None:
        return
    text = f"{case.outcome.verdict.replace('_', ' ')} at {case.outcome.at:%H:%M:%S}: {case.outcome.text}"
    moved = [item for item in case.outcome.measured if item.before is not None and item.after is not None]
    yield text + "".join(
        f"; {item.signal} {figure(item.signal, item.before)}, now {figure(item.signal, item.after)}" for item in moved
    )
