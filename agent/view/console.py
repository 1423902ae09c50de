"""The live console: a snapshot as one picture. It never scrolls: what does not fit is cut by rank, the urgent last."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.casebook import Case, Snapshot
from agent.view.casefile import fit, heading, labelled, sections
from agent.view.figures import clock
from agent.view.fleet import fleet_table, rows_needed
from agent.view.plain import plain
from agent.view.style import BAD, BORDER, GOOD, PHASE, QUIET, TITLE

SIDE_BY_SIDE = 170  # columns, from which fleet and case stand next to each other
_FRAME = 2  # lines or columns that a border takes, and a blank on each side
_LEAST_FLEET = 3  # lines that the fleet keeps on a small terminal: the heads, the worst service, how many more
_LEAST_CASE = 9  # lines that the case keeps when the fleet is large


def console(snapshot: Snapshot, width: int, height: int | None = None) -> RenderableType:
    """Return the picture, ``width`` columns wide and, if given, at most ``height`` lines high."""
    if width >= SIDE_BY_SIDE:
        return _side_by_side(snapshot, width, height)
    fleet_lines = rows_needed(snapshot.services) + _FRAME
    if height is not None:
        fleet_lines = max(_FRAME + _LEAST_FLEET, min(fleet_lines, height - _LEAST_CASE - _FRAME))
    room = None if height is None else height - fleet_lines
    return Group(_fleet(snapshot, width, None if height is None else fleet_lines), _cases(snapshot, width, room))


def _side_by_side(snapshot: Snapshot, width: int, height: int | None) -> RenderableType:
    left = width * 45 // 100
    grid = Table.grid()
    grid.add_column(width=left)
    grid.add_column(width=width - left)
    grid.add_row(_fleet(snapshot, left, height), _cases(snapshot, width - left, height))
    return grid


def _fleet(snapshot: Snapshot, width: int, height: int | None) -> RenderableType:
    well = sum(row.state == "ok" for row in snapshot.services)
    when = f" · {plain(snapshot.environment, 40)} · {snapshot.at:%Y-%m-%d} {clock(snapshot.at)} UTC"
    title = Text.assemble(("prunella", TITLE), (when, "default"))
    count = Text(f"{well} of {len(snapshot.services)} well", style=GOOD if well == len(snapshot.services) else BAD)
    table = fleet_table(snapshot.services, width - 2 * _FRAME, None if height is None else height - _FRAME)
    return _panel(table, title, count, width)


def _cases(snapshot: Snapshot, width: int, height: int | None) -> RenderableType:
    inner, room = width - 2 * _FRAME, None if height is None else height - _FRAME
    notes = _notes(snapshot, inner)
    if not snapshot.cases:
        return _panel(
            Group(Text("No incident: nothing to do.", style=GOOD), *notes), Text("cases", style=TITLE), None, width
        )
    shown = snapshot.cases[0]
    rest = None if room is None else max(1, room - len(notes))
    lines = labelled(fit(sections(shown), rest), inner)
    return _panel(Group(*lines, *notes), heading(shown, snapshot.at), None, width)


def _notes(snapshot: Snapshot, width: int) -> Sequence[Text]:
    """Return a line for the cases that are not shown, and one for what cannot be read."""
    lines = []
    if len(snapshot.cases) > 1:
        lines.append(Text.assemble(("others".ljust(10), TITLE), *(_brief(case) for case in snapshot.cases[1:8])))
    if snapshot.problems:
        problems = "; ".join(plain(problem, 200) for problem in snapshot.problems[:5])
        lines.append(Text.assemble(("problems".ljust(10), BAD), problems))
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _brief(case: Case) -> Text:
    symbol, style = PHASE[case.phase]
    words = f"{plain(case.incident.id, 40)} {plain(case.incident.service, 63)}"
    return Text.assemble((f"{symbol} ", style), (f"{words} {case.phase.replace('_', ' ')}   ", QUIET))


def _panel(body: RenderableType, title: Text, subtitle: Text | None, width: int) -> RenderableType:
    return Panel(
        body, title=title, subtitle=subtitle, title_align="left", width=width, box=box.ROUNDED, border_style=BORDER
    )
