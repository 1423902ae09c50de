"""Since when: the step in a feature's place, spread or share over the current rows' own time."""

import numpy as np

from agent.drift.categories import tallied
from tools.grid import Counts, Floats
from tools.tables import Column, Labels, Numbers

SPANS = 48  # pieces of equal time that the current rows are cut into, at most
ROWS = 50  # per piece, on average, at least
PLAIN = 0.6  # of the variation between pieces that a step must explain


def since(reference: Column, current: Column, instants: Floats) -> float | None:
    """Return the instant (seconds since 1970) from which on a feature differs; None where no step stands out.

    The first instant of all where it differed from the start.
    """
    known = np.isfinite(instants)
    spans = int(min(SPANS, known.sum() // ROWS))
    if spans < 4 or float(np.ptp(instants[known])) == 0:
        return None
    start, stop = float(instants[known].min()), float(instants[known].max())
    width = (stop - start) / spans
    span = np.clip((instants[known] - start) / width, 0, spans - 1).astype(np.int64)
    scores = [(usual, score[known]) for usual, score in _scores(reference, current)]
    best = max((_step(span, score - usual, spans) for usual, score in scores), default=(0.0, 0))
    return start + best[1] * width if best[0] >= PLAIN else None


def _scores(reference: Column, current: Column) -> list[tuple[float, Floats]]:
    """Return bounded scores of each current row with their mean in the reference: place, spread, null, categories."""
    if isinstance(reference, Labels) and isinstance(current, Labels):
        return _label_scores(reference, current)
    if not isinstance(reference, Numbers) or not isinstance(current, Numbers):
        return []
    known = np.sort(reference.values[np.isfinite(reference.values)])
    if not len(known):
        return []
    missing = ~np.isfinite(current.values)
    left = np.searchsorted(known, current.values, side="left")
    right = np.searchsorted(known, current.values, side="right")
    rank = np.where(missing, 0.5, (left + right) / (2 * len(known)))
    was = 1 - len(known) / len(reference.values)
    return [(0.5, rank), (0.25, np.where(missing, 0.25, np.abs(rank - 0.5))), (was, missing.astype(np.float64))]


def _label_scores(reference: Labels, current: Labels) -> list[tuple[float, Floats]]:
    """Follow the categories whose share changed most, and nulls."""
    one, two = tallied(reference), tallied(current)
    n, m = len(reference), max(len(current), 1)
    change = {name: two.get(name, 0) / m - one.get(name, 0) / max(n, 1) for name in {*one, *two}}
    top = sorted(change, key=lambda name: (-abs(change[name]), name))[:3]
    place = {name: at for at, name in enumerate(current.names)}
    found = [(one.get(name, 0) / n, (current.codes == place.get(name, -2)).astype(np.float64)) for name in top]
    return [*found, (float((reference.codes < 0).mean()), (current.codes < 0).astype(np.float64))]


def _step(span: Counts, gap: Floats, spans: int) -> tuple[float, int]:
    """Fit a step from nought to a level over pieces of time; return how much it explains, and its piece."""
    rows = np.bincount(span, minlength=spans).astype(np.float64)
    total = np.bincount(span, weights=gap, minlength=spans)
    mean = total / np.maximum(rows, 1)
    power = float((rows * mean**2).sum())
    if power <= 0:
        return 0.0, 0
    after_rows, after_total = np.cumsum(rows[::-1])[::-1], np.cumsum(total[::-1])[::-1]
    explained = after_total**2 / np.maximum(after_rows, 1)
    best = int(np.argmax(explained))
    return float(explained[best]) / power, best
