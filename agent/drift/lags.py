"""Lags: the time from one instant of a row to another, such as from an event to its processing, as one more feature."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from tools.grid import Floats
from tools.tables import Kind, Numbers, Table

MOST = 4  # columns of instants that are put in pairs
ROWS, FEW = 20_000, 100  # of the reference, by which it is told which pairs go together
LATE = 0.01  # of the rows: so many may lack one of the two instants
TIED = 0.5  # of the reach of either: columns that go together lie within less of each other


def lags(reference: Table, current: Table, seed: int = 0) -> dict[str, tuple[str, str]]:
    """Return by the name of each lag the columns from which and to which it is: pairs that both sides hold.

    Instants that have nothing to do with one another (a birthday and a purchase, a purchase and the day on which a
    model was trained) are as far apart as time goes on: that is no lag. Nor is one compared where the later instant of
    some rows is still to come, as that of a late label: the longest would be cut off.
    """
    kinds = {field.name: field.kind for field in current.fields}
    names = [one.name for one in reference.fields if one.kind is Kind.time and kinds.get(one.name) is Kind.time][:MOST]
    if len(names) < 2:
        return {}
    before, after = (_instants(table, names, seed) for table in (reference, current))
    found = {_name(*pair): pair for pair in _tied(before) if _whole(before, pair) and _whole(after, pair)}
    taken = {field.name for table in (reference, current) for field in table.fields}
    return {name: pair for name, pair in found.items() if name not in taken}


def _instants(table: Table, names: list[str], seed: int) -> dict[str, Floats]:
    drawn = table.sample(names, ROWS, seed)
    return {name: column.values for name, column in drawn.items() if isinstance(column, Numbers)}


def _whole(at: dict[str, Floats], pair: tuple[str, str]) -> bool:
    """Whether hardly a row that has one of two instants lacks the other."""
    one, two = (np.isfinite(at[name]) for name in pair)
    return int((one != two).sum()) <= LATE * max(int((one | two).sum()), 1)


def _name(earlier: str, later: str) -> str:
    return f"{earlier} to {later} (s)"


def _tied(at: dict[str, Floats]) -> Iterator[tuple[str, str]]:
    """Yield pairs whose gap reaches far less than they do, the earlier of the two first."""
    for one, two in combinations(at, 2):
        there = np.isfinite(at[one]) & np.isfinite(at[two])
        if there.sum() < FEW:
            continue
        first, second = at[one][there], at[two][there]
        if _reach(second - first) < TIED * min(_reach(first), _reach(second)):
            yield (one, two) if np.median(second - first) >= 0 else (two, one)


def _reach(values: Floats) -> float:
    low, high = np.quantile(values, [0.05, 0.95])
    return float(high - low)
