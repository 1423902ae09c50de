"""A drill's result as one page: figures, plots and every episode, with nothing to fetch. Same result, same page."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

from simulator.page import interval, percent, table, tile, whole
from simulator.pairs import label

Json = Mapping[str, Any]

FIRST, LAST = 1.0, 5.0  # decades of the time axis: ten seconds to a day
WIDE, ROW, LEFT, RIGHT = 900, 22, 190, 20  # pixels


def page(result: Json) -> str:
    """Return the page."""
    episodes, summary = result["episodes"], result["summary"]
    faults = [item for item in episodes if item["healed"] is not None]
    known = [item for item in episodes if item["top1"] is not None]  # those that are a person's too
    names = list(dict.fromkeys(map(_named, episodes)))
    title = f"Prunella drill: {escape(names[0] if len(names) == 1 else str(result['suite']))}"
    counted = "1 episode" if len(episodes) == 1 else f"{len(episodes)} episodes"
    parts = [
        f"<h1>{title}</h1><p>{counted} in virtual time; shares with Wilson's 95 % interval.</p>",
        _tiles(episodes, known, summary),
        _beside(summary, str(result.get("guardian", "prunella"))),
        _times(faults),
        _confusion(known),
        _episodes(episodes),
    ]
    return whole(title, parts)


def _named(episode: Json) -> str:
    return label(episode["scenario"], episode.get("modifiers", ()))


def _tiles(episodes: Sequence[Json], known: Sequence[Json], summary: Json) -> str:
    tiles = [tile(interval(summary[name]), word) for name, word in _SHARES if name in summary and known]
    for name, word in _HARMS:
        count = sum(int(item[name]) for item in episodes)
        tiles.append(tile(f"<i class={'bad' if count else 'good'} style='font-style:normal'>{count}</i>", word))
    return f'<div class="tiles">{"".join(tiles)}</div>'


_SHARES = (
    ("detected", "noticed"),
    ("top1", "right cause first"),
    ("healed", "healed"),
    ("alone", "healed, nobody asked or called"),
    ("told", "rightly left to a person"),
)
_HARMS = (
    ("unsafe", "unsafe actions"),
    ("collateral", "others harmed"),
    ("duplicates", "effects twice"),
    ("false_acted", "acted on nothing"),
)


def _beside(summary: Json, guardian: str) -> str:
    """Return the guardian beside those who played the same faults."""
    others = list(summary.get("good_request_share_of", {}))
    if not others or "healed" not in summary:
        return ""
    head = ("", "healed", "good requests", "unsafe", "others harmed", "actions")
    rows = [(guardian, summary["healed"]["mean"], summary["good_request_share"], *_sums(summary, "sum"))]
    rows += [(n, summary["healed"][n], summary["good_request_share_of"][n], *_sums(summary, n)) for n in others]
    cells = [(escape(n), percent(h or 0.0), f"{g:.4%}", *(_count(value) for value in more)) for n, h, g, *more in rows]
    note = "<p>Unsafe counts every act that no journal shows a plan and leave for; simple rules keep no journal.</p>"
    return "<h2>The same faults, guarded by others</h2>" + note + table(head, cells)


def _sums(summary: Json, who: str) -> list[int | None]:
    found = [summary[name] for name in ("unsafe", "collateral", "actions")]
    return [value.get(who) if isinstance(value, Mapping) else value if who == "sum" else None for value in found]


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _times(faults: Sequence[Json]) -> str:
    """Return one strip per scenario: when each run was noticed (ring) and healed (disc), on a scale of decades."""
    names = list(dict.fromkeys(map(_named, faults)))
    if not names:
        return ""
    high = ROW * len(names) + 30
    axis = "".join(_tick(seconds, word, high) for seconds, word in _TICKS)
    rows = "".join(_strip(name, [f for f in faults if _named(f) == name], row) for row, name in enumerate(names))
    frame = f'viewBox="0 0 {WIDE} {high}" width="100%" role="img" aria-label="time to notice and to heal"'
    plot = f"<svg {frame}>{axis}{rows}</svg>"
    told = "<p>○ noticed, ● healed, counted from the onset; ✖ not healed.</p>"
    return f'<h2>How long it took</h2>{told}<div class="scroll">{plot}</div>'


_TICKS = ((10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (21600, "6 h"), (86400, "1 d"))


def _x(seconds: float) -> float:
    decades = (min(max(log10(max(seconds, 1.0)), FIRST), LAST) - FIRST) / (LAST - FIRST)
    return round(LEFT + decades * (WIDE - LEFT - RIGHT), 1)


def _tick(seconds: float, word: str, high: int) -> str:
    x = _x(seconds)
    line = f'<line x1="{x}" x2="{x}" y1="0" y2="{high - 22}" stroke="var(--line)"/>'
    return f'{line}<text x="{x}" y="{high - 6}" text-anchor="middle">{word}</text>'


def _strip(name: str, runs: Sequence[Json], row: int) -> str:
    y = ROW * row + ROW // 2
    marks = [f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>']
    for run in runs:
        if run["detect_s"] is not None:
            marks.append(f'<circle cx="{_x(run["detect_s"])}" cy="{y}" r="5" fill="none" stroke="var(--dim)"/>')
        if run["heal_s"] is not None:
            marks.append(f'<circle cx="{_x(run["heal_s"])}" cy="{y}" r="4" fill="var(--good)" fill-opacity=".7"/>')
        else:
            marks.append(f'<text x="{WIDE - RIGHT}" y="{y + 4}" style="fill:var(--bad)">✖</text>')
    return "".join(marks)


def _confusion(faults: Sequence[Json]) -> str:
    """Return what was named first, for each scenario: right ones and every other name with its count."""
    rows = []
    for name in dict.fromkeys(map(_named, faults)):
        runs = [item for item in faults if _named(item) == name]
        right = sum(bool(run["top1"]) for run in runs)
        wrong: dict[str, int] = {}
        for run in runs:
            if not run["top1"]:
                word = str(run.get("named") or "unresolved")
                wrong[word] = wrong.get(word, 0) + 1
        others = ", ".join(f"{escape(word)} × {count}" for word, count in sorted(wrong.items())) or "–"
        rows.append(
            (escape(name), f"{right} / {len(runs)}", f'<span class="{"bad" if wrong else "good"}">{others}</span>')
        )
    return "<h2>What was taken for the cause</h2>" + table(("fault", "right", "else"), rows) if rows else ""


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
        "harm",
        "good requests",
    )
    rows = []
    for item in episodes:
        harm = "; ".join((*item["breaches"], *item["harmed"])) or "–"
        good = item["good_requests"] / item["requests"] if item["requests"] else 0.0
        rows.append(
            (
                escape(_named(item)),
                str(item["seed"]),
                _seconds(item["detect_s"]),
                escape(str(item.get("named") or "–")),
                _yes(item["healed"]),
                _seconds(item["heal_s"]),
                str(item["asked"]),
                str(item.get("called", "–")),
                str(item["actions"]),
                escape(harm),
                f"{good:.3%}",
            )
        )
    return "<h2>Every episode</h2>" + table(head, rows)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} s"


def _yes(value: bool | None) -> str:
    match value:
        case None:
            return "–"
        case True:
            return '<span class="good">✔</span>'
        case False:
            return '<span class="bad">✖</span>'
