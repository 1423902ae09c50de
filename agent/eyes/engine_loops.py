"""The loops of the engine, compiled where that can be: counts at drawn-in ends, medians, sums of steps.

What NumPy does in a dozen passes over arrays that are written to memory and read again is one pass here, and a median
is worked out only where it is beyond its range for certain. Answers are the same to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Places, Reals
from agent.eyes.medians import AHEAD, ROOM, View
from agent.eyes.records import HALF_FADED
from agent.eyes.restless import NEAR, ROUNDING, STEPS, Sums
from agent.eyes.restless import ROOM as STEP_ROOM
from tools.compiled import compiled

RUN = 512  # series counted together: few enough for the processor's nearest cache
LINE = 128  # series whose windows are read together, row by row: some lines of memory at a time
SIGN, ALL = np.int32(2**31 - 1), 2**32 - 1
FULL, FADED, STEP_FADED = np.float32(ROOM), np.float32(HALF_FADED), np.float32(STEP_ROOM)
NONE = np.float32(0)

Keys = NDArray[np.int32]
Counts = NDArray[np.uint8]


def medians(recent: Reals, of: View) -> tuple[Places, Reals]:
    """Return the series whose median may widen or hold its range, and their medians; ``recent``: (width, series)."""
    series = recent.shape[1]
    places, middle = np.empty(series, np.intp), np.empty(series, np.float32)
    many = beyond(recent, of, places, middle)
    return places[:many], middle[:many]


def steps(recent: Reals, of: Sums, count: NDArray[np.int32]) -> Places:
    """Add the newest step to the sums, take the oldest off; return where the mean may leave its range.

    ``recent``: (WIDTH, series), the newest value last; ``count``: (series,), steps of each so far, ``STEPS`` at most.
    """
    places = np.empty(len(count), np.intp)
    return places[: moved(recent[-STEPS - 2 :], of, count, places)]


@compiled
def beyond(recent: Reals, of: View, places: Places, middle: Reals) -> int:
    """Write where the median is beyond the faded range, and the medians; return how many there are.

    ``recent``: (width, series), ``places``, ``middle``: (series,), written from the front. Of a doubtful series the
    window is read with those of its neighbours, as keys: its own values lie far apart, theirs beside them.
    """
    width, series = recent.shape
    half, found, doubt = width // 2, 0, np.empty(RUN, np.bool_)
    tile, near = np.empty((width, LINE), np.int32), np.empty(width, np.int32)
    first, last = 0, 0  # of the series in the tile
    for start in range(0, series, RUN):
        end = min(start + RUN, series)
        newest, oldest = recent[width - 1, start:end], of.oldest[start:end]
        rise(newest, oldest, of.upper[start:end], of.above[start:end])
        fall(newest, oldest, of.lower[start:end], of.below[start:end])
        copy(recent[0, start:end], oldest)
        doubts(half, of.above[start:end], of.below[start:end], of.left[start:end], doubt)
        for place in range(start, end):
            if doubt[place - start]:
                if place >= last:
                    first, last = place, min(place + LINE, series)
                    for row in range(width):
                        write_keys(recent[row, first:last], tile[row])
                for row in range(width):
                    near[row] = tile[row, place - first]
                if is_beyond(near, place, of, middle[found:]):
                    places[found] = place
                    found += 1
    return found


@compiled
def copy(now: Reals, to: Reals) -> None:
    """Copy some numbers, (series,) as everywhere below where nothing else is said."""
    for place in range(len(now)):
        to[place] = now[place]


@compiled
def rise(newest: Reals, oldest: Reals, upper: Reals, above: Counts) -> None:
    """Count those above an end, as one comes and one goes."""
    for place in range(len(newest)):
        above[place] += np.uint8(newest[place] > upper[place])
        above[place] -= np.uint8(oldest[place] > upper[place])


@compiled
def fall(newest: Reals, oldest: Reals, lower: Reals, below: Counts) -> None:
    """Count those below an end, as one comes and one goes."""
    for place in range(len(newest)):
        below[place] += np.uint8(newest[place] < lower[place])
        below[place] -= np.uint8(oldest[place] < lower[place])


@compiled
def doubts(half: int, above: Counts, below: Counts, left: Counts, doubt: NDArray[np.bool_]) -> None:
    """Write which series have more than half of their values beyond an end, or ends that hold no longer."""
    for place in range(len(above)):
        left[place] -= np.uint8(1)
        doubt[place] = (above[place] > half) | (below[place] > half) | (left[place] == 0)


@compiled
def is_beyond(near: Keys, place: int, of: View, middle: Reals) -> bool:
    """Draw the ends of a series anew and count; where the median is beyond the faded range, write it to ``middle[0]``.

    ``near``: (width,) keys of its values.
    """
    low, high, half = of.low[place], of.high[place], len(near) // 2
    wide = max(high - low, NONE)
    room, fade = wide * FULL, wide * FADED
    above, below = outside(near, key(low + room), key(high - room))
    of.upper[place], of.lower[place], of.left[place] = high - room, low + room, AHEAD
    of.above[place], of.below[place] = above, below
    if max(above, below) > half:
        least, most = key(low + fade), key(high - fade)
        over, under = outside(near, least, most)
        if over > half:
            middle[0] = real(nth_above(near, most, over - half))
        elif under > half:
            middle[0] = real(nth_below(near, least, under - half))
        return max(over, under) > half
    return False


@compiled
def outside(near: Keys, least: np.int32, most: np.int32) -> tuple[int, int]:
    """Return how many numbers are greater than ``most``, and how many less than ``least``."""
    over, under = 0, 0
    for row in range(len(near)):
        over += near[row] > most
        under += near[row] < least
    return over, under


@compiled
def nth_above(near: Keys, limit: np.int32, nth: int) -> np.int32:
    """Return the ``nth`` of those greater than a limit."""
    while True:
        step = np.uint32(ALL)
        for row in range(len(near)):  # what is not greater becomes a number beyond all others
            now = np.uint32(near[row] - limit - 1)
            step = now if now < step else step
        limit = np.int32(limit + 1 + step)
        if nth == 1:
            return limit
        same = 0
        for row in range(len(near)):
            same += near[row] == limit
        if same >= nth:
            return limit
        nth -= same


@compiled
def nth_below(near: Keys, limit: np.int32, nth: int) -> np.int32:
    """Return the ``nth`` of those less than a limit."""
    for row in range(len(near)):
        near[row] = ~near[row]
    return np.int32(~nth_above(near, np.int32(~limit), nth))


@compiled
def key(value: np.float32) -> np.int32:
    """Return a whole number in whose order real numbers are, so that a least one is found in vector instructions."""
    bits = np.float32(value + NONE).view(np.int32)  # there is one nought
    return np.int32(bits ^ ((bits >> np.int32(31)) & SIGN))


@compiled
def write_keys(now: Reals, to: Keys) -> None:
    """Write the keys of some numbers."""
    for place in range(len(now)):
        to[place] = key(now[place])


@compiled
def real(number: np.int32) -> np.float32:
    """Return the number of which this is the key."""
    return np.int32(number ^ ((number >> np.int32(31)) & SIGN)).view(np.float32)


@compiled
def moved(recent: Reals, of: Sums, count: NDArray[np.int32], places: Places) -> int:
    """Advance the sums of steps; write where the mean may leave its range, and return how many series that are."""
    series, found, doubt = len(count), 0, np.empty(RUN, np.bool_)
    for start in range(0, series, RUN):
        end = min(start + RUN, series)
        add(recent[-1, start:end], recent[-2, start:end], of.total[start:end], 1.0)
        add(recent[1, start:end], recent[0, start:end], of.total[start:end], -1.0)
        highest(of.total[start:end], of.most[start:end])
        for place in range(start, end):
            total, low, high = of.total[place], of.low[place], of.high[place]
            slack = NEAR * total + ROUNDING * of.most[place]
            shrink = max(high - low, NONE) * STEP_FADED
            many = count[place]
            doubt[place - start] = (total + slack > (high - shrink) * many) | (total - slack < (low + shrink) * many)
        for place in range(start, end):
            of.left[place] -= np.uint8(1)
            if doubt[place - start] or of.left[place] == 0:
                places[found] = place
                found += 1
    return found


@compiled
def add(one: Reals, other: Reals, total: NDArray[np.float64], sign: float) -> None:
    """Add a step to sums."""
    for place in range(len(total)):
        total[place] += sign * abs(one[place] - other[place])


@compiled
def highest(total: NDArray[np.float64], most: NDArray[np.float64]) -> None:
    """Keep the greatest sums."""
    for place in range(len(total)):
        most[place] = max(most[place], total[place])
