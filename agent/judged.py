"""How right answers are, as far as labels say: a share of some rows, and an interval around it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

QUALITY_WINDOW = timedelta(minutes=15)  # of answers whose labels are known
HOURS = timedelta(hours=8), timedelta(hours=2)  # before the newest answer: what was usual, and was not yet falling
TRIFLE, LEAST = 0.05, 1000  # of accuracy; labelled answers of those hours


@dataclass(frozen=True, slots=True)
class QualityReading:
    """Accuracy of one service on its newest labelled answers."""

    at: datetime
    rows: int
    accuracy: float
    low: float  # 95 % interval
    high: float
    echo: bool = False  # every label is what was answered: too good to be the truth
    newest_at: datetime | None = None  # the newest of those answers
    promoted_at: datetime | None = None  # of the version that it speaks of, which gave none of those answers itself
    fell_from: float | None = None  # accuracy of the hours before, where it surely was more than a trifle better

    @property
    def late(self) -> timedelta:
        """How old an answer is when its label is known."""
        return self.at - self.newest_at if self.newest_at else timedelta(0)

    def misses(self, target: float) -> bool:
        """Whether accuracy is surely below a target; of what surely fell within hours, likelier than not is enough.

        A loss that ends a little below the target is never sure on so few rows, however long it lasts.

        >>> reading = QualityReading(datetime(2026, 3, 1), 1920, 0.768, 0.749, 0.786)
        >>> reading.misses(0.78), replace(reading, fell_from=0.9).misses(0.78)
        (False, True)
        """
        return (self.high if self.fell_from is None else self.accuracy) < target


def fallen(reading: QualityReading, right: NDArray[np.bool_]) -> QualityReading:
    """Return the reading, and what it fell from: ``right`` says which answers of the hours before were."""
    if len(right) < LEAST:
        return reading
    usual = float(right.mean())
    low = wilson(usual, len(right))[0]
    fell = low > reading.high and usual - reading.accuracy > TRIFLE
    return replace(reading, fell_from=usual) if fell else reading


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson interval of a share.

    >>> tuple(round(x, 3) for x in wilson(0.5, 100))
    (0.404, 0.596)
    """
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
