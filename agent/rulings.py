"""Why it was decided so: every decision of an incident, with its facts, and what other rules would say."""

from datetime import datetime

from agent.view.plain import plain
from config.frozen import Frozen
from playbooks.plan import Plan
from policies.caps import Caps
from policies.decision import Approval, Decision, Situation
from policies.judge import Rules, judge
from tools.journal import Entry, Journal


class Ruling(Frozen):
    """One decision with what it was made on. ``otherwise``: what other rules say of the same facts."""

    at: datetime
    plan: Plan
    decision: Decision
    situation: Situation | None = None  # journals of before it was recorded have none
    approval: Approval | None = None
    otherwise: Decision | None = None


def rulings(records: Journal, incident: str, others: Rules | None = None) -> tuple[Ruling, ...]:
    """Return the rulings of one incident, oldest first; ``last`` is the incident that was decided about last."""
    kinds = ("PLAN", "SITUATION", "DECISION", "APPROVAL")
    if incident == "last":
        decided = records.entries(kinds=("DECISION",))
        incident = decided[-1].subject if decided else ""
    found: list[Ruling] = []
    plan: Plan | None = None
    situation: Situation | None = None
    for entry in records.entries(subject=incident, kinds=kinds):
        match entry.kind:
            case "PLAN":
                plan, situation = Plan.model_validate(entry.body), None
            case "SITUATION":
                situation = Situation.model_validate(entry.body)
            case "DECISION" if plan is not None:
                found.append(_ruling(entry, plan, situation, others))
            case "APPROVAL" if found:
                found[-1] = found[-1].model_copy(update={"approval": Approval.model_validate(entry.body)})
    return tuple(found)


def _ruling(entry: Entry, plan: Plan, situation: Situation | None, others: Rules | None) -> Ruling:
    otherwise = judge(plan, situation, others, Caps()) if others is not None and situation is not None else None
    decision = Decision.model_validate(entry.body)
    return Ruling(at=entry.at, plan=plan, decision=decision, situation=situation, otherwise=otherwise)


def as_text(found: tuple[Ruling, ...]) -> str:
    """Return rulings for people; ends in a newline."""
    return "\n\n".join("\n".join(_lines(each)) for each in found) + "\n"


def _lines(ruling: Ruling) -> list[str]:
    plan, decision = ruling.plan, ruling.decision
    lines = [
        f"{ruling.at:%Y-%m-%d %H:%M:%S}Z {decision.verdict.upper()}: {plain(plan.playbook, 60)} of "
        f"{plain(plan.service, 63)} (plan {decision.plan_digest}, policy {decision.policy_digest})",
        *(f"  {plain(reason.rule, 60)}: {plain(reason.text, 400)}" for reason in decision.reasons),
    ]
    if ruling.situation is not None:
        lines.append(f"  facts: {_facts(ruling.situation)}")
    if ruling.approval is not None:
        by = f" by {plain(ruling.approval.by, 60)}" if ruling.approval.by else ""
        lines.append(f"  a person was asked: {ruling.approval.state}{by}")
    if ruling.otherwise is not None:
        lines.append(f"  these rules ({ruling.otherwise.policy_digest}) would say {ruling.otherwise.verdict.upper()}")
        lines += [f"    {reason.rule}: {plain(reason.text, 400)}" for reason in ruling.otherwise.reasons]
    return lines


def _facts(situation: Situation) -> str:
    """Return every fact but names, the instant and empty words, flags only where they are set."""
    said = situation.model_dump(mode="json", exclude={"incident", "at"})
    flags = [name for name, value in said.items() if value is True]
    rest = [f"{name} {value}" for name, value in said.items() if not isinstance(value, bool) and value != ""]
    return plain(", ".join([*rest, *flags]).replace("_", " "), 1200)
