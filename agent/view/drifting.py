"""A drift report on a terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.drift.finding import DriftReport, Move, many
from agent.view.listing import paper

COLOURS = {"moved": "bold red", "slight": "yellow", "unsure": "magenta", "same": "dim"}
SHOWN = 20


def show_drift(report: DriftReport, console: Console | None = None) -> None:
    """Print the sentence first, then faults, moves and what else was found."""
    out = console or paper()
    out.print(f"[bold]{escape(report.headline)}[/bold]")
    one, two = report.reference, report.current
    out.print(
        f"{escape(one.name)} ({many(one.rows, 'row')}) against {escape(two.name)} ({many(two.rows, 'row')})",
        style="dim",
    )
    for fault in report.faults:
        out.print(f"[red]fault[/red] {escape(fault.column)}: {escape(fault.text)}")
    for found in (one for one in report.joint if one.verdict != "same"):  # chance explains the others: --json has them
        what = "column" if found.feature else "joint"  # columns of texts or vectors as wholes, or features together
        out.print(f"[{COLOURS[found.verdict]}]{what}[/] {escape(found.text)}")
    for segment in report.segments:
        out.print(f"[red]segment[/red] {escape(segment.text)}")
    if report.moves:
        out.print(_moves(report.moves[:SHOWN]))
    if len(report.moves) > SHOWN:
        out.print(f"{len(report.moves) - SHOWN} more features: --json or --html shows all", style="dim")
    for note in report.notes:
        out.print(escape(note), style="dim")


def _moves(moves: tuple[Move, ...]) -> Table:
    weighed = any(move.importance is not None for move in moves)
    names = ("feature", "verdict", "effect", "95 %", "q", *(("weight",) if weighed else ()), "since", "what")
    table = Table(*names, box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # an instant cut short would name another day
    for move in moves:
        weight = "" if move.importance is None else f"{move.importance:.3g}"
        table.add_row(
            escape(move.feature),
            f"[{COLOURS[move.verdict]}]{move.verdict}[/]",
            f"{move.effect:.3f}",
            f"{move.effect_low:.3f} .. {move.effect_high:.3f}",
            f"{move.q:.2g}",
            *((weight,) if weighed else ()),
            move.since or "",
            escape(move.text),
        )
    return table
