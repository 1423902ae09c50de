"""What a drill's page draws: how long it took, what users got with and without a guardian, mistakes, costs. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from simulator.course import STEP
from simulator.page import table
from simulator.pairs import label
from simulator.plots import TIME, WIDE, Axis, Points, chart, place, shares, strips

Json = Mapping[str, Any]
NOBODY = "do_nothing"
SHOWN = 5400.0  # seconds after the onset that curves show; most episodes are over by then
LAST = 3  # steps at an episode's end that stand for what would have followed
MINUTES = tuple((60.0 * minute, f"{minute} min") for minute in (0, 10, 20, 30, 45, 60, 75, 90))


def name_of(episode: Json) -> str:
    """Return the scenario with its modifiers."""
    return label(episode["scenario"], episode.get("modifiers", ()))


def grouped(episodes: Sequence[Json]) -> dict[str, list[Json]]:
    """Return the runs of every scenario, in the order of their coming."""
    found: dict[str, list[Json]] = {}
    for episode in episodes:
        found.setdefault(name_of(episode), []).append(episode)
    return found


# -- times -----------------------------------------------------------------------------------------------------------
def times(faults: Sequence[Json], others: Mapping[str, Sequence[Json]], guardian: str) -> str:
    """Return how many runs were noticed and healed within which time, and a strip of every scenario's runs."""
    if not faults:
        return ""
    lines = {  # in the order of the other curves, which gives everybody one look
        f"healed: {guardian}": _within(faults, "heal_s"),
        **{
            f"healed: {name}": _within([e for e in runs if e["healed"] is not None], "heal_s")
            for name, runs in others.items()
        },
        f"noticed: {guardian}": _within(faults, "detect_s"),
    }
    every = Axis(0.0, 1.0, tuple((share / 4, f"{25 * share}%") for share in range(5)))
    drawn = chart(
        lines, TIME, every, "share of runs that were noticed, and healed, within a time from the onset", _TOLD
    )
    rows = {name: _marks(runs) for name, runs in grouped(faults).items()}
    legend = "<p>○ noticed, ● healed, counted from the onset; ✖ not healed.</p>"
    return (
        "<h2>How long it took</h2><p>Share of the runs that were noticed, and healed, within a time from the onset.</p>"
        f"{drawn}{legend}{strips(rows, TIME, 'time to notice and to heal, by scenario')}"
    )


_TOLD = (60.0, 600.0, 3600.0, 21600.0)


def _within(runs: Sequence[Json], key: str) -> Points:
    """Return the steps of a distribution: the share of runs whose time is at most so many seconds."""
    known = sorted(max(float(run[key]), TIME.low) for run in runs if run[key] is not None)
    points = [(TIME.low, 0.0)]
    for count, at in enumerate(known, 1):
        points += [(at, points[-1][1]), (at, count / len(runs))]
    return [*points, (TIME.high, points[-1][1])]


def _marks(runs: Sequence[Json]) -> str:
    marks = []
    for run in runs:
        if run["detect_s"] is not None:
            marks.append(f'<circle cx="{place(run["detect_s"], TIME)}" cy="0" r="5" fill="none" stroke="var(--dim)"/>')
        if run["heal_s"] is not None:
            marks.append(
                f'<circle cx="{place(run["heal_s"], TIME)}" cy="0" r="4" fill="var(--good)" fill-opacity=".7"/>'
            )
        else:
            marks.append(f'<text x="{WIDE - 20}" y="4" style="fill:var(--bad)">✖</text>')
    return "".join(marks)


# -- what users got --------------------------------------------------------------------------------------------------
def availability(everybody: Mapping[str, Sequence[Json]], guardian: str) -> str:
    """Return, over the time from the onset, what users of the sick got with each guardian and with nobody."""
    told = {who: [run["course"] for run in runs if run.get("course")] for who, runs in everybody.items()}
    told = {who: courses for who, courses in told.items() if courses}
    if guardian not in told:
        return ""
    good = {who: _pooled([_good(each) for each in courses]) for who, courses in told.items()}
    well = {who: _pooled([each["well"] for each in courses]) for who, courses in told.items()}
    time = Axis(-600.0, SHOWN, MINUTES)
    at = tuple(seconds for seconds, _ in MINUTES)
    note = (
        "Of the services at fault and those that lean on them; every run counts the same, and one that is over goes on "
        "as it ended."
    )
    return (
        f"<h2>What users got, with and without</h2><p>{note}</p><p>Good ones of all requests:</p>"
        f"{chart(good, time, _scale(good), 'good ones of all requests, by time from the onset', at)}"
        "<p>Runs in which all of them kept every promise:</p>"
        f"{chart(well, time, _scale(well), 'share of runs in health, by time from the onset', at)}"
        f"{_pairs(everybody.get(guardian, ()), everybody.get(NOBODY, ()), guardian)}"
    )


def _scale(lines: Mapping[str, Points]) -> Axis:
    return shares(value for points in lines.values() for _, value in points)


def _good(course: Json) -> list[float]:
    """Return the good share of every step; a step in which nobody asked is as good as the one before."""
    found: list[float] = []
    for asked, good in zip(course["requests"], course["good"], strict=True):
        found.append(min(good / asked, 1.0) if asked else (found[-1] if found else 1.0))
    return found


def _pooled(courses: Sequence[Sequence[float]]) -> Points:
    """Return the mean of all courses at the end of every step; one that is over goes on as its last steps were."""
    count = round((600.0 + SHOWN) / STEP)
    full = [[*each[:count], *[sum(each[-LAST:]) / len(each[-LAST:])] * (count - len(each))] for each in courses if each]
    return [((step + 1) * STEP - 600.0, sum(each[step] for each in full) / len(full)) for step in range(count)]


def _pairs(ours: Sequence[Json], theirs: Sequence[Json], guardian: str) -> str:
    """Return, for each scenario, the good share since the onset with the guardian and with nobody, in the same time."""
    idle = {(name_of(run), run["seed"]): run["course"] for run in theirs if run.get("course")}
    met: dict[str, list[tuple[float, float]]] = {}
    for run in ours:
        alone = idle.get((name_of(run), run["seed"]))
        if run.get("course") and alone:
            met.setdefault(name_of(run), []).append(_both(run["course"], alone))
    if not met:
        return ""
    means = {name: tuple(sum(each) / len(each) for each in zip(*pairs, strict=True)) for name, pairs in met.items()}
    x = shares(value for pair in means.values() for value in pair)
    rows = {name: _dumbbell(with_us, without, x) for name, (with_us, without) in means.items()}
    cells = [(escape(name), f"{one:.3%}", f"{other:.3%}") for name, (one, other) in means.items()]
    return (
        f"<p>By scenario, good requests since the onset in the same time: ● {escape(guardian)}, ○ nobody.</p>"
        f"{strips(rows, x, 'good requests with and without, by scenario')}<details><summary>As a table</summary>"
        f"{table(('', escape(guardian), 'nobody'), cells)}</details>"
    )


def _both(ours: Json, theirs: Json) -> tuple[float, float]:
    begun = round(-ours["from_s"] / ours["step_s"])
    count = min(len(ours["requests"]), len(theirs["requests"]))
    sums = [[sum(each[name][begun:count]) for name in ("good", "requests")] for each in (ours, theirs)]
    one, other = (good / asked if asked else 1.0 for good, asked in sums)
    return one, other


def _dumbbell(one: float, other: float, x: Axis) -> str:
    here, there = place(one, x), place(other, x)
    line = f'<line x1="{there}" x2="{here}" y1="0" y2="0" stroke="var(--dim)"/>'
    ring = f'<circle cx="{there}" cy="0" r="4" fill="var(--paper)" stroke="var(--bad)" stroke-width="1.5"/>'
    return f'{line}{ring}<circle cx="{here}" cy="0" r="4" fill="var(--good)"/>'


# -- mistakes and costs ----------------------------------------------------------------------------------------------
def confusion(known: Sequence[Json]) -> str:
    """Return what was named first where it was not always the truth: a row of each fault, a column of each name."""
    runs = grouped(known)
    if not runs:
        return ""
    wrong = {name: each for name, each in runs.items() if not all(run["top1"] for run in each)}
    always = f"{len(runs) - len(wrong)} of {len(runs)} faults were named first in every run."
    if not wrong:
        return f"<h2>What was taken for the cause</h2><p>{always}</p>"
    names = sorted({_named(run) for each in wrong.values() for run in each if not run["top1"]})
    rows = [
        (
            escape(name),
            f"{sum(bool(run['top1']) for run in each)} / {len(each)}",
            *(_cell(each, word) for word in names),
        )
        for name, each in wrong.items()
    ]
    said = f"<p>{always} The others: how often each name was put first, where it was not the truth.</p>"
    return "<h2>What was taken for the cause</h2>" + said + table(("fault", "right", *map(escape, names)), rows)


def _named(run: Json) -> str:
    """Return what was named; the right fault on the wrong entity is a mistake too."""
    if not run.get("named"):
        return "unresolved"
    return "itself, elsewhere" if run["named"] == run["scenario"] else str(run["named"])


def _cell(runs: Sequence[Json], word: str) -> str:
    count = sum(not run["top1"] and _named(run) == word for run in runs)
    if not count:
        return "·"
    return f'<span class="heat" style="--share:{count / len(runs):.2f}">{count}</span>'


def spending(faults: Sequence[Json]) -> str:
    """Return a row of each scenario: whom it asked and called, what its acts and the incident cost, time to heal."""
    rows = []
    for name, runs in grouped(faults).items():
        figures = [_mean(runs, key) for key, _ in COSTS]
        rows.append((escape(name), *(_bar(value, most) for value, most in zip(figures, _most(faults), strict=True))))
    if not rows:
        return ""
    note = (
        "<p>Means of a run. Acts: money of the whole fleet beyond what it spends in the same time with nobody in it; "
        "incident: what the services at fault spent beyond their pace of before. Below nought is saved.</p>"
    )
    return "<h2>What it asked and spent</h2>" + note + table(("", *(word for _, word in COSTS)), rows)


COSTS = (
    *(("asked", "asked"), ("called", "called"), ("money_acts", "acts, money"), ("money_incident", "incident, money")),
    *(("tokens", "tokens"), ("heal_s", "to heal, s")),
)


def _mean(runs: Sequence[Json], key: str) -> float | None:
    values = [float(run[key]) for run in runs if run.get(key) is not None]
    return sum(values) / len(values) if values else None


def _most(faults: Sequence[Json]) -> list[float]:
    means = [[_mean(runs, key) for runs in grouped(faults).values()] for key, _ in COSTS]
    return [max((abs(value) for value in each if value is not None), default=0.0) for each in means]


def _bar(value: float | None, most: float) -> str:
    """Return a figure over a bar as long as its part of the greatest one."""
    if value is None:
        return "–"
    long = abs(value) / most if most else 0.0
    return f'<span class="bar{" less" if value < 0 else ""}" style="--share:{long:.3f}">{value:.4g}</span>'
