"""Duplicate rows, counted by hash, one column in memory at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agent.drift.finding import Fault
from tools.tables import Column, Labels, Table

MIX = np.uint64(0x9E3779B97F4A7C15)
WORTH = 0.005  # of the rows


def row_hashes(table: Table) -> NDArray[np.uint64]:
    """Return 64 bits per row: equal rows have equal hashes, and others almost surely do not. Vectors are left out."""
    total = np.zeros(table.rows, np.uint64)
    for field in (each for each in table.fields if not each.vector):
        total = _mixed(total ^ _bits(table.column(field.name)))
    return total


def _bits(column: Column) -> NDArray[np.uint64]:
    if isinstance(column, Labels):
        return column.codes.astype(np.int64).view(np.uint64)
    return np.ascontiguousarray(column.values).view(np.uint64)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits * MIX
    return bits ^ (bits >> np.uint64(29))


def repeated(table: Table) -> float:
    """Return the share of rows that repeat an earlier one."""
    if not table.rows or not table.fields:
        return 0.0
    ordered = np.sort(row_hashes(table))
    return float((ordered[1:] == ordered[:-1]).sum()) / table.rows


def duplicate_faults(reference: Table, current: Table) -> Iterator[Fault]:
    """More repeated rows than the reference and the number of rows explain."""
    after = repeated(current)
    if after < WORTH:
        return
    before = repeated(reference)
    if before < 0.01 and after > WORTH + 3 * before * max(current.rows / max(reference.rows, 1), 1.0):
        text = f"{after:.1%} of the rows repeat another row, were {before:.1%}"
        yield Fault(column="(rows)", kind="duplicates", text=text, share=after, sure=0.9)
