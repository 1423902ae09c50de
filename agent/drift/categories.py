"""How categories moved. Null, unseen and rare values are categories of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.drift.chance import chi_square_p, rate_p
from agent.drift.distance import jensen_shannon, psi
from agent.drift.finding import Measures
from tools.grid import Counts
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
    """Compare the counts of values of two sides; both must hold some."""
    kinds = fix(reference)
    one, two = placed(kinds, reference), placed(kinds, current)
    n, m = int(one.sum()), int(two.sum())
    change = two / max(m, 1) - one / max(n, 1)
    statistic, chi_p = chi_square_p(one[None], two[None])
    each = rate_p(one, n, two, m)
    worst = int(np.argmax(np.abs(change)))
    likely = int(np.argmin(each))
    pooled = (one + two) / max(n + m, 1)
    # Half the sum of the absolute changes that chance alone would make, and twice its standard deviation at most.
    noise = np.sqrt(pooled * (1 - pooled) * (1 / max(n, 1) + 1 / max(m, 1)))
    chance = float(np.sqrt(2 / np.pi) * noise.sum() / 2)
    effect = float(np.abs(change).sum() / 2)
    p = min(1.0, 2 * min(float(chi_p[0]), float(each.min()) * max(int(((one + two) > 0).sum()), 1)))
    found = Measures(
        psi=float(psi(one[None], two[None])[0]),
        jensen_shannon=float(jensen_shannon(one[None], two[None])[0]),
        chi_square=float(statistic[0]),
    )
    shown = worst if abs(change[worst]) > 0 else likely
    shares = (float(one[shown] / max(n, 1)), float(two[shown] / max(m, 1)))
    return CategoryMove(found, effect, chance, p, [*kinds.kept, RARE, UNSEEN][shown], shares, int(two[-1]))
