"""Columns that go by another name: one is gone, and a new one is called almost the same, or holds the same."""

from collections.abc import Mapping, Sequence

import numpy as np

from agent.drift.exact import gaps
from tools.tables import Column, Field, Kind, Labels, Numbers, Table

ROWS = 5_000  # of each side that are held against each other
FEW = 200  # known values that are needed
TELLING = {Kind.number: 20, Kind.text: 3}  # different values from which on an equal distribution is no coincidence
NEAR = 0.05  # greatest distance of the distributions
MOST = 50  # columns that are gone, or new: with more of them it is another table


def successors(reference: Table, current: Table, seed: int = 0) -> dict[str, str]:
    """Return the new column by each one that is gone and looks like it, where neither could be another."""
    gone, new = _only(reference, current), _only(current, reference)
    if not gone or not new or max(len(gone), len(new)) > MOST:
        return {}
    called = {(one.name, two.name) for one in gone for two in new if _bare(one.name) == _bare(two.name)}
    spoken = {name for pair in called for name in pair}
    left = [[field.name for field in fields if field.name not in spoken] for fields in (gone, new)]
    if not all(left):
        return _single(called)
    one, two = reference.sample(left[0], ROWS, seed), current.sample(left[1], ROWS, seed)
    held = {(a, b) for a, before in one.items() for b, after in two.items() if _alike(before, after)}
    return _single(called) | _single(held)


def _only(table: Table, other: Table) -> Sequence[Field]:
    there = {field.name for field in other.fields}
    return [field for field in table.fields if field.name not in there and field.kind in TELLING]


def _bare(name: str) -> str:
    """Return a name without case and signs between words."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _single(pairs: set[tuple[str, str]]) -> dict[str, str]:
    olds, news = [old for old, _ in pairs], [new for _, new in pairs]
    return {old: new for old, new in sorted(pairs) if olds.count(old) == news.count(new) == 1}


def _alike(before: Column, after: Column) -> bool:
    if isinstance(before, Numbers) and isinstance(after, Numbers):
        one, two = (side.values[np.isfinite(side.values)] for side in (before, after))
        lost = abs(len(one) / max(len(before), 1) - len(two) / max(len(after), 1))
        enough = min(len(one), len(two)) >= FEW and len(np.unique(one)) >= TELLING[Kind.number]
        return enough and lost < NEAR and gaps(one, two).ks < NEAR
    if isinstance(before, Labels) and isinstance(after, Labels):
        shares, now = _shares(before), _shares(after)
        enough = min(len(before), len(after)) >= FEW and len(shares) >= TELLING[Kind.text]
        apart = sum(abs(shares.get(value, 0.0) - now.get(value, 0.0)) for value in {*shares, *now}) / 2
        return enough and apart < NEAR
    return False


def _shares(column: Labels) -> Mapping[str, float]:
    """Return the share of each value; what is missing counts as one."""
    counts = np.bincount(column.codes + 1, minlength=len(column.names) + 1) / max(len(column), 1)
    return dict(zip(("", *column.names), counts.tolist(), strict=True))
