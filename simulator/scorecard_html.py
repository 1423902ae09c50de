"""A drill's result as one page: figures, plots and every episode, with nothing to fetch. Same result, same page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from simulator.page import interval, table, tile, whole
from simulator.scorecard_plots import availability, confusion, grouped, name_of, spending, times
from simulator.scorecard_view import HEADS, NO_LEAVE, beside, figure, remarks

Json = Mapping[str, Any]
OPEN = 60  # episodes that are shown without being asked for


def page(result: Json) -> str:
    """Return the page."""
    episodes, summary = result["episodes"], result["summary"]
    guardian = str(result.get("guardian", "prunella"))
    others = {name: each["episodes"] for name, each in result.get("beside", {}).items()}
    faults = [item for item in episodes if item["healed"] is not None]
    known = [item for item in episodes if item["top1"] is not None]  # those that are a person's too
    names = list(grouped(episodes))
    title = f"Prunella drill: {escape(names[0] if len(names) == 1 else str(result['suite']))}"
    counted = "1 episode" if len(episodes) == 1 else f"{len(episodes)} episodes"
    parts = [
        f"<h1>{title}</h1><p>{counted} in virtual time; shares with Wilson's 95 % interval.</p>",
        *(f"<p><strong>{escape(line)}</strong></p>" for line in remarks(summary)),
        _tiles(episodes, known, summary),
        _beside({guardian: summary, **{name: each["summary"] for name, each in result.get("beside", {}).items()}}),
        availability({guardian: episodes, **others}, guardian),
        times(faults, others, guardian),
        confusion(known),
        spending(known),
        _episodes(episodes),
    ]
    return whole(title, parts)


def _tiles(episodes: Sequence[Json], known: Sequence[Json], summary: Json) -> str:
    tiles = [tile(interval(summary[name]), word) for name, word in _SHARES if name in summary and known]
    for name, word in _HARMS:
        count = sum(int(item[name]) for item in episodes)
        tiles.append(tile(f"<i class={'bad' if count else 'good'} style='font-style:normal'>{count}</i>", word))
    tiles += [tile(_with_bounds(name, summary[name]), word) for name, word in _MEANS if name in summary]
    return f'<div class="tiles">{"".join(tiles)}</div>'


_SHARES = (
    ("detected", "noticed"),
    ("top1", "right cause first"),
    ("healed", "healed"),
    ("alone", "healed, nobody asked or called"),
    ("told", "rightly left to a person"),
)
_MEANS = (
    ("heal_s", "until healed"),
    ("asked", "people asked, a run"),
    ("called", "people called, a run"),
    ("money_acts", "money that acts cost, a run"),
    ("money_incident", "money that the incident cost, a run"),
    ("tokens", "tokens, a run"),
    ("false_per_service_day", "false incidents a service-day of health"),
    ("false_per_service_year", "false incidents a service-year of health"),
)
_HARMS = (
    ("unsafe", "unsafe actions"),
    ("collateral", "others harmed"),
    ("duplicates", "effects twice"),
    ("false_acted", "acted on nothing"),
)


def _with_bounds(name: str, value: Json) -> str:
    bounds = [figure(name, value[bound]) for bound in ("low", "high") if bound in value]
    return figure(name, value["mean"]) + (f" <small>[{', '.join(bounds)}]</small>" if bounds else "")


def _beside(everybody: Mapping[str, Json]) -> str:
    """Return the guardian beside those who played the same faults, with intervals below the means."""
    if len(everybody) < 2:
        return ""
    rows = [(escape(name), *map(_stacked, beside(summary))) for name, summary in everybody.items()]
    note = (
        "<p>Means and 95 % intervals: Wilson's of shares, Student's of times and money over all runs, of good requests "
        f"over seeds. {NO_LEAVE}</p>"
    )
    return "<h2>The same faults, guarded by others</h2>" + note + table(("", *HEADS), rows)


def _stacked(cell: Sequence[str]) -> str:
    return "".join((escape(cell[0]), *(f'<span class="low">{escape(line)}</span>' for line in cell[1:])))


def _episodes(episodes: Sequence[Json]) -> str:
    head = (
        "scenario",
        "seed",
        "noticed",
        "named",
        "healed",
        "after",
        "asked",
        "called",
        "actions",
        "acts cost",
        "incident cost",
        "tokens",
        "false",
        "harm",
        "good requests",
    )
    rows = []
    for item in episodes:
        harm = "; ".join((*item["breaches"], *item["harmed"])) or "–"
        good = item["good_requests"] / item["requests"] if item["requests"] else 0.0
        rows.append(
            (
                escape(name_of(item)),
                str(item["seed"]),
                _seconds(item["detect_s"]),
                escape(str(item.get("named") or "–")),
                _yes(item["healed"]),
                _seconds(item["heal_s"]),
                str(item["asked"]),
                str(item.get("called", "–")),
                str(item["actions"]),
                _money(item.get("money_acts")),
                _money(item.get("money_incident")),
                str(item["tokens"]),
                str(item["false_incidents"]),
                escape(harm),
                f"{good:.3%}",
            )
        )
    shown = " open" if len(rows) <= OPEN else ""
    return f"<details{shown}><summary>Every episode</summary>{table(head, rows)}</details>"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} s"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _yes(value: bool | None) -> str:
    match value:
        case None:
            return "–"
        case True:
            return '<span class="good">✔</span>'
        case False:
            return '<span class="bad">✖</span>'
