"""Tables for the commands that list: incidents, questions, the doctor's checks."""

import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from agent.casebook import Case
from agent.doctor import Check
from agent.view.casefile import heading, labelled, onset, sections
from agent.view.figures import deed, span
from agent.view.plain import plain
from agent.view.style import ASK, BAD, GOOD, PHASE, QUIET, UNKNOWN
from policies.decision import Approval

_PIPE_WIDTH = 160
_CHECK = {"ok": ("✔", GOOD), "missing": ("?", UNKNOWN), "bad": ("✖", BAD)}


def paper() -> Console:
    """Return standard output to draw on; wide where nobody's terminal cuts it."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_out(body: RenderableType) -> None:
    """Print on standard output."""
    paper().print(body)


def show_case(case: Case) -> None:
    """Print everything there is to see of a case."""
    console = paper()
    console.print(heading(case, case.timeline[-1].at if case.timeline else case.incident.at))
    for line in labelled(sections(case), console.width):
        console.print(line)


def in_brief(case: Case) -> dict[str, Any]:
    """Return one line of the list as JSON."""
    top = case.diagnosis.top if case.diagnosis else None
    return {
        "id": case.incident.id,
        "service": case.incident.service,
        "severity": case.incident.severity,
        "phase": case.phase,
        "began_at": onset(case).isoformat(),
        "noticed_at": case.incident.at.isoformat(),
        "healed_at": case.outcome.healed_at.isoformat() if case.outcome and case.outcome.healed_at else None,
        "fault": top.fault if top else None,
        "probability": top.probability if top else None,
        "playbook": case.plan.playbook if case.plan else None,
    }


def cases_table(cases: Sequence[Case]) -> RenderableType:
    """Return the incidents as a table."""
    if not cases:
        return Text("no incidents", style=QUIET)
    table = _table("id", "service", "severity", "phase", "noticed", "took", "cause", "playbook")
    for case in cases:
        symbol, style = PHASE[case.phase]
        top = case.diagnosis.top if case.diagnosis else None
        table.add_row(
            Text(plain(case.incident.id, 40)),
            Text(plain(case.incident.service, 63)),
            case.incident.severity,
            Text(f"{symbol} {case.phase.replace('_', ' ')}", style=style),
            f"{case.incident.at:%Y-%m-%d %H:%M:%S}",
            span(case.outcome.healed_at - onset(case)) if case.outcome and case.outcome.healed_at else "–",
            Text(f"{plain(top.fault, 40)} {top.probability:.0%}" if top else "–"),
            Text(plain(case.plan.playbook, 40) if case.plan else "–"),
        )
    return table


def question_in_brief(case: Case | None, asked: Approval) -> dict[str, Any]:
    """Return a question and what it is about as JSON."""
    plan = case.plan if case else None
    return {
        **asked.model_dump(mode="json"),
        "service": case.incident.service if case else None,
        "playbook": plan.playbook if plan else None,
        "steps": [deed(step.action) for step in plan.steps] if plan else [],
        "predicted": plan.predicted if plan else None,
    }


def questions_table(waiting: Sequence[tuple[Case | None, Approval]]) -> RenderableType:
    """Return the open questions as a table."""
    if not waiting:
        return Text("nothing waits for a person", style=QUIET)
    table = _table("id", "service", "answer before", "playbook", "steps", "expected effect")
    for case, asked in waiting:
        plan = case.plan if case else None
        table.add_row(
            Text(plain(asked.id, 60), style=ASK),
            Text(plain(case.incident.service, 63) if case else "–"),
            f"{asked.expires_at:%Y-%m-%d %H:%M:%S}",
            Text(plain(plan.playbook, 40) if plan else "–"),
            Text("; ".join(plain(deed(step.action), 80) for step in plan.steps[:6]) if plan else "–"),
            Text(plain(plan.predicted, 120) if plan else "–"),
        )
    return table


def checks_table(checks: Sequence[Check]) -> RenderableType:
    """Return the doctor's checks as a table."""
    table = _table("", "what", "finding")
    for check in checks:
        symbol, style = _CHECK[check.state]
        table.add_row(Text(symbol, style=style), Text(plain(check.name, 80)), Text(plain(check.text, 400)))
    return table


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
