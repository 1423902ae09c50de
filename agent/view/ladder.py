"""The ladder of autonomy as a table."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.view.plain import plain
from agent.view.style import QUIET
from policies.ladder import Standing, Tally


def ladder_table(found: Sequence[Standing]) -> RenderableType:
    """Return where each playbook stands, and the story of those that moved."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("playbook", "environment", "may", "earned", "most", "production", "drills", "next"):
        table.add_column(name, overflow="fold")
    for each in found:
        evidence = (_evidence(each.production), _evidence(each.drill))
        ahead = f"push to {each.next}: {each.why}" if each.next else each.why
        earned = f"{each.earned}, held {each.held}" if each.held else each.earned
        table.add_row(each.playbook, each.environment, each.rung, earned, each.ceiling, *evidence, plain(ahead, 200))
    told = [
        Text(f"{each.playbook} in {each.environment}: {plain(line, 300)}", style=QUIET)
        for each in found
        for line in each.story
    ]
    return Group(table, *told)


def _evidence(tally: Tally) -> str:
    return f"{tally.successes} of {tally.cases} right" if tally.cases else "none"
