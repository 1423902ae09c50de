"""Summaries of columns: what rules ask of one, and what an engine answers, so that no row need leave it."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is asked of one column; what is left out is not counted."""

    least: float | None = None
    most: float | None = None
    allowed: tuple[str, ...] | None = None  # values of text
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """One column in numbers. Instants are seconds since 1970; NaN is null; mean and variance leave out
    what is infinite or beyond 1e150."""

    rows: int
    nulls: int = 0
    out: int = 0  # values beyond the bounds
    lowest: float = np.inf
    highest: float = -np.inf
    mean: float = np.nan
    variance: float = np.nan  # of all, not of a sample
    unseen: dict[str, int] = field(default_factory=dict)  # the most frequent values that are not allowed
    unallowed: int = 0  # rows that hold one of those, all of them counted
    repeats: int = 0  # values that were there before
