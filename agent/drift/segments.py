"""Drift that hides in a part: the same comparison inside every segment that is large enough."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.drift.chance import adjusted, chi_square_p, ranks
from agent.drift.finding import Limits, SegmentMove
from tools.grid import Counts, Floats
from tools.tables import Column, Labels, Numbers

BINS = 32
MOST = 100  # values of a column beyond which it is no segmentation
LEAST = 0.08  # effect inside a segment worth a sentence
SHOWN = 10


@dataclass(frozen=True, slots=True)
class _Part:
    """One feature in one segment."""

    segment: str
    value: str
    feature: str
    effect: float
    p: float
    rows: tuple[int, int]


def segment_moves(
    reference: Mapping[str, Column], current: Mapping[str, Column], overall: Mapping[str, float], limits: Limits
) -> tuple[SegmentMove, ...]:
    """Return features that moved inside a segment and far less overall (``overall``: effects of whole columns)."""
    labels = {name: column for name, column in reference.items() if isinstance(column, Labels)}
    splits = {name: column for name, column in labels.items() if 1 < len(column.names) <= MOST}
    if not splits:
        return ()
    numbers = {name: column for name, column in reference.items() if isinstance(column, Numbers)}
    binned = {name: _binned(column.values, current[name]) for name, column in numbers.items()}
    found = [part for name, column in splits.items() for part in _parts(name, column, current[name], binned, limits)]
    q = adjusted(np.array([part.p for part in found]))
    level = limits.false_alarms / 4
    kept = [
        (part, float(value))
        for part, value in zip(found, q, strict=True)
        if value <= level and part.effect >= max(LEAST, 2 * overall.get(part.feature, 0.0))
    ]
    kept.sort(key=lambda pair: (-pair[0].effect, pair[0].segment, pair[0].value, pair[0].feature))
    return tuple(_told(part, value) for part, value in kept[:SHOWN])


def _told(part: _Part, q: float) -> SegmentMove:
    text = (
        f"{part.feature} moved where {part.segment} is {part.value!r} (effect {part.effect:.2f}, {part.rows[1]} rows)"
    )
    return SegmentMove(
        segment=part.segment,
        value=part.value,
        feature=part.feature,
        effect=part.effect,
        q=q,
        rows=part.rows,
        text=text,
    )


def _binned(values: Floats, current: Column) -> tuple[Counts, Counts]:
    """Bin both sides on quantiles of the reference; the last bin is null."""
    now = current.values if isinstance(current, Numbers) else np.empty(0)
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.empty(0)
    return _coded(values, edges), _coded(now, edges)


def _coded(values: Floats, edges: Floats) -> Counts:
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), BINS)


def _parts(
    name: str, before: Labels, after: Column, binned: Mapping[str, tuple[Counts, Counts]], limits: Limits
) -> list[_Part]:
    """Compare every feature in every value of one segmentation, all at once per feature."""
    if not isinstance(after, Labels):
        return []
    place = {value: at for at, value in enumerate(before.names)}
    turned = np.array([place.get(value, -1) for value in after.names] or [-1], np.int64)
    codes = (before.codes.astype(np.int64), np.where(after.codes >= 0, turned[after.codes], -1))
    sizes = [np.bincount(code[code >= 0], minlength=len(place)) for code in codes]
    large = np.flatnonzero((sizes[0] >= limits.rows) & (sizes[1] >= limits.rows))
    found = []
    for feature, sides in binned.items():
        one, two = (_table(code, side, len(place))[large] for code, side in zip(codes, sides, strict=True))
        p = np.minimum(1.0, 2 * np.minimum(ranks(one[:, :-1], two[:, :-1]).p, chi_square_p(one, two)[1]))
        gap = np.cumsum(two / sizes[1][large, None] - one / sizes[0][large, None], axis=1)
        effect = np.abs(gap).max(axis=1, initial=0.0)
        found += [
            _Part(
                name,
                before.names[at],
                feature,
                float(effect[row]),
                float(p[row]),
                (int(sizes[0][at]), int(sizes[1][at])),
            )
            for row, at in enumerate(large)
        ]
    return found


def _table(codes: Counts, bins: Counts, values: int) -> Counts:
    """Count bins per segment, (values, BINS + 1)."""
    inside = codes >= 0
    flat = codes[inside] * (BINS + 1) + bins[inside]
    return np.bincount(flat, minlength=values * (BINS + 1)).reshape(values, BINS + 1)
