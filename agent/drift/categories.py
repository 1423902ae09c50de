"""How categories moved. Null, unseen and rare values are categories of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.drift.chance import chi_square_p, rate_p
from agent.drift.distance import jensen_shannon, psi
from agent.drift.finding import Measures
from tools.grid import Counts, Floats
from tools.tables import Labels

KEPT = 500  # categories of the reference looked at one by one; the rest are put together as rare
RARE, UNSEEN = "(rare)", "(unseen)"


@dataclass(frozen=True, slots=True)
class Kinds:
    """Categories of one feature, fixed on the reference: those kept, and all that it ever showed."""

    kept: tuple[str, ...]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class CategoryMove:
    """How the shares of one feature moved; ``worst`` is the category whose share changed most."""

    measures: Measures
    effect: float
    error: float
    p: float
    worst: str
    shares: tuple[float, float]
    unseen: int


def tallied(column: Labels) -> dict[str, int]:
    """Count the values of a column, nulls left out."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.names))
    return {name: int(count) for name, count in zip(column.names, counts, strict=True) if count}


def fix(reference: Mapping[str, int]) -> Kinds:
    """Fix the categories on the reference: the most frequent, ties in order of name."""
    ordered = sorted(reference, key=lambda name: (-reference[name], name))
    return Kinds(tuple(ordered[:KEPT]), frozenset(reference))


def placed(kinds: Kinds, counts: Mapping[str, int]) -> Counts:
    """Return counts per kept category, then rare, then unseen; int64, (K + 2,)."""
    rare = sum(n for name, n in counts.items() if name in kinds.known) - sum(counts.get(k, 0) for k in kinds.kept)
    unseen = sum(n for name, n in counts.items() if name not in kinds.known)
    return np.array([*(counts.get(name, 0) for name in kinds.kept), rare, unseen], np.int64)


def compare_categories(reference: Mapping[str, int], current: Mapping[str, int]) -> CategoryMove:
    """Compare the counts of values of two sides; both must hold some.

    Distances are on categories fixed on the reference. Tests are on the most frequent of both sides together: which
    rows belong to which side then has no say in what is tested, so that the p-values hold however many values are rare.
    """
    kinds = fix(reference)
    fixed, moved = placed(kinds, reference), placed(kinds, current)
    both = {name: reference.get(name, 0) + current.get(name, 0) for name in {*reference, *current}}
    kept = fix(both)
    one, two = placed(kept, reference), placed(kept, current)
    statistic, chi_p = chi_square_p(one[None], two[None])
    change, chance = _change(one, two)
    each = rate_p(one, one.sum(), two, two.sum())
    shown = int(np.argmax(np.abs(change)))
    p = min(1.0, 2 * min(float(chi_p[0]), float(each.min()) * max(int(((one + two) > 0).sum()), 1)))
    found = Measures(
        psi=float(psi(fixed[None], moved[None])[0]),
        jensen_shannon=float(jensen_shannon(fixed[None], moved[None])[0]),
        chi_square=float(statistic[0]),
    )
    shares = (float(one[shown] / one.sum()), float(two[shown] / two.sum()))
    effect = float(np.abs(change).sum() / 2)
    return CategoryMove(found, effect, chance, p, [*kept.kept, RARE, UNSEEN][shown], shares, int(moved[-1]))


def _change(one: Counts, two: Counts) -> tuple[Floats, float]:
    """Return the change of every share, and half the sum of absolute changes that chance alone would make."""
    n, m = int(one.sum()), int(two.sum())
    pooled = (one + two) / (n + m)
    noise = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return two / m - one / n, float(np.sqrt(2 / np.pi) * noise.sum() / 2)
