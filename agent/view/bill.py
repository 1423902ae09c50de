"""A bill as Markdown: a table by service, teams, and one line for each change that has a cause."""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta

from agent.bill import Bill, ServiceBill
from agent.view.plain import markdown

HOUR, LEAST = timedelta(hours=1), 0.1  # hours of a period, at least
HEADS = (
    "service",
    "team",
    "cost",
    "per 1,000 tokens",
    "per 1,000 predictions",
    "idle",
    "spare",
    "beside before",
    "month",
)
CAUSES = {
    "price": "a GPU hour costs {:+.0%}",
    "efficiency": "{:+.0%} GPU hours for the same work",
    "volume": "{:+.0%} work",
}


def money(found: Bill | None) -> str:
    """Return the section of a digest; empty where no cost is known."""
    if found is None or not found.services:
        return ""
    rows = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|", *map(_row, found.services)]
    shared = [*_shared("team", found.teams), *_shared("model", found.models)]
    said = [*_said(found), *_blind(found)]
    return "\n".join(["## Money\n", *rows, *(["", *shared] if shared else []), *(["", *said] if said else [])])


def unknown(known: timedelta, asked: timedelta) -> str:
    """Return why there is no bill: nobody measures money, or not for long enough."""
    if not known:
        return "no service has a known cost: are container_gpu_allocation and node_gpu_hourly_cost scraped?"
    hours = known / HOUR
    advice = f"try --hours {math.floor(10 * hours) / 10:g}" if hours >= LEAST else "try again a little later"
    since = f"{hours:.1f} h" if hours >= LEAST else f"{int(60 * hours)} min"
    return f"costs are known for {since} of the {asked / HOUR:g} h asked about, and half is needed: {advice}"


def overrun(found: Bill | None) -> str:
    """Return in a sentence which budget will be overrun most; empty where none will."""
    late = [(one.overrun, one.unit.service) for one in found.services if one.overrun] if found else []
    if not late:
        return ""
    budget, name = max(late, key=lambda each: each[0].forecast / max(each[0].budget, 1e-9))
    spent = f"{budget.forecast:,.0f} in thirty days where {budget.budget:,.0f} are budgeted"
    return f"No incident. Look at the money of {name} first: it is on course for {spent}."


def _shared(name: str, shares: Mapping[str, float]) -> list[str]:
    if not set(shares) - {"(none)"}:
        return []
    dearest = sorted(shares.items(), key=lambda share: (-share[1], share[0]))
    return [f"By {name}: {', '.join(f'{markdown(each)} {cost:,.2f}' for each, cost in dearest)}."]


def _row(one: ServiceBill) -> str:
    unit, change, budget = one.unit, one.change, one.budget
    cells = (
        markdown(unit.service),
        markdown(one.team),
        f"{unit.cost:,.2f}",
        "" if unit.per_thousand_tokens is None else f"{unit.per_thousand_tokens:.4g}",
        "" if unit.per_prediction is None else f"{1000 * unit.per_prediction:.4g}",
        f"{unit.wasted:,.2f}" if unit.wasted else "",
        f"{unit.spare:,.2f}" if unit.spare else "",
        f"{change.after / change.before - 1:+.0%}" if change and change.before > 0 else "",
        f"{budget.forecast:,.0f} of {budget.budget:,.0f}" if budget else "",
    )
    return f"| {' | '.join(cells)} |"


def _said(found: Bill) -> Iterator[str]:
    for one in found.services:
        change, budget, name = one.change, one.overrun, markdown(one.unit.service)
        if change and change.cause in CAUSES and change.before > 0:
            factor = {"price": change.price, "efficiency": change.efficiency, "volume": change.volume}[change.cause]
            why = CAUSES[change.cause].format(factor - 1)
            yield f"- {name}: {change.before:,.2f} before, {change.after:,.2f} now: {why}"
        if budget:
            span = f"{budget.forecast_low:,.0f} to {budget.forecast_high:,.0f}"
            out = f", spent in {_days(budget.runs_out_in)}" if budget.runs_out_in is not None else ""
            yield (
                f"- {name}: on course for {budget.forecast:,.0f} ({span}) in thirty days, budget {budget.budget:,.0f}: "
                f"{budget.rate:.1f} times the even pace{out}"
            )


def _blind(found: Bill) -> Iterator[str]:
    for name, hours in sorted(found.unpriced.items()):
        yield f"- {markdown(name)}: {hours:,.1f} GPU hours, price not known (is node_gpu_hourly_cost there?)"


def _days(left: timedelta) -> str:
    hours = left.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} h"
