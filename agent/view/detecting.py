"""What was seen in a table: as JSON for scripts, on a terminal, and as one page that needs nothing else."""

from datetime import UTC, datetime
from html import escape as quoted
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.eyes.engine import Alarm
from agent.eyes.stream import Seen, Sight
from agent.view.listing import paper
from agent.view.plot import plot

SHOWN = 20
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}svg{width:100%;height:auto}table{border-collapse:collapse}
td,th{text-align:left;padding:.15rem .9rem .15rem 0;border-bottom:1px solid #e3e7ec;font-variant-numeric:tabular-nums}
.note{color:#667}.line{stroke:#3a6ea5}.alarm{fill:#c62828}.axis{fill:#667;font-size:11px}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dde3ea}td,th{border-color:#2b323b}.line{stroke:#7db0e8}
.alarm{fill:#ff6b6b}.note,.axis{color:#9aa4b0;fill:#9aa4b0}}
"""


def instant(sight: Sight, at: float) -> str:
    """Return an instant as the table tells its own: without a zone where the table has none, else in UTC."""
    found = datetime.fromtimestamp(at, UTC)
    return found.isoformat().replace("+00:00", "Z") if sight.zoned else found.replace(tzinfo=None).isoformat()


def as_json(sight: Sight) -> dict[str, Any]:
    """Return alarms and scores of every series; a score is 0 where a value is no news, or could not be used.

    A series that is no column, but how some go together, says so: ``of``.
    """
    return {
        "series": {
            name: {
                "alarms": [_alarm(sight, alarm) for alarm in seen.alarms],
                "scores": [round(float(score), 5) for score in seen.scores],
                **({"of": list(seen.of)} if seen.of else {}),
            }
            for name, seen in sight.series.items()
        }
    }


def _alarm(sight: Sight, alarm: Alarm) -> dict[str, Any]:
    return {
        "at": instant(sight, alarm.at),
        "onset_at": instant(sight, alarm.onset_at),
        "score": round(alarm.score, 5),
        "expected": alarm.expected,
        "value": alarm.value,
        "reason": alarm.reason,
    }


def show_sight(sight: Sight, console: Console | None = None) -> None:
    """Print the sentence first, then the strongest alarms."""
    out = console or paper()
    out.print(f"[bold]{escape(sight.headline)}[/bold]")
    found = sorted(_found(sight), key=lambda pair: -pair[1].score)
    if found:
        table = Table("series", "at", "since", "score", "value", "expected", "why", box=None, pad_edge=False)
        for column in table.columns:
            column.overflow = "fold"  # of a name cut short nobody knows whose it is
        for name, alarm in found[:SHOWN]:
            table.add_row(escape(name), *_cells(sight, alarm))
        out.print(table)
    if len(found) > SHOWN:
        out.print(f"{len(found) - SHOWN} more alarms: --json or --html shows all", style="dim")
    out.print(f"alarms from a score of {sight.threshold:.2g} on", style="dim")
    for note in sight.notes:
        out.print(escape(note), style="dim")


def _found(sight: Sight) -> list[tuple[str, Alarm]]:
    return [(name, alarm) for name, seen in sight.series.items() for alarm in seen.alarms]


def _cells(sight: Sight, alarm: Alarm) -> tuple[str, ...]:
    at, since = (instant(sight, when).replace("T", " ") for when in (alarm.at, alarm.onset_at))
    return at, since, f"{alarm.score:.1f}", f"{alarm.value:.5g}", f"{alarm.expected:.5g}", escape(alarm.reason)


def page(sight: Sight) -> str:
    """Return one HTML page: the sentence, a picture of each series with its alarms, and the alarms as a table."""
    title = f"{quoted(sight.name)}: what Prunella sees"
    notes = "".join(f'<p class="note">{quoted(note)}</p>' for note in sight.notes)
    shown = sorted(sight.series.items(), key=lambda pair: -max((one.score for one in pair[1].alarms), default=0.0))
    bodies = "".join(_section(sight, name, seen) for name, seen in shown)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{quoted(sight.headline)}</h1>{bodies}"
        f'<p class="note">Alarms use the past alone, from a score of {sight.threshold:.2g} on.</p>{notes}</body>'
        "</html>\n"
    )


def _section(sight: Sight, name: str, seen: Seen) -> str:
    head = "".join(f"<th>{word}</th>" for word in ("at", "since", "score", "value", "expected", "why"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{quoted(cell)}</td>" for cell in _cells(sight, alarm)) + "</tr>" for alarm in seen.alarms
    )
    table = f"<table><tr>{head}</tr>{rows}</table>" if rows else '<p class="note">no alarm</p>'
    marks = [(alarm.at, alarm.value, f"{instant(sight, alarm.at)} {alarm.reason}") for alarm in seen.alarms]
    what = " (rate per second)" if seen.rate else f": how far {', '.join(seen.of)} part" if seen.of else ""
    return f"<h2>{quoted(name)}{quoted(what)}</h2>{plot(sight.at, seen.values, marks)}{table}"
