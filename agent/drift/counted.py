"""Counted: what a rule needs to know of a column, as counts that add up: a stream is a sum of pieces."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from agent.drift.categories import tallied
from agent.drift.rules import Rule
from tools.errors import Malformed
from tools.summary import Bounds, Summary
from tools.tables import Column, Labels, Numbers


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one column in some rows; ``+`` adds those of other rows, later ones on the right.

    >>> rule = Rule.model_validate({"kind": "number", "at_most": 10})
    >>> one, two = (count(rule, Numbers(np.array(values))) for values in ([1.0, 11.0], [np.nan, 12.0]))
    >>> both = one + two
    >>> both.rows, both.nulls, both.out, both.example
    (4, 1, 2, '12')
    """

    rows: int = 0
    nulls: int = 0
    out: int = 0  # numbers outside the range
    example: str = ""  # of those, the newest
    unseen: Counter[str] = field(default_factory=Counter)  # values that are not allowed
    seen: Counter[str] = field(default_factory=Counter)  # values that must be unique
    newest: float = -np.inf  # instant
    lost: int = 0  # rows that refer to nothing
    stray: str = ""  # what they refer to, for example
    again: int = 0  # values that must be unique and were there before, where an engine counted them

    def __add__(self, other: "Counted") -> "Counted":
        """Return the counts of both."""
        return Counted(
            self.rows + other.rows,
            self.nulls + other.nulls,
            self.out + other.out,
            other.example or self.example,
            self.unseen + other.unseen,
            self.seen + other.seen,
            max(self.newest, other.newest),
            self.lost + other.lost,
            other.stray or self.stray,
            self.again + other.again,
        )

    @property
    def repeats(self) -> int:
        """How many values are there again."""
        return sum(self.seen.values()) - len(self.seen) + self.again


def bounds(rule: Rule) -> Bounds:
    """Return what to ask an engine about a column."""
    return Bounds(rule.at_least, rule.at_most, rule.values, rule.unique)


def counted(rule: Rule, summed: Summary) -> Counted:
    """Return the counts that an engine made of a column."""
    high = rule.at_most is not None and summed.highest > rule.at_most
    unseen = Counter(summed.unseen)
    if rest := summed.unallowed - sum(unseen.values()):
        unseen["(others)"] = rest
    return Counted(
        rows=summed.rows,
        nulls=summed.nulls,
        out=summed.out,
        example=f"{summed.highest if high else summed.lowest:g}" if summed.out else "",
        unseen=unseen,
        newest=summed.highest,
        again=summed.repeats,
    )


def count(rule: Rule, column: Column, known: Column | None = None) -> Counted:
    """Count what a rule asks about; ``known``: the keys that the column may refer to."""
    found = _labels(rule, column) if isinstance(column, Labels) else _numbers(rule, column)
    return found if known is None else referring(found, strays(column, known))


def referring(found: Counted, strays: tuple[int, str]) -> Counted:
    """Return the counts with the rows that refer to nothing."""
    return replace(found, lost=strays[0], stray=strays[1])


def strays(column: Column, known: Column) -> tuple[int, str]:
    """Return how many rows hold a value that is none of the known, and such a value; nulls refer to nothing on purpose.

    >>> strays(Numbers(np.array([1.0, 7.0, np.nan])), Numbers(np.array([1.0, 2.0])))
    (1, '7')
    """
    if isinstance(column, Labels) and isinstance(known, Labels):
        there = set(known.names)
        lost = {value: n for value, n in tallied(column).items() if value not in there}
        return sum(lost.values()), max(lost, key=lambda value: (lost[value], value), default="")
    if isinstance(column, Numbers) and isinstance(known, Numbers):
        values = column.values[~np.isnan(column.values)]
        wrong = values[~np.isin(values, known.values)]
        return len(wrong), f"{wrong[0]:g}" if len(wrong) else ""
    raise Malformed("what a column refers to must be of the same kind as the column")


def _labels(rule: Rule, column: Labels) -> Counted:
    counts = tallied(column)
    allowed = None if rule.values is None else set(rule.values)
    return Counted(
        rows=len(column),
        nulls=int((column.codes < 0).sum()),
        unseen=Counter() if allowed is None else Counter({v: n for v, n in counts.items() if v not in allowed}),
        seen=Counter(counts) if rule.unique else Counter(),
    )


def _numbers(rule: Rule, column: Numbers) -> Counted:
    known = column.values[~np.isnan(column.values)]
    low = known[known < rule.at_least] if rule.at_least is not None else known[:0]
    high = known[known > rule.at_most] if rule.at_most is not None else known[:0]
    first = high if len(high) else low
    finite = known[np.isfinite(known)]
    return Counted(
        rows=len(column),
        nulls=len(column) - len(known),
        out=len(low) + len(high),
        example=f"{float(first[0]):g}" if len(first) else "",
        newest=float(finite.max()) if len(finite) else -np.inf,
    )
