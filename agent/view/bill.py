"""A bill as Markdown: a table by service, teams, and one line for each change that has a cause."""

from collections.abc import Iterator

from agent.bill import Bill, ServiceBill
from agent.view.plain import markdown

CAUSES = {
    "price": "a GPU hour costs {:+.0%}",
    "efficiency": "{:+.0%} GPU hours for the same work",
    "volume": "{:+.0%} work",
}


def money(found: Bill | None) -> str:
    """Return the section of a digest; empty where no cost is known."""
    if found is None or not found.services:
        return ""
    rows = ["| service | team | cost | per 1,000 tokens | per 1,000 predictions | idle | beside before |"]
    rows += ["|---|---|---|---|---|---|---|", *map(_row, found.services)]
    teams = [f"{markdown(name)} {cost:,.2f}" for name, cost in sorted(found.teams.items(), key=_dearest)]
    by_team = ["", f"By team: {', '.join(teams)}."] if set(found.teams) != {"(none)"} else []
    said = list(_said(found))
    return "\n".join(["## Money\n", *rows, *by_team, *(["", *said] if said else [])])


def _dearest(team: tuple[str, float]) -> tuple[float, str]:
    return -team[1], team[0]


def _row(one: ServiceBill) -> str:
    unit, change = one.unit, one.change
    cells = (
        markdown(unit.service),
        markdown(one.team),
        f"{unit.cost:,.2f}",
        "" if unit.per_thousand_tokens is None else f"{unit.per_thousand_tokens:.4g}",
        "" if unit.per_prediction is None else f"{1000 * unit.per_prediction:.4g}",
        f"{unit.wasted:,.2f}" if unit.wasted else "",
        f"{change.after / change.before - 1:+.0%}" if change and change.before > 0 else "",
    )
    return f"| {' | '.join(cells)} |"


def _said(found: Bill) -> Iterator[str]:
    for one in found.services:
        change, budget, name = one.change, one.budget, markdown(one.unit.service)
        if change and change.cause in CAUSES and change.before > 0:
            factor = {"price": change.price, "efficiency": change.efficiency, "volume": change.volume}[change.cause]
            why = CAUSES[change.cause].format(factor - 1)
            yield f"- {name}: {change.before:,.2f} before, {change.after:,.2f} now: {why}"
        if budget and budget.tier != "none":
            span = f"{budget.forecast_low:,.0f} to {budget.forecast_high:,.0f}"
            yield f"- {name}: on course for {budget.forecast:,.0f} ({span}) in thirty days, budget {budget.budget:,.0f}"
