"""How right answers are, as far as labels say: a share of some rows, and an interval around it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

QUALITY_WINDOW = timedelta(minutes=15)  # of answers whose labels are known


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

    @property
    def late(self) -> timedelta:
        """How old an answer is when its label is known."""
        return self.at - self.newest_at if self.newest_at else timedelta(0)


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson interval of a share.

    >>> tuple(round(x, 3) for x in wilson(0.5, 100))
    (0.404, 0.596)
    """
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
