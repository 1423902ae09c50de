"""Where ADWIN may cut a window of so many values, and by how much the means of both sides may differ there."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

DELTA, CLOCK, MOST, LEAST = 0.002, 32, 5, 5  # chance, values between checks, buckets of a size, values beside a cut
FOURS, TWOS, EARLIER = 8, (22, 26), (16, 32, 48, 64, 80, 96, 8, 24)  # parts that sums are made of; see ``_parts``
NEWER = (6, 8, 10, 12, 16, 20, 24, 28, 32, *(CLOCK + one for one in EARLIER))  # values after the newest cuts
FINEST, LEVELS, SLOTS = 5, 20, 5  # borders kept are multiples of 2^5 to 2^24; of one size so many are alive at once
ROWS = LEVELS * SLOTS
LONGEST = MOST * 2**22  # values of a window: 20 years of one every 30 s
ROUNDED = 3e-5  # by which 32 bits may lower a sum of 128 values, in roots of their sum of squares
NARROW = 2.0**-22  # by which they may lower the difference of two means, in means

Row = NDArray[np.float64]


def _parts() -> Row:
    """Return which parts make up the sum over each of the ``NEWER`` newest values, and how often the mean is taken off.

    The parts: sums of four values each, oldest first; of the pairs that begin with ``TWOS``; the sums over the newest
    ``EARLIER`` values at the last check; the mean.
    """
    found = np.zeros((len(NEWER), FOURS + len(TWOS) + len(EARLIER) + 1))
    for row, newer in zip(found, NEWER, strict=True):
        row[-1] = -newer
        row[max(FOURS - newer // 4, 0) : FOURS] = 1.0
        if newer % 4:
            row[FOURS + TWOS.index(CLOCK - newer)] = 1.0
        if newer > CLOCK:
            row[FOURS + len(TWOS) + EARLIER.index(newer - CLOCK)] = 1.0
    return found


PARTS = _parts()


@dataclass(frozen=True, slots=True)
class Cuts:
    """All cuts of a window, those of ``NEWER`` first, then those kept in ``slots``; one number for each cut.

    A cut is a change where the mean of the older values departs from that of all by more than (``by_spread`` x sd +
    ``fixed``) / ``share``; so it departs by more than sd / ``weight`` there. ``slack``: what rounding to 32 bits may
    take from a departure times its weight, in roots of the sum of squares. ``screen``: what the parts of sums are
    multiplied with to be departures times weights, for the cuts of ``NEWER``. ``own``: the row for the mean of all.
    """

    slots: NDArray[np.intp]
    own: int
    newer: Row
    share: Row
    by_spread: Row
    fixed: Row
    screen: NDArray[np.float32]
    weights: NDArray[np.float32]
    slack: float


def borders(count: int) -> list[int]:
    """Return where the buckets of so many values begin, but for the first, in order.

    >>> borders(20)
    [4, 8, 10, 12, 14, 16, 17, 18, 19]
    """
    found, at, size, came = list[int](), count, 1, count
    while came:
        stay = came if came <= MOST else MOST - 1 + came % 2
        found += [at - size * place for place in range(1, stay + 1)]
        at, came, size = found[-1], (came - stay) // 2, size * 2
    return sorted(found)[1:]


def slots(borders: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rows in which the means before borders are kept; no two that are alive share one."""
    level = np.bitwise_count((borders & -borders) - 1).astype(np.intp)
    found: NDArray[np.intp] = (level - FINEST) * SLOTS + (borders >> level + 1) % SLOTS
    return found


@lru_cache(maxsize=4096)
def cuts(count: int) -> Cuts:
    """Return the cuts of a window of so many values, a multiple of ``CLOCK``."""
    kept = [border for border in borders(count) if count - border > max(NEWER)]
    newer = np.array([*NEWER, *(count - border for border in kept)], np.float64)
    older, chance = count - newer, math.log(2 * math.log(count) / DELTA)
    few = 1 / np.maximum(older - LEAST + 1, 1) + 1 / (newer - LEAST + 1)
    share = np.where(older < LEAST, 0.0, count / newer)
    by_spread, fixed = np.sqrt(2 * few * chance), 2 / 3 * chance * few
    weights, new = share / by_spread, len(NEWER)
    of_sums = weights[:new] / np.maximum(older[:new], 1)
    slack = ROUNDED * of_sums.max() + NARROW * max(weights[new:], default=0.0) / math.sqrt(count)
    rows = slots(np.array([*kept, count], np.intp))
    screen = (PARTS * of_sums[:, None]).astype(np.float32)
    return Cuts(
        rows[:-1], int(rows[-1]), newer, share, by_spread, fixed, screen, weights[new:].astype(np.float32), slack
    )


def padded(counts: NDArray[np.int32]) -> tuple[NDArray[np.intp], Row]:
    """Return slots, (cuts, counts), and newer, share, by_spread and fixed, (4, cuts, counts), of windows of many sizes.

    Where a window has fewer cuts than another, the rest are no changes whatever comes.
    """
    tables = [cuts(count) for count in counts.tolist()]
    most = max(len(table.newer) for table in tables)
    rows, numbers = np.zeros((most - len(NEWER), len(tables)), np.intp), np.zeros((4, most, len(tables)))
    numbers[3] = 1.0
    for place, table in enumerate(tables):
        rows[: len(table.slots), place] = table.slots
        numbers[:, : len(table.newer), place] = table.newer, table.share, table.by_spread, table.fixed
    return rows, numbers
