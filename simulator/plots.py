"""Plots of pages: lines over time, strips of marks, bars. Each says in words what it shows, and is a table too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10

from simulator.page import table

WIDE, HIGH, LEFT, RIGHT, FOOT, GAP, ROW = 900, 260, 60, 170, 30, 13, 22  # pixels; GAP: between names at ends of lines
NAMES = 250  # pixels for the names of rows
# Okabe and Ito's colours, and a dash each, so that no line is told by its colour alone.
LOOKS = (
    *(("var(--good)", ""), ("#D55E00", "7 3"), ("#009E73", "2 3"), ("#CC79A7", "9 3 2 3"), ("#E69F00", "4 4")),
    *(("#56B4E9", "12 4"), ("#999999", "1 4"), ("#F0E442", "6 2 1 2"), ("var(--ink)", "3 6")),
)
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale: its ends, what is written along it, and whether it is one of decades."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    decades: bool = False

    def share(self, value: float) -> float:
        """Return how far along a value lies, 0 to 1."""
        low, high, at = (log10(v) if self.decades else v for v in (self.low, self.high, max(value, self.low)))
        return (min(at, high) - low) / (high - low)


TIME = Axis(
    10.0,
    86400.0,
    ((10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (21600, "6 h"), (86400, "1 d")),
    decades=True,
)


def shares(values: Iterable[float]) -> Axis:
    """Return a scale of shares from a round one below the least of them up to all.

    >>> shares([0.93, 1.0]).low, shares([0.31]).low, shares([0.9995]).low
    (0.9, 0.2, 0.998)
    """
    least = min(values, default=0.0)
    low = next((low for low in (0.998, 0.99, 0.98, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2) if low <= least - 0.001), 0.0)
    marks = [low + (1 - low) * step / 4 for step in range(5)]
    return Axis(low, 1.0, tuple((mark, f"{100 * mark:.4g}%") for mark in marks))


def chart(lines: Mapping[str, Points], x: Axis, y: Axis, title: str, told: Sequence[float]) -> str:
    """Return lines with their names at their ends; at ``told`` of x they are a table too."""
    drawn = [_down(at, word, x, LEFT, WIDE - RIGHT, HIGH) for at, word in x.ticks]
    drawn += [_across(at, word, y) for at, word in y.ticks]
    ends = apart({name: _y(points[-1][1], y) for name, points in lines.items() if points}, HIGH)
    for (name, points), (colour, dash) in zip(lines.items(), LOOKS * 2, strict=False):
        if not points:
            continue
        path = " ".join(f"{_x(at, x)},{_y(value, y)}" for at, value in points)
        width = 2.6 if colour == LOOKS[0][0] else 1.6
        style = f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        drawn.append(f'<polyline points="{path}" fill="none" {style}/>')
        drawn.append(f'<text x="{WIDE - RIGHT + 8}" y="{ends[name] + 4}" style="fill:{colour}">{escape(name)}</text>')
    return framed(title, HIGH + FOOT, drawn) + _as_table(lines, x, told)


def _as_table(lines: Mapping[str, Points], x: Axis, told: Sequence[float]) -> str:
    words = dict(x.ticks)
    rows = [(escape(name), *(_read(points, at) for at in told)) for name, points in lines.items()]
    head = ("", *(words.get(at, f"{at:g}") for at in told))
    return f"<details><summary>As a table</summary>{table(head, rows)}</details>"


def _read(points: Points, at: float) -> str:
    before = [value for place, value in points if place <= at]
    return f"{before[-1]:.2%}" if before else "–"


def framed(title: str, high: float, drawn: Iterable[str]) -> str:
    """Return a picture with its words for those who do not see it."""
    said = escape(title)
    frame = f'viewBox="0 0 {WIDE} {high}" width="100%" role="img" aria-label="{said}"'
    return f'<div class="scroll"><svg {frame}><title>{said}</title>{"".join(drawn)}</svg></div>'


def strips(rows: Mapping[str, str], x: Axis, title: str) -> str:
    """Return a row for each name, whose marks are SVG drawn at ``place``; their ``y`` is 0."""
    high = ROW * len(rows) + FOOT
    drawn = [_down(at, word, x, NAMES, WIDE - 24, high - FOOT) for at, word in x.ticks]
    for number, (name, marks) in enumerate(rows.items()):
        label = f'<text x="{NAMES - 10}" y="4" text-anchor="end">{escape(name)}</text>'
        drawn.append(f'<g transform="translate(0 {ROW * number + ROW // 2})">{label}{marks}</g>')
    return framed(title, high, drawn)


def place(value: float, x: Axis) -> float:
    """Return the x of a value in ``strips``."""
    return round(NAMES + x.share(value) * (WIDE - 24 - NAMES), 1)


def apart(at: Mapping[str, float], most: float) -> dict[str, float]:
    """Move names apart that would lie on one another, downwards from the highest; then back up where paper ends.

    >>> apart({"a": 0.0, "b": 0.0, "c": 99.0, "d": 100.0}, 100.0)
    {'d': 100.0, 'c': 87.0, 'b': 13.0, 'a': 0.0}
    """
    ordered, found, least = sorted(at, key=lambda name: (at[name], name)), dict[str, float](), -float(GAP)
    for who in ordered:
        found[who] = least = max(at[who], least + GAP)
    floor = most + GAP
    for who in reversed(ordered):
        found[who] = floor = min(found[who], floor - GAP)
    return {who: found[who] for who in reversed(ordered)}


def _x(value: float, x: Axis) -> float:
    return round(LEFT + x.share(value) * (WIDE - LEFT - RIGHT), 1)


def _y(value: float, y: Axis) -> float:
    return round(HIGH - y.share(value) * (HIGH - 12), 1)


def _down(value: float, word: str, x: Axis, left: float, right: float, foot: float) -> str:
    at = round(left + x.share(value) * (right - left), 1)
    line = f'<line x1="{at}" x2="{at}" y1="0" y2="{foot}" stroke="var(--line)"/>'
    return f'{line}<text x="{at}" y="{foot + 18}" text-anchor="middle">{word}</text>'


def _across(value: float, word: str, y: Axis) -> str:
    at = _y(value, y)
    line = f'<line x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at}" y2="{at}" stroke="var(--line)"/>'
    return f'{line}<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{word}</text>'
