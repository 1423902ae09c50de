"""What is wrong with columns as they are shown to a model: faults whose cure is upstream, not in training."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]

NULLS = 0.05  # more of the rows without a value
FACTORS = (1000.0, 100.0, 60.0, 1e6)  # between units, either way
UNDONE = 0.25  # distance of quantiles, in spreads, that is left after a unit is undone
UNKNOWN = 0.05  # share of codes that nobody saw before
CODES = 24  # distinct whole values at most, of a column of codes
STUCK = 0.9  # share of one value
LEAST = 100  # rows


def spoils(names: tuple[str, ...], before: Table, now: Table) -> Iterator[tuple[str, str]]:
    """Yield (finding, sentence) of every column of ``now`` (n, d) that is spoiled against ``before`` (m, d)."""
    if min(len(before), len(now)) < LEAST:
        return
    for place, name in enumerate(names):
        yield from _column(name, before[:, place], now[:, place])
    yield from _swapped(names, before, now)


def _column(name: str, before: Table, now: Table) -> Iterator[tuple[str, str]]:
    gone = float(np.isnan(now).mean() - np.isnan(before).mean())
    if gone > NULLS:
        yield "nulls_up", f"{name} is missing in {gone:.0%} more of the rows"
    one, two = before[np.isfinite(before)], now[np.isfinite(now)]
    if min(len(one), len(two)) < LEAST // 2:
        return
    yield from _codes(name, one, two)
    values, counts = np.unique(two, return_counts=True)
    share = counts.max() / len(two)
    if share > STUCK and float((one == values[counts.argmax()]).mean()) < STUCK / 2:
        yield "feature_stuck", f"{name} stands at {values[counts.argmax()]:g} in {share:.0%} of the rows"
    for factor in FACTORS:
        for times in (factor, 1 / factor):
            if _alike(one, two / times) and not _alike(one, two):
                yield "unit_changed", f"{name} is {times:g} times what it was"


def _codes(name: str, one: Table, two: Table) -> Iterator[tuple[str, str]]:
    known = np.unique(one)
    if len(known) <= CODES and (known == np.rint(known)).all():
        unknown = float((~np.isin(two, known)).mean())
        if unknown > UNKNOWN:
            yield "category_new", f"{unknown:.0%} of {name} are codes that were never seen"


def _swapped(names: tuple[str, ...], before: Table, now: Table) -> Iterator[tuple[str, str]]:
    moved = [place for place in range(len(names)) if not _alike(before[:, place], now[:, place])]
    for at, first in enumerate(moved):
        for second in moved[at + 1 :]:
            if _alike(before[:, second], now[:, first]) and _alike(before[:, first], now[:, second]):
                yield "columns_swapped", f"{names[first]} holds what {names[second]} held, and the other way round"


def _alike(one: Table, two: Table) -> bool:
    """Whether the quartiles of two columns agree, in spreads of the first."""
    if not np.isfinite(one).any() or not np.isfinite(two).any():
        return False
    low, middle, high = np.nanquantile(one, [0.25, 0.5, 0.75])
    spread = max(float(high - low), 1e-9)
    gaps = np.abs(np.nanquantile(two, [0.25, 0.5, 0.75]) - np.array([low, middle, high])) / spread
    return bool(gaps.max() < UNDONE)
