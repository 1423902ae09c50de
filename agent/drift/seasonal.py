"""Seasons: a reference that is compared hour for hour, working days and weekends apart.

A night beside a month moves every feature that follows the day, and says nothing. The reference's rows of the hours
that the current rows cover are what they should be compared with; the engine picks them.
"""

from tools.errors import Malformed
from tools.tables import Table

FEW = 0.001  # of the current rows: an hour that holds less does not count as covered
HOURS = 48  # 24 of a working day, 24 of a weekend


def matched(reference: Table, current: Table, time: str) -> tuple[Table, str]:
    """Return the reference's rows of the hours that current covers, and a sentence; ``Malformed`` for none."""
    for table in (reference, current):
        if time not in {one.name for one in table.fields}:
            raise Malformed(f"{table.name} has no column {time!r}")
    covered = current.hours(time)
    least = FEW * sum(covered.values())
    hours = {hour for hour, rows in covered.items() if rows > least}
    kept = reference.during(time, hours)
    if not kept.rows:
        raise Malformed(f"{reference.name} has no row of the {len(hours)} hours that {current.name} covers")
    missing = len(hours - set(kept.hours(time)))
    words = f"compared with the {kept.rows:,} of {reference.rows:,} reference rows of the same {said(hours)}"
    return kept, words + (f"; {missing} of these hours the reference does not know" if missing else "")


def said(hours: set[int]) -> str:
    """Return in words how many hours of which days.

    >>> said(set(range(24))), said({9, 10, 33})
    ('24 working-day hours', '2 working-day hours and 1 weekend hour')
    """
    working = sum(hour < HOURS // 2 for hour in hours)
    counts = ((working, "working-day"), (len(hours) - working, "weekend"))
    return " and ".join(f"{many} {days} hour{'s' if many > 1 else ''}" for many, days in counts if many)
