"""Months of a fleet as one page: who guarded it how well, when each was hurt, and everything that came."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from math import log10
from typing import Any

from simulator.month_score import NOBODY, PERSON, US, together
from simulator.page import interval, table, tile, whole
from simulator.plots import LOOKS, apart

Json = Mapping[str, Any]
WIDE, HIGH, LEFT, RIGHT, FOOT = 900, 300, 60, 150, 44  # pixels
_HEAD = (
    *("", "good requests", "of calls", "degraded service-minutes", "of models", "faults", "person needed", "calls"),
    *("GPU use", "actions"),
)


def page(result: Json) -> str:
    """Return the page."""
    months, summary = result["months"], result["summary"]
    counted = "One month" if len(months) == 1 else f"{len(months)} months"
    seeds = ", ".join(str(month["seed"]) for month in months)
    parts = [
        f"<h1>Prunella drill: month</h1><p>{counted} of {result['days']:g} days, forty services, seed {seeds}. "
        "Everybody meets the same faults in the same weather, and behind everybody but <i>nobody</i> stands the same "
        "person on call. Shares with 95 % intervals.</p>",
        _tiles(months, summary),
        "<h2>Who guarded it</h2>",
        table(_HEAD, [_row(who, [month["shifts"][who] for month in months]) for who in months[0]["shifts"]]),
        *(part for month in months for part in _month(month)),
    ]
    return whole("Prunella drill: month", parts)


def _tiles(months: Sequence[Json], summary: Json) -> str:
    ours = together([month["shifts"][US] for month in months])
    tiles = [tile(f"{ours['availability']:.4%}", "good requests")]
    ratio = summary.get("degraded_ratio")
    if isinstance(ratio, Mapping):
        times = f"{ratio['mean']:.1f} <small>[{ratio['low']:.1f}, {ratio['high']:.1f}]</small>"
        tiles.append(tile(times, f"times the downtime: {escape(summary['best_baseline'])}"))
    elif ratio is not None:
        tiles.append(tile(f"{ratio:.1f}", f"times the downtime: {escape(summary['best_baseline'])}"))
    if isinstance(needing := summary.get("needing_a_person"), Mapping):
        tiles.append(tile(interval(needing), f"of {ours['faults']:.0f} faults needed a person"))
    if summary.get("needing_a_person_by_rates") is not None:
        tiles.append(tile(f"{summary['needing_a_person_by_rates']:.1%}", "the same, each kind as often as stated"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _row(who: str, results: Sequence[Json]) -> tuple[str, ...]:
    one = together([dict(each) for each in results])
    minutes = (f"{one[name]:,.1f}" for name in ("degraded_minutes", "degraded_minutes_of_models"))
    counts = (f"{one[name]:.0f}" for name in ("faults", "paged", "called"))
    shares = (f"{one[name]:.4%}" for name in ("availability", "availability_of_calls"))
    return (escape(who), *shares, *minutes, *counts, f"{one['utilisation']:.1f} %", f"{one['actions']:.0f}")


def _month(month: Json) -> tuple[str, ...]:
    """Return the picture of one month and what came in it; results of before the two were kept have neither."""
    ours = month["shifts"].get(US, {})
    lines = {who: each["degraded_by_day"] for who, each in month["shifts"].items() if each.get("degraded_by_day")}
    events = ours.get("events", ())
    if not lines:
        return ()
    return (f"<h2>Seed {month['seed']}</h2>", _picture(lines, events), _events(events))


def _events(events: Sequence[Json]) -> str:
    rows = [
        (
            _at(event["day"]),
            escape(event["scenario"] or "no fault"),
            escape(event["kind"]),
            escape(event["service"]),
            '<span class="bad">called</span>' if event["paged"] else "–",
        )
        for event in events
    ]
    return (
        f"<details><summary>What came</summary>{table(('day', 'fault', 'kind', 'service', 'person'), rows)}</details>"
    )


def _at(day: float) -> str:
    """Write an instant of a month.

    >>> _at(3.5)
    '4, 12:00'
    """
    minutes = round(day % 1 * 1440)
    return f"{int(day) + 1}, {minutes // 60:02d}:{minutes % 60:02d}"


# -- the picture -----------------------------------------------------------------------------------------------------
def _picture(lines: Mapping[str, Sequence[float]], events: Sequence[Json]) -> str:
    """Return degraded service-minutes so far, a line for everybody, over what came: ▲ a fault, ◆ a person called."""
    sums = {who: list(accumulate(days, initial=0.0)) for who, days in lines.items()}
    days = max(len(each) for each in sums.values()) - 1
    top = max(2.0, log10(1 + max(each[-1] for each in sums.values())))
    drawn = [_level(decade, top) for decade in range(int(top) + 1)]
    drawn += [_day(day, days) for day in range(0, days + 1, 5 if days > 10 else 1)]
    names = apart({who: _y(each[-1], top) for who, each in sums.items()}, HIGH)
    for (who, each), (colour, dash) in zip(_ordered(sums), LOOKS, strict=False):
        points = " ".join(f"{_x(day, days)},{_y(value, top)}" for day, value in enumerate(each))
        style = f'stroke="{colour}" stroke-width="{3 if who == US else 1.6}" stroke-dasharray="{dash}"'
        drawn.append(f'<polyline points="{points}" fill="none" {style}/>')
        label = f"{escape(who)} {each[-1]:,.0f}"
        drawn.append(f'<text x="{WIDE - RIGHT + 8}" y="{names[who] + 4}" style="fill:{colour}">{label}</text>')
    drawn += [_mark(event, days) for event in events if event["scenario"]]
    title = "degraded service-minutes so far, by day"
    told = (
        f"<p>{title.capitalize()} (a logarithmic scale). ▲ a fault came, ◆ one for which Prunella called a person.</p>"
    )
    frame = f'viewBox="0 0 {WIDE} {HIGH + FOOT}" width="100%" role="img" aria-label="{title}"'
    return f'{told}<div class="scroll"><svg {frame}>{"".join(drawn)}</svg></div>'


def _ordered(sums: Mapping[str, list[float]]) -> list[tuple[str, list[float]]]:
    """Return everybody, those first whose looks are always the same."""
    first = [who for who in (US, PERSON, NOBODY) if who in sums]
    return [(who, sums[who]) for who in (*first, *(who for who in sums if who not in first))]


def _x(day: float, days: int) -> float:
    return round(LEFT + day / max(days, 1) * (WIDE - LEFT - RIGHT), 1)


def _y(minutes: float, top: float) -> float:
    return round(HIGH - log10(1 + minutes) / top * (HIGH - 20), 1)


def _level(decade: int, top: float) -> str:
    y = _y(10**decade - 1, top)
    line = f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y}" y2="{y}" stroke="var(--line)"/>'
    return f'{line}<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{10**decade - (decade == 0):,}</text>'


def _day(day: int, days: int) -> str:
    return f'<text x="{_x(day, days)}" y="{HIGH + FOOT - 6}" text-anchor="middle">day {day}</text>'


def _mark(event: Json, days: int) -> str:
    sign, kind = ("◆", "bad") if event["paged"] else ("▲", "")
    title = f"<title>{_at(event['day'])}: {escape(event['scenario'])}, {escape(event['service'])}</title>"
    look = 'style="fill:var(--bad)"' if kind else ""
    return f'<text x="{_x(event["day"], days)}" y="{HIGH + 18}" text-anchor="middle" {look}>{title}{sign}</text>'
