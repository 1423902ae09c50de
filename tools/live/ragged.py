"""Ragged text: lines that do not have as many fields as the first, which an engine takes for one column of text."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tools.live.encodings import read_as

SEPARATORS: Final = (",", ";", "\t", "|")
NAMES: Final = {"\t": "a tab"}
LOOKED = 1000  # lines by which it is told whether a text has fields at all
MOST = 1_000_000  # lines in which the first wrong one is looked for


def ragged(path: Path) -> str | None:
    """Return which line of a text has another number of fields than its first, in words; None: it has no fields.

    A text has fields where its first line and most others agree on their number.
    """
    with read_as(path, "utf-8-sig") as text:
        head = list(islice(text, LOOKED))
    agreed = {sep: _agreed(head, sep) for sep in SEPARATORS}
    sep = max(agreed, key=lambda one: agreed[one])
    if not agreed[sep]:
        return None
    with read_as(path, "utf-8-sig") as text:
        return _first_wrong(islice(text, MOST), sep)


def _agreed(lines: Sequence[str], sep: str) -> float:
    """Return on how many lines the first is agreed with; 0 where it has but one field, or most are otherwise."""
    counts = [len(fields) for fields in csv.reader(lines, delimiter=sep) if fields]
    same = sum(count == counts[0] for count in counts)
    return same if counts and counts[0] > 1 and 2 * same > len(counts) else 0


def _first_wrong(lines: Iterator[str], sep: str) -> str | None:
    rows = csv.reader(lines, delimiter=sep)
    wanted = len(next(rows))
    for fields in rows:
        if fields and len(fields) != wanted:
            has = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
            return (
                f"line {rows.line_num} has {has} set apart by {NAMES.get(sep, repr(sep))}, the first line has {wanted}"
            )
    return None
