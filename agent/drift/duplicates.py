"""Duplicate rows, counted by hash: one column in memory at a time, or by the way where a table is read in pieces."""

from collections.abc import Iterator

import numpy as np

from agent.drift.finding import Fault
from tools.rowhash import Hashes, coded, mixed
from tools.rowhash import repeated as among
from tools.tables import Table

WORTH = 0.005  # of the rows


def row_hashes(table: Table) -> Hashes:
    """Return 64 bits per row: equal rows have equal hashes, and others almost surely do not. Vectors are left out."""
    total = np.zeros(table.rows, np.uint64)
    for field in (each for each in table.fields if not each.vector):
        total = mixed(total, coded(table.column(field.name)))
    return total


def repeated(table: Table) -> float:
    """Return the share of rows that repeat an earlier one."""
    return among(row_hashes(table)) if table.rows and table.fields else 0.0


def duplicate_faults(reference: Table, current: Table) -> Iterator[Fault]:
    """More repeated rows than the reference and the number of rows explain."""
    after = repeated(current)
    if after >= WORTH:
        yield from judged(repeated(reference), after, current.rows / max(reference.rows, 1))


def judged(before: float, after: float, times: float) -> Iterator[Fault]:
    """Judge the shares of repeated rows; ``times``: rows of current per row of the reference."""
    if after >= WORTH and before < 0.01 and after > WORTH + 3 * before * max(times, 1.0):
        text = f"{after:.1%} of the rows repeat another row, were {before:.1%}"
        yield Fault(column="(rows)", kind="duplicates", text=text, share=after, sure=0.9)
