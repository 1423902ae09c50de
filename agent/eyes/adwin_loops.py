"""The loops of ADWIN, compiled where that can be: values are added, cuts worked out.

Neighbouring series are mostly of one age, so that they have the same cuts: the innermost loops go over such a run of
series, each with the same numbers, and become vector instructions. What has another age is worked out alone.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.eyes.columns import Reals
from tools.compiled import compiled

DELTA, CLOCK, MOST, LEAST = 0.002, 32, 5, 5  # chance, values between checks, buckets of a size, values beside a cut
LEVELS, SLOTS = 24, 5  # borders are multiples of 2 to 2^24; of one size so many are alive at once
ROWS = LEVELS * SLOTS
LONGEST = MOST * 2**22  # values of a window: 20 years of one every 30 s
FINE = 8  # borders that are no multiple of it serve one check alone; their rows follow from the place in the batch
BATCH, WHOLE = CLOCK - 1, 2**30 - 1  # bits in which ages must be the same to share a row: the last five, all
RUN, AGES = 512, 64  # series of a run, few enough for the processor's cache; ages whose cuts are kept during a check

Row = NDArray[np.float64]
Counts = NDArray[np.int32]
Whole = NDArray[np.int64]


class Windows(NamedTuple):
    """The windows of many series; the last axis of each array is the series.

    ``age``: values so far. ``total``: their sum. ``spread``: the sum of squared departures, of each from the ``centre``
    that there was when it came. ``sums``: (ROWS, series), of all values before a border. ``before``, ``since``: the
    mean before the last change, and how many values ago it began.
    """

    age: Counts
    total: Row
    spread: Row
    centre: Row
    sums: Row
    before: Row
    since: Counts


class Cuts(NamedTuple):
    """Where windows of several ages may be cut; the first axis is the age's place.

    ``size``: the age, ``many``: its cuts. ``rows``: (AGES, ROWS), of the sum before a cut. ``numbers``: (AGES, 4,
    ROWS), the values before it; what that sum, less its share of all, is multiplied with to be the difference of the
    means of both sides; and by how much these may differ: so many standard deviations, and so much beside.
    """

    size: Whole
    many: Whole
    rows: Whole
    numbers: Row


@compiled
def slot(border: int) -> int:
    """Return the row in which the sum before a border is kept; no two that are alive share one."""
    level = 1
    while not border >> level & 1:
        level += 1
    if border % FINE:
        border %= CLOCK
    return (level - 1) * SLOTS + (border >> level + 1) % SLOTS


@compiled
def cut(count: int, rows: Whole, numbers: Row) -> int:
    """Write the cuts of a window of so many values, newest first; return how many there are."""
    many, border, size, came = 0, count, 1, count
    chance = math.log(2 * math.log(count) / DELTA)
    while came:
        stay = came if came <= MOST else MOST - 1 + came % 2  # buckets of this size; the others are merged in pairs
        for _ in range(stay):
            border -= size
            newer = count - border
            if border >= LEAST and newer >= LEAST:
                few = 1 / (border - LEAST + 1) + 1 / (newer - LEAST + 1)
                rows[many], numbers[0, many], numbers[1, many] = slot(border), border, count / newer / border
                numbers[2, many], numbers[3, many] = math.sqrt(2 * few * chance), 2 / 3 * chance * few
                many += 1
        came, size = (came - stay) // 2, size * 2
    return many


@compiled
def place_of(count: int, cuts: Cuts) -> int:
    """Return where the cuts of a window of so many values are, worked out unless they are there."""
    at = count // CLOCK % AGES
    if cuts.size[at] != count:
        cuts.size[at], cuts.many[at] = count, cut(count, cuts.rows[at], cuts.numbers[at])
    return at


@compiled
def is_border(count: int) -> bool:
    """Tell whether the next check may cut after so many values."""
    newer = -count % CLOCK
    return newer % 4 == 0 or newer in (6, 10)


@compiled
def add(value: Reals, of: Windows) -> bool:
    """Add a value of each series; True where one is due for a check."""
    due = False
    for start in range(0, len(value), RUN):
        end = min(start + RUN, len(value))
        usual = of.age[(start + end) // 2] + 1
        apart = add_run(usual, value[start:end], start, end, of)
        like = BATCH if usual % FINE else WHOLE
        if is_border(usual):
            keep(usual, like, start, end, of)
        due |= usual % CLOCK == 0
        if apart & like:
            for place in range(start, end):
                count = of.age[place]
                if (count ^ usual) & like and is_border(count):
                    of.sums[slot(count), place] = of.total[place]
                    due |= count % CLOCK == 0
    return due


@compiled
def add_run(usual: int, value: Reals, start: int, end: int, of: Windows) -> int:
    """Add a value to a run of series; return 0 where all are of the usual age."""
    age, total, spread, centre = of.age[start:end], of.total[start:end], of.spread[start:end], of.centre[start:end]
    apart = 0
    for place in range(end - start):
        age[place] += 1
        apart |= age[place] ^ usual
        total[place] += value[place]
        off = value[place] - centre[place]
        spread[place] += off * off
    return apart


@compiled
def keep(usual: int, like: int, start: int, end: int, of: Windows) -> None:
    """Keep the sums of those series of a run whose age is the usual one, in the bits of ``like``."""
    age, total, kept = of.age[start:end], of.total[start:end], of.sums[slot(usual), start:end]
    for place in range(end - start):
        kept[place] = kept[place] if (age[place] ^ usual) & like else total[place]


@compiled
def check(of: Windows, score: Reals) -> None:
    """Write by how much of what it may be a difference of means is too large; begin the window anew there."""
    none, work = np.zeros(AGES, np.int64), np.empty((2, RUN))
    cuts = Cuts(none, none.copy(), np.empty((AGES, ROWS), np.int64), np.empty((AGES, 4, ROWS)))
    for start in range(0, len(score), RUN):
        end = min(start + RUN, len(score))
        usual = of.age[(start + end) // 2]
        if usual % CLOCK == 0:
            settle(usual, start, end, of)
            furthest(usual, start, end, of, cuts, work)
        for place in range(start, end):
            count = of.age[place]
            if count % CLOCK:
                continue
            if count != usual:
                settle(count, place, place + 1, of)
            if count != usual or work[0, place - start] > 0.0:
                decide(count, place, of, cuts, score)
            if score[place] > 0.0 or count + CLOCK > LONGEST:
                of.age[place], of.total[place], of.spread[place] = 0, 0.0, 0.0


@compiled
def settle(count: int, start: int, end: int, of: Windows) -> None:
    """Move the centre of those of a run that have so many values to their mean, and the spread with it."""
    age, total, spread, centre = of.age[start:end], of.total[start:end], of.spread[start:end], of.centre[start:end]
    for place in range(end - start):
        mean = total[place] / count if age[place] == count else centre[place]
        by = mean - centre[place]
        spread[place] = max(spread[place] - count * by * by, 0.0)
        centre[place] = mean


@compiled
def furthest(count: int, start: int, end: int, of: Windows, cuts: Cuts, work: Row) -> None:
    """Write to the first row of ``work`` how much further the means are apart than they may be, at the worst cut."""
    here, most, deviation = place_of(count, cuts), work[0], work[1]
    mean, spread, numbers = of.centre[start:end], of.spread[start:end], cuts.numbers[here]
    for place in range(end - start):
        most[place], deviation[place] = 0.0, math.sqrt(spread[place] / count)
    for at in range(cuts.many[here]):
        older, share, by_spread, fixed = numbers[0, at], numbers[1, at], numbers[2, at], numbers[3, at]
        before = of.sums[cuts.rows[here, at], start:end]
        for place in range(end - start):
            apart = abs(before[place] - mean[place] * older) * share
            most[place] = max(most[place], apart - by_spread * deviation[place] - fixed)


@compiled
def decide(count: int, place: int, of: Windows, cuts: Cuts, score: Reals) -> None:
    """Work out the worst cut of a series; where that is a change, write its score, the mean before and since when."""
    mean, deviation, here, most = of.centre[place], math.sqrt(of.spread[place] / count), place_of(count, cuts), 1.0
    for at in range(cuts.many[here]):
        before, older = of.sums[cuts.rows[here, at], place], cuts.numbers[here, 0, at]
        apart = abs(before - mean * older) * cuts.numbers[here, 1, at]
        ratio = apart / (cuts.numbers[here, 2, at] * deviation + cuts.numbers[here, 3, at])
        if ratio > most:
            most, newer = ratio, count - older
            score[place], of.before[place], of.since[place] = ratio, before / older, newer
            of.centre[place] = (of.total[place] - before) / newer
