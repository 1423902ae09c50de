"""Vectors that a model is shown, such as embeddings of texts: moved with what is encoded, or made by another encoder.

One element of a vector means nothing by itself. A classifier is asked to tell the vectors of now from those of when the
model was accepted. Where it can, and all other columns of the same rows are as usual, the same things are written as
other vectors: the encoder was exchanged. Where the other columns moved too, what is encoded moved.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.drift.joint import FEW, embeddings_moved
from tools.vectors import vectors

Table = NDArray[np.float64]

USUAL = (0.01, 0.99)  # quantiles of the other columns between which a row is as usual
EXCHANGED = 0.7  # area under the curve of the classifier, on rows that are alike otherwise: seasons make 0.6
MORE = 0.1  # by which vectors must tell those rows apart better than their other columns do
ELSEWHERE = 0.7  # the same of all rows: a Kolmogorov-Smirnov distance of 0.3, where scores are normal
ALPHA = 1e-3  # chance of saying so of equal clouds; sure from far fewer rows than there are


@dataclass(frozen=True, slots=True)
class Cloud:
    """How far the vectors of a column lie from those of before; areas are 0.5 where nobody can tell them apart."""

    column: str
    area: float
    alike: float  # the same of rows that are alike in every other column; NaN where there are too few
    others: float = 0.5  # how well the other columns tell those rows apart

    @property
    def exchanged(self) -> bool:
        """Whether another encoder made them."""
        return self.alike > max(EXCHANGED, self.others + MORE)

    @property
    def moved(self) -> bool:
        """Whether they are elsewhere, with what they are made of."""
        return not self.exchanged and self.area > ELSEWHERE

    @property
    def words(self) -> str:
        """What a person is told."""
        alike = (
            "too few rows are alike otherwise" if np.isnan(self.alike) else f"{self.alike:.2f} in rows alike otherwise"
        )
        return (
            f"a classifier tells vectors of {self.column} from those of before with an area of {self.area:.2f}, {alike}"
        )


def clouds(names: tuple[str, ...], before: Table, now: Table) -> Iterator[Cloud]:
    """Yield how each column of vectors lies, (n, d) and (m, d); nothing of those that stand still or are too few."""
    found, others = vectors(names), plain(names)
    first, second = (_usual(side[:, others], before[:, others]) for side in (before, now))
    told = _area(before[first][:, others], now[second][:, others])
    for column, places in found.items():
        one, two = before[:, places], now[:, places]
        area = _area(one, two)
        if not np.isnan(area):
            yield Cloud(column, area, _area(one[first], two[second]), 0.5 if np.isnan(told) else told)


def plain(names: tuple[str, ...]) -> list[int]:
    """Return the places of columns that are numbers by themselves."""
    within = {place for places in vectors(names).values() for place in places}
    return [place for place in range(len(names)) if place not in within]


def _usual(table: Table, before: Table) -> NDArray[np.bool_]:
    """Return which rows are between the usual quantiles of ``before`` in every column."""
    known = before[np.isfinite(before).all(axis=1)]
    if not len(known):
        return np.zeros(len(table), np.bool_)
    low, high = np.quantile(known, USUAL, axis=0)
    return np.asarray(((table >= low) & (table <= high)).all(axis=1))


def _area(before: Table, now: Table) -> float:
    """Return how well a classifier tells two clouds apart; NaN where points are too few, or stand still."""
    one, two = (side[np.isfinite(side).all(axis=1)] for side in (before, now))
    if min(len(one), len(two)) < FEW or not np.ptp(two, axis=0).any():
        return float("nan")
    told = {test.test: test for test in embeddings_moved(one, two, ALPHA, 0)}
    sure = any(test.p <= ALPHA for test in told.values())
    return max(told["classifier"].statistic, 0.5) if sure else 0.5
