"""One case as labelled lines: story, evidence for and against, hypotheses, plan, decision, question, proof."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from agent.case import Evidence, Hypothesis, Measured
from agent.casebook import Case
from agent.view.figures import bar, clock, deed, span
from agent.view.plain import plain
from agent.view.style import ASK, BAD, GOOD, PHASE, QUIET, STEP, TITLE, VERDICT
from playbooks.plan import Execution, Plan, Step
from policies.decision import Approval
from tools.figure import figure

_LABEL = 10  # columns of the left margin
_STORY = 14  # lines of a story that is not pressed for room


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under one label. ``rank`` 0 is the last to lose lines; ``tail`` keeps the newest instead of the first."""

    label: str
    lines: tuple[Text, ...]
    rank: int
    tail: bool = False


def heading(case: Case, now: datetime) -> Text:
    """Return ``◑ inc-7 chat high · acting · 2m10s``."""
    symbol, style = PHASE[case.phase]
    incident = case.incident
    rest = f"{incident.severity} · {case.phase.replace('_', ' ')} · {span(_ended(case, now) - onset(case))}"
    return Text.assemble(
        (f"{symbol} {plain(incident.id, 40)} ", style), (f"{plain(incident.service, 63)} ", TITLE), (rest, "default")
    )


def onset(case: Case) -> datetime:
    """Return when the trouble began."""
    return min(anomaly.onset_at for anomaly in case.incident.anomalies)


def _ended(case: Case, now: datetime) -> datetime:
    return now if case.is_open or case.outcome is None else case.outcome.healed_at or case.outcome.at


def sections(case: Case) -> tuple[Section, ...]:
    """Return what there is to say, in reading order; empty sections are left out."""
    makers: tuple[tuple[str, Callable[[Case], Sequence[Text]], int, bool], ...] = (
        ("story", _story, 6, True),
        ("evidence", _evidence, 5, False),
        ("cause", _hypotheses, 2, False),
        ("plan", _plan, 3, False),
        ("decision", _decision, 4, False),
        ("approval", _approval, 0, False),
        ("proof", _proof, 1, False),
    )
    found = (Section(label, tuple(make(case)), rank, tail) for label, make, rank, tail in makers)
    return tuple(section for section in found if section.lines)


def fit(parts: Sequence[Section], room: int | None) -> tuple[Section, ...]:
    """Return the sections cut to ``room`` lines: round after round each may keep one more line, by rank."""
    if room is None:
        return tuple(parts)
    kept = {part.label: 0 for part in parts}
    ranked = sorted(parts, key=lambda part: part.rank)
    while room > 0 and (growing := [part for part in ranked if kept[part.label] < len(part.lines)]):
        for part in growing[:room]:
            kept[part.label] += 1
        room -= len(growing[:room])
    return tuple(_cut(part, kept[part.label]) for part in parts if kept[part.label])


def _cut(part: Section, count: int) -> Section:
    lines = part.lines[-count:] if part.tail else part.lines[:count]
    return Section(part.label, lines, part.rank, part.tail)


def labelled(parts: Sequence[Section], width: int) -> tuple[Text, ...]:
    """Return the lines with their labels in the margin, cut to ``width`` columns."""
    out = []
    for part in parts:
        for index, line in enumerate(part.lines):
            row = Text.assemble(((part.label if index == 0 else "").ljust(_LABEL), TITLE), line)
            row.no_wrap = True
            row.truncate(width, overflow="ellipsis")
            out.append(row)
    return tuple(out)


def _story(case: Case) -> Sequence[Text]:
    return [
        Text.assemble(
            (f"{clock(item.at)} ", QUIET),
            (f"{plain(item.kind, 12).lower().replace('_', ' '):<11} ", GOOD),
            plain(item.text, 300),
        )
        for item in case.timeline[-_STORY:]
    ]


def _evidence(case: Case) -> Sequence[Text]:
    ranked = sorted(case.evidence, key=lambda item: (-abs(item.weight), item.id))
    return [_finding(item) for item in ranked]


def _finding(item: Evidence) -> Text:
    sign, style = ("+", BAD) if item.weight > 0 else ("−", QUIET)
    return Text.assemble((f"{sign}{abs(item.weight):.1f} ", style), f"{item.analyst:<9} {plain(item.text, 300)}")


def _hypotheses(case: Case) -> Sequence[Text]:
    if case.diagnosis is None:
        return []
    lines = [_hypothesis(item, first=index == 0) for index, item in enumerate(case.diagnosis.hypotheses[:5])]
    if not case.diagnosis.resolved:
        wanted = f"; would ask: {plain(case.diagnosis.wants, 120)}" if case.diagnosis.wants else ""
        lines.append(Text(f"unresolved: goes to a person{wanted}", style=ASK))
    return lines


def _hypothesis(item: Hypothesis, first: bool) -> Text:
    return Text.assemble(
        (f"{bar(item.probability, 10)} {item.probability:>4.0%} ", BAD if first else QUIET),
        (f"{plain(item.fault, 40)} on {plain(item.entity, 80)} ", TITLE if first else ""),
        (f"({len(item.supporting)} for, {len(item.opposing)} against)", QUIET),
    )


def _plan(case: Case) -> Sequence[Text]:
    if case.plan is None:
        return []
    rest = f" (attempt {case.plan.attempt}): {plain(case.plan.predicted, 200)}"
    title = Text.assemble((plain(case.plan.playbook, 60), TITLE), rest)
    return [title, *(_step(step, case.execution, case.plan) for step in case.plan.steps)]


def _step(step: Step, execution: Execution | None, plan: Plan) -> Text:
    records = execution.steps if execution is not None and execution.plan == plan.id else ()
    record = next((item for item in reversed(records) if item.step == step.id), None)
    state = record.state if record else "waiting"
    symbol, style = STEP[state]
    line = Text.assemble((f"{symbol} {state:<8} ", style), plain(deed(step.action), 160))
    if step.hold:
        line.append(f", then hold {span(step.hold)}", style=QUIET)
    return line.append(f"  {plain(record.detail, 120)}", style=QUIET) if record and record.detail else line


def _decision(case: Case) -> Sequence[Text]:
    if case.decision is None:
        return []
    symbol, style = VERDICT[case.decision.verdict.value]
    first = (f"{symbol} {case.decision.verdict.value.upper()} ", style)
    reasons = [Text(f"{plain(reason.rule, 60)}: {plain(reason.text, 200)}") for reason in case.decision.reasons]
    return [Text.assemble(first, reasons[0]), *reasons[1:]]


def _approval(case: Case) -> Sequence[Text]:
    if case.approval is None:
        return []
    if case.approval.state == "pending":
        return _question(case.approval)
    by = f" by {plain(case.approval.by, 60)}" if case.approval.by else ""
    note = f": {plain(case.approval.note, 160)}" if case.approval.note else ""
    return [Text(f"{case.approval.state}{by}{note}")]


def _question(approval: Approval) -> Sequence[Text]:
    name = plain(approval.id, 60)
    return [
        Text(f"? a person must answer before {clock(approval.expires_at)}:  {name}", style=ASK),
        Text(f"prunella approvals approve {name}   (or reject)", style=TITLE),
    ]


def _proof(case: Case) -> Sequence[Text]:
    if case.outcome is None:
        return []
    good = case.outcome.verdict in ("recovered", "self_recovered")
    mark, style = ("✔", GOOD) if good else ("▲", ASK)
    verdict = case.outcome.verdict.replace("_", " ")
    lines = [Text.assemble((f"{mark} {verdict}: ", style), plain(case.outcome.text, 200))]
    return [*lines, *(_measured(item) for item in case.outcome.measured)]


def _measured(item: Measured) -> Text:
    before, after = figure(item.signal, item.before), figure(item.signal, item.after)
    target = "" if item.target is None else f" target {figure(item.signal, item.target)}"
    return Text.assemble(
        f"{plain(item.signal, 24):<18} ",
        (f"{before:>8}", BAD),
        (" → ", QUIET),
        (f"{after:<8}", GOOD),
        (f"{target}  {plain(item.entity, 80)}", QUIET),
    )
