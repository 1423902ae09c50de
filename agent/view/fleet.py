"""The fleet as a table: state, replicas, headline signals against their objectives, a sparkline."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.casebook import ServiceRow
from agent.view.figures import sparkline
from agent.view.plain import plain
from agent.view.style import BAD, GOOD, QUIET, STATE, TITLE, UNKNOWN
from tools.figure import figure

NARROW = 100  # columns, below which the table gives up kind and tier


def fleet_table(services: Sequence[ServiceRow], width: int, height: int | None = None) -> RenderableType:
    """Return the table, ``width`` columns wide; with a ``height``, the services that are well are left out first."""
    wide = width >= NARROW
    table = Table.grid(padding=(0, 1), expand=True)
    name = min(_name_width(wide), max((len(_name(row, wide)) for row in services), default=0))
    widths = (9, max(name, 7), 5, 16 if wide else 8)
    for column in widths:
        table.add_column(width=column, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_row(*(Text(head, style=TITLE) for head in ("state", "service", "ready", "trend", "now / objective")))
    shown, hidden = _fit(services, None if height is None else height - 1)
    for row in shown:
        table.add_row(*_cells(row, wide, width - sum(widths) - len(widths)))
    if hidden:
        table.add_row("", Text(f"+ {hidden} more", style=QUIET))
    return table


def rows_needed(services: Sequence[ServiceRow]) -> int:
    """Lines that the whole table takes."""
    return len(services) + 1


def _fit(services: Sequence[ServiceRow], room: int | None) -> tuple[Sequence[ServiceRow], int]:
    """Return the rows that fit, in their order, and how many do not."""
    if room is None or len(services) <= room:
        return services, 0
    urgency = {"bad": 0, "no_data": 1, "ok": 2}
    ranked = sorted(range(len(services)), key=lambda index: (urgency[services[index].state], index))
    kept = sorted(ranked[: max(0, room - 1)])
    return [services[index] for index in kept], len(services) - len(kept)


def _name_width(wide: bool) -> int:
    return 34 if wide else 14


def _name(row: ServiceRow, wide: bool) -> Text:
    name = Text.assemble((plain(row.name, 63), BAD if row.state == "bad" else ""))
    return name.append(f" {plain(row.kind, 12)} {plain(row.tier, 8)}", style=QUIET) if wide else name


def _cells(row: ServiceRow, wide: bool, room: int) -> tuple[Text, ...]:
    symbol, word, style = STATE[row.state]
    first = next(iter(row.headline), "")
    trend = sparkline(row.spark, 16 if wide else 8, row.targets.get(first, 0.0))
    return (
        Text(f"{symbol} {word}", style=style),
        _name(row, wide),
        _replicas(row),
        Text(trend, style=style),
        _signals(row, room),
    )


def _replicas(row: ServiceRow) -> Text:
    if row.wanted is None and row.ready is None:
        return Text("–", style=UNKNOWN)
    ready = "?" if row.ready is None else str(row.ready)
    wanted = "?" if row.wanted is None else str(row.wanted)
    return Text(f"{ready}/{wanted}", style="" if ready == wanted else BAD)


def _signals(row: ServiceRow, room: int) -> Text:
    """Return ``ttft_p95 ✖ 4.1s/2s  error_ratio 1%/2%``, as many as fit whole, broken objectives first, with a cross."""
    line = Text()
    for signal, value in sorted(row.headline.items(), key=lambda item: item[0] not in row.broken):
        part = _signal(row, signal, value)
        if line and line.cell_len + part.cell_len + 2 > room:
            break
        line = Text.assemble(line, "  ", part) if line else part
    return line


def _signal(row: ServiceRow, signal: str, value: float | None) -> Text:
    broken = signal in row.broken
    target = f"/{figure(signal, row.targets[signal])}" if signal in row.targets else ""
    shown = (" ✖ " if broken else " ") + figure(signal, value)
    return Text.assemble((plain(signal, 24), QUIET), (shown, _tint(value, broken)), (target, QUIET))


def _tint(value: float | None, broken: bool) -> str:
    if value is None:
        return UNKNOWN
    return BAD if broken else GOOD
