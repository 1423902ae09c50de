"""Counted: what a rule needs to know of a column, as counts that add up: a stream is a sum of pieces."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from agent.drift.categories import tallied
from agent.drift.rules import Rule
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


def count(rule: Rule, column: Column) -> Counted:
    """Count what a rule asks about."""
    return _labels(rule, column) if isinstance(column, Labels) else _numbers(rule, column)


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
