"""A series as an SVG picture: at most a thousand columns, each from its lowest to its highest value, alarms as dots."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

import numpy as np
from numpy.typing import NDArray

from agent.eyes.intake import BLANK

WIDE, HIGH, EDGE = 1000, 220, 18  # pixels: columns, rows, room for words
Values = NDArray[np.float64]


def plot(at: Values, values: Values, marks: Sequence[tuple[float, float, str]]) -> str:
    """Return the picture; ``marks``: instant, value and words of each dot. Empty where nothing is a value."""
    fit = np.isfinite(at) & (np.abs(values) < BLANK)
    if not fit.any():
        return ""
    at, values = at[fit], values[fit]
    start, end, low, high = float(at.min()), float(at.max()), float(values.min()), float(values.max())

    def place(when: float, value: float) -> tuple[float, float]:
        x = (when - start) / (end - start or 1.0) * WIDE
        return x, EDGE + (high - value) / (high - low or 1.0) * HIGH

    dots = "".join(_dot(*place(when, value), words) for when, value, words in marks)
    first, last = (datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M") for when in (start, end))
    words = (
        f'<text class="axis" x="0" y="12">{high:.5g}</text><text class="axis" x="0" y="{HIGH + 2 * EDGE - 4}">'
        f'{low:.5g} · {first}</text><text class="axis" x="{WIDE}" y="{HIGH + 2 * EDGE - 4}" text-anchor="end">{last}'
        "</text>"
    )
    path = _path(at, values, (start, end, low, high))
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH + 2 * EDGE}" role="img"><path class="line" fill="none" d="{path}"/>'
        f"{dots}{words}</svg>"
    )


def _dot(x: float, y: float, words: str) -> str:
    return f'<circle class="alarm" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(words)}</title></circle>'


def _path(at: Values, values: Values, frame: tuple[float, float, float, float]) -> str:
    """Return the line through the lowest and highest value of each column."""
    start, end, low, high = frame
    column = ((at - start) / (end - start or 1.0) * (WIDE - 1)).astype(np.intp)
    lowest, highest = np.full(WIDE, np.inf), np.full(WIDE, -np.inf)
    np.minimum.at(lowest, column, values)
    np.maximum.at(highest, column, values)
    points = []
    for x in np.flatnonzero(np.isfinite(lowest)):
        ends = (lowest[x], highest[x]) if lowest[x] != highest[x] else (lowest[x],)
        points += [f"{x} {EDGE + (high - value) / (high - low or 1.0) * HIGH:.1f}" for value in ends]
    return "M" + "L".join(points)
