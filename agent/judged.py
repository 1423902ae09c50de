"""How right answers are, as far as labels say: a share of some rows, and an interval around it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

QUALITY_WINDOW = timedelta(minutes=15)  # of answers whose labels are known
HOURS = timedelta(hours=8), timedelta(hours=2)  # before the newest answer: what was usual, and was not yet falling
TRIFLE, LEAST = 0.05, 1000  # of accuracy; labelled answers of those hours
STEPPED = timedelta(hours=2)  # of labelled answers in which a step down is looked for
LITTLE = 0.7  # standard errors between the halves after a step, from which on the fall goes on
SURELY = 10.0  # nats by which a step must fit better than none: chance gives some, at the best of so many places
SURE = 1.645  # standard errors: 95 %, on one side
LIKELY = 1.0  # standard errors: 84 %, on one side
LEAST_BESIDE = 200  # labelled answers on either side of a step
FELL = 18.0  # nats: of answers as right as ever, a stretch so bad comes once in e**18, half a year of 256 a minute
BELOW = 3.0  # nats by which that stretch must fit a broken promise better than one that is just kept


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
    served_at: datetime | None = None  # since when rows are served as these were made to be: labelled ones of before
    stepped_at: datetime | None = None  # of the first answer after a fall in one step, where it was one
    fell_at: datetime | None = None  # the first answer of the newest ones that are bad, where they alone are spoken of
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


def badly(right: NDArray[np.bool_], usual: float, target: float) -> int:
    """Return how many of the newest answers surely are worse than usual and likely below target; 0: none are.

    A quarter of an hour dilutes what fell a minute ago. So every stretch that ends with the newest answer is asked for
    its likelihood ratio, and the likeliest one is taken (CUSUM's, with the share after the change unknown). While the
    newest answers keep the promise, none is.

    >>> right = np.arange(1920) % 10 > 0
    >>> right[1620:] = np.arange(300) % 10 > 3
    >>> badly(right, 0.9, 0.78), badly(right[:1620], 0.9, 0.78), badly(right, 0.62, 0.78)
    (300, 0, 0)
    """
    if len(right) < LEAST_BESIDE or not np.count_nonzero(right[-LEAST_BESIDE:]) < target * LEAST_BESIDE:
        return 0
    count = np.arange(1.0, len(right) + 1)
    wins = np.cumsum(right[::-1], dtype=np.float64)
    share = wins / count
    low = (share < min(target, usual - TRIFLE)) & (count >= LEAST_BESIDE)
    best = _likely(wins, count)
    below = best - _at(target, wins, count)
    found = low & (best - _at(usual, wins, count) >= FELL) & (below >= BELOW)
    return int(np.argmax(np.where(found, below, -np.inf))) + 1 if found.any() else 0


class Falls:
    """Which services' accuracy surely fell since a look, and is looked at at every tick until all answers are newer."""

    def __init__(self) -> None:
        self._before: dict[str, QualityReading] = {}
        self._since: dict[str, datetime] = {}

    @property
    def names(self) -> frozenset[str]:
        """Those services."""
        return frozenset(self._since)

    def note(self, readings: Mapping[str, QualityReading | None], now: datetime) -> None:
        """Take new readings, by service; None: there is none."""
        for name, reading in readings.items():
            before = self._before.get(name)
            fell = reading is not None and before is not None and reading.high < before.low
            if fell and now - self._since.setdefault(name, now) <= QUALITY_WINDOW:
                continue
            self._since.pop(name, None)
            if reading is not None:
                self._before[name] = reading


def stepped(at: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """Return the instant of the first answer after a fall in one step; None where nothing fell, or little by little.

    The likeliest place at which the share of right answers changed, once; right before it they were as right as ever,
    and after it the second half is as right as the first, as far as chance lets us know.

    >>> at, right = np.arange(2000.0), np.arange(2000) % 10 > 0
    >>> right[1200:] = np.arange(800) % 2 > 0
    >>> stepped(at, right), stepped(at, np.arange(2000) % 10 > 0) is None
    (1200.0, True)
    """
    count, wins = len(right), np.cumsum(right, dtype=np.float64)[:-1]
    if count < 2 * LEAST_BESIDE:
        return None
    before = np.arange(1.0, count)
    after, later = count - before, float(right.sum()) - wins
    fits = _likely(wins, before) + _likely(later, after)
    falls = (wins / before > later / after + TRIFLE) & (before >= LEAST_BESIDE) & (after >= LEAST_BESIDE)
    if not falls.any():
        return None
    place = int(np.argmax(np.where(falls, fits, -np.inf))) + 1
    if fits[place - 1] - _likely(right.sum(keepdims=True) * 1.0, np.array([count * 1.0]))[0] < SURELY:
        return None
    return float(at[place]) if _stood(right[:place]) and _stands(right[place:]) else None


def _stood(right: NDArray[np.bool_]) -> bool:
    """Whether the answers right before a fall are as right as those before them: what had begun to fall is no step.

    Of a fall that goes on for long the steepest part is found, and what comes after it may look level for minutes.
    """
    near, far = right[-2 * LEAST_BESIDE :], right[: -2 * LEAST_BESIDE]
    if len(far) < LEAST_BESIDE:
        return True
    gap, spread = fell_by(far, near)
    return gap <= SURE * spread


def _stands(right: NDArray[np.bool_]) -> bool:
    """Whether the later half is as right as the earlier one: a fall that goes on is no step, and seldom surely worse.

    So a half that is a little worse already speaks against it: of true steps a quarter is not taken for one, which
    costs minutes, while a model that learns the half of a fall costs hours.
    """
    parts = right[: len(right) // 2], right[len(right) // 2 :]
    first, second = (wilson(float(part.mean()), len(part)) for part in parts)
    gap, spread = fell_by(*parts)
    return gap <= LITTLE * spread and second[0] <= first[1]


def fell_by(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Return by how much the share of right answers fell, and the standard error of that where nothing changed.

    >>> fell_by(np.array([True, True]), np.array([True, False]))[0]
    0.5
    """
    share = float(np.concatenate((before, after)).mean())
    spread = float(np.sqrt(share * (1 - share) * (1 / len(before) + 1 / len(after))))
    return float(before.mean() - after.mean()), spread


def _likely(wins: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-likelihood of so many right answers of so many, at their own share."""
    share = np.clip(wins / count, 1e-9, 1 - 1e-9)
    return np.asarray(wins * np.log(share) + (count - wins) * np.log(1 - share))


def _at(share: float, wins: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-likelihood of so many right answers of so many, at a share that is given."""
    safe = min(max(share, 1e-9), 1 - 1e-9)
    return np.asarray(wins * np.log(safe) + (count - wins) * np.log(1 - safe))


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson interval of a share.

    >>> tuple(round(x, 3) for x in wilson(0.5, 100))
    (0.404, 0.596)
    """
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
