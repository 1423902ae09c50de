"""ADWIN: the newest part of a window has another mean than the rest, wherever one cuts it.

The window of a series grows until a cut is found, and begins anew there. Cuts lie where an exponential histogram has
its borders: these follow from the number of values alone, so that all series of one age share them, and what is kept is
the mean of all values before each border, which never changes. Checked every 32 values, as ``river.drift.ADWIN`` is,
with the same answers. Made for values between 0 and 1, such as the errors of a model. Source: Bifet, Gavalda, Learning
from time-changing data with adaptive windowing (SIAM SDM 2007).

Every cut is worked out only of the series where one may be a change: of those of the usual age, most are ruled out
in 32 bits, by a bound that leaves out no change.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agent.eyes.adwin_cuts import CLOCK, EARLIER, FOURS, LONGEST, NEWER, ROWS, TWOS, Cuts, Row, cuts, padded, slots
from agent.eyes.columns import Columns, Places, Reals
from agent.eyes.contract import Reading, Tick

SIZE, TILE = 20_480, 4096  # series taken in together; screened together, few enough for the processor's cache
FEW, SOME = 1024, 64  # series whose cuts are worked out together; asked for what is usual
SAFE = 1 - 1e-5  # by which rounding may lower a bound, beside what is in proportion to the sum of squares
AFTER = np.array(NEWER, np.float64)[:, None]
PAIRS, BEFORE, MEAN = FOURS, FOURS + len(TWOS), FOURS + len(TWOS) + len(EARLIER)  # rows of parts
MOST = np.float32(
    np.finfo(np.float32).max
)  # for sums of squares beyond, of values near those that are taken for blanks
BEGUN = ("age", "centre", "total", "squares")  # what is nought where a window begins


@dataclass(frozen=True, slots=True)
class Window:
    """What some series have come to at a check.

    ``count``: values. ``parts``: what the sums over the newest values are made of, see ``adwin_cuts``. ``newest``: the
    sums over the newest 8, 16, 24 and 32.
    """

    count: NDArray[np.int32]
    mean: Row
    deviation: Row
    parts: Reals
    newest: Reals

    def some(self, places: Places) -> "Window":
        """Return the same of some series."""
        parts, newest = self.parts[:, places], self.newest[:, places]
        return Window(self.count[places], self.mean[places], self.deviation[places], parts, newest)


class Adwin(Columns):
    """A statistic of 1 and more is a change; the window of the series then begins anew.

    Values are taken less the ``centre`` of their window, and so are sums and means. ``batch``: the sum of squares since
    the last check. ``older`` and ``finer``: the means before borders, in two halves of 32 bits.

    >>> from agent.eyes.try_out import first_alarm
    >>> first_alarm(Adwin, [0.0, 1.0] * 500 + [4.0, 7.0] * 50, 1.0)
    1023
    """

    words: ClassVar[tuple[str, ...]] = ("has another mean than before",)

    def __init__(self, series: int) -> None:
        self.of = {
            "phase": np.zeros(series, np.uint8),
            "age": np.zeros(series, np.int32),
            "centre": np.zeros(series, np.float32),
            "parts": np.zeros((MEAN + 1, series), np.float32),
            "batch": np.zeros(series, np.float32),
            "total": np.zeros(series),
            "squares": np.zeros(series),
            "older": np.zeros((ROWS, series), np.float32),
            "finer": np.zeros((ROWS, series), np.float32),
            "before": np.zeros(series),
            "since": np.zeros(series, np.int32),
        }
        self._off = np.empty(series, np.float32)

    def update(self, tick: Tick) -> Reading:
        """Return the difference of means in parts of what it may be, where that is a change; 0 elsewhere."""
        phase = self.of["phase"]
        series = len(phase)
        score, last = np.zeros(series, np.float32), int(phase.max(initial=0))
        if series and phase.min() == last:
            self._add(last, tick.value)
        elif series:
            self._add_apart(phase, tick.value)
        phase += np.uint8(1)
        if last == CLOCK - 1:
            count = -(-series // SIZE)
            for part in range(count):
                self._check(slice(series * part // count, series * (part + 1) // count), score)
        return Reading(score, np.zeros(series, np.int8))

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return the mean before the last change."""
        found: NDArray[np.float64] = self.of["before"][places]
        return found

    def since(self, places: Places, _: Tick) -> NDArray[np.float64]:
        """Return how many values ago the last change began."""
        found: NDArray[np.float64] = self.of["since"][places].astype(np.float64)
        return found

    def _add(self, phase: int, value: Reals) -> None:
        """Add a value of every series to the sums it is part of."""
        of, parts, off = self.of, self.of["parts"], self._off
        if phase == 0:
            np.copyto(of["centre"], value, where=of["age"] == 0)
        if len(off) != len(value):
            off = self._off = np.empty_like(value)
        np.subtract(value, of["centre"], out=off)
        four = parts[phase // 4]
        if phase % 4:
            four += off
        else:
            four[:] = off
        for row, first in enumerate(TWOS, PAIRS):
            if phase == first:
                parts[row] = off
            elif phase == first + 1:
                parts[row] += off
        with np.errstate(over="ignore"):
            if phase:
                off *= off
                of["batch"] += off
            else:
                np.multiply(off, off, out=of["batch"])

    def _add_apart(self, phase: NDArray[np.uint8], value: Reals) -> None:
        """Do the same where series have come differently far."""
        of, parts = self.of, self.of["parts"]
        first = phase == 0
        np.copyto(of["centre"], value, where=first & (of["age"] == 0))
        off, place = value - of["centre"], (phase >> 2, np.arange(len(phase)))
        four = parts[place]
        four[phase % 4 == 0] = 0.0
        parts[place] = four + off
        for row, one in enumerate(TWOS, PAIRS):
            parts[row, phase == one] = 0.0
            (places,) = np.nonzero((phase == one) | (phase == one + 1))
            parts[row, places] += off[places]
        of["batch"][first] = 0.0
        with np.errstate(over="ignore"):
            of["batch"] += off * off

    def _check(self, part: slice, score: Reals) -> None:
        """Take in a batch of values of those series of a part that are due; tell changes."""
        due = self.of["phase"][part] == CLOCK
        if not due.any():
            return
        here: slice | Places = part if due.all() else np.nonzero(due)[0] + part.start
        now = self._taken_in(here)
        doubtful = self._doubtful(here, now)
        for start in range(0, len(doubtful), FEW):
            few = doubtful[start : start + FEW]
            self._decide(_places(here, few), now.some(few), score)
        self._roll(here, now)

    def _taken_in(self, here: slice | Places) -> Window:
        """Take in a batch of values of some series."""
        of = self.of
        age = of["age"][here]
        (begun,) = np.nonzero(age == 0)
        if len(begun):
            self._begin(_places(here, begun))
        parts, total, squares = of["parts"][:, here], of["total"][here], of["squares"][here]
        newest = _newest(parts)
        total += newest[3]
        squares += np.minimum(of["batch"][here], MOST)
        count = age + np.int32(CLOCK)
        mean = total / count
        spread = mean * total
        np.subtract(squares, spread, out=spread)
        np.maximum(spread, 0.0, out=spread)
        spread /= count
        parts[MEAN] = mean
        of["phase"][here], of["age"][here] = 0, count
        if not isinstance(here, slice):
            of["total"][here], of["squares"][here] = total, squares
        return Window(count, mean, np.sqrt(spread, out=spread), parts, newest)

    def _begin(self, places: Places) -> None:
        """Move the centre of windows from their first value to the mean of their first batch."""
        of = self.of
        parts, centre, batch = of["parts"][:, places], of["centre"][places], of["batch"][places].astype(np.float64)
        total = parts[:FOURS].astype(np.float64).sum(axis=0)
        moved = centre + (total / CLOCK).astype(np.float32)
        by = moved.astype(np.float64) - centre
        parts[:PAIRS] -= (4 * by).astype(np.float32)
        parts[PAIRS:BEFORE] -= (2 * by).astype(np.float32)
        of["parts"][:, places], of["centre"][places] = parts, moved
        of["batch"][places] = np.maximum(batch - 2 * by * total + CLOCK * by * by, 0.0)

    def _roll(self, here: slice | Places, now: Window) -> None:
        """Keep the sums over the newest values for the next check."""
        before, newest = now.parts[BEFORE:MEAN], now.newest
        np.add(before[2:4], newest[3], out=before[4:6])
        np.add(before[0:2], newest[3], out=before[2:4])
        before[0:2], before[6:8] = newest[1::2], newest[0::2]
        if not isinstance(here, slice):
            self.of["parts"][BEFORE:MEAN, here] = before

    def _doubtful(self, here: slice | Places, now: Window) -> Places:
        """Return which of some series may have a change; keep the means before the newest border."""
        usual = _usual(now.count)
        (others,) = np.nonzero(now.count != usual)
        if not isinstance(here, slice) or 2 * len(others) > len(now.count) or usual + CLOCK > LONGEST:
            every = np.arange(len(now.count))
            self._keep(_places(here, every), now)
            return every
        table = cuts(usual)
        near = _near(table, self.of["older"][:, here], self.of["squares"][here], now)
        older, finer = self.of["older"][table.own], self.of["finer"][table.own]
        places = _places(here, others)
        lent = older[places], finer[places]
        older[here] = now.parts[MEAN]
        np.subtract(now.mean, now.parts[MEAN], out=finer[here], casting="same_kind")
        if len(others):
            older[places], finer[places] = lent
            self._keep(places, now.some(others))
            near[others] = True
        found: Places = np.nonzero(near)[0]
        return found

    def _keep(self, places: Places, now: Window) -> None:
        """Keep the means before the newest border of a few series."""
        rows, older = slots(now.count), now.mean.astype(np.float32)
        self.of["older"][rows, places], self.of["finer"][rows, places] = older, now.mean - older

    def _decide(self, places: Places, now: Window, score: Reals) -> None:
        """Work out every cut of a few series; begin anew where one is a change."""
        of = self.of
        counts, which = np.unique(now.count, return_inverse=True)
        rows, numbers = padded(counts)
        rows, (newer, share, by_spread, fixed) = rows[:, which], numbers[..., which]
        older = np.empty_like(newer)
        older[: len(NEWER)] = (now.mean * now.count - _sums(now.parts)) / np.maximum(now.count - AFTER, 1)
        older[len(NEWER) :] = of["older"][rows, places].astype(np.float64) + of["finer"][rows, places]
        ratio = np.abs(older - now.mean) * share / (by_spread * now.deviation + fixed)
        best = ratio.argmax(axis=0)
        most = ratio[best, np.arange(len(places))]
        (found,) = np.nonzero(most > 1.0)
        changed, best = places[found], best[found]
        score[changed] = np.maximum(most[found], 1.0)
        of["before"][changed], of["since"][changed] = older[best, found] + of["centre"][changed], newer[best, found]
        over = places[(most > 1.0) | (now.count + CLOCK > LONGEST)]
        for name in BEGUN:
            of[name][over] = 0


def _places(here: slice | Places, some: Places) -> Places:
    """Return which of all series some of those here are."""
    return some + here.start if isinstance(here, slice) else here[some]


def _newest(parts: Reals) -> Reals:
    """Return the sums over the newest 8, 16, 24 and 32 values."""
    by_8 = parts[FOURS - 2 :: -2] + parts[FOURS - 1 :: -2]
    for place in range(1, len(by_8)):
        by_8[place] += by_8[place - 1]
    return by_8


def _sums(parts: Reals) -> Row:
    """Return the sums over the ``NEWER`` newest values of a few series, added up in the same order however few."""
    fours = np.cumsum(parts[FOURS - 1 :: -1], axis=0, dtype=np.float64)
    late, early = parts[PAIRS:BEFORE]
    known = dict(zip(range(4, CLOCK + 1, 4), fours, strict=True))
    known |= {CLOCK + newer: fours[-1] + row for newer, row in zip(EARLIER, parts[BEFORE:MEAN], strict=True)}
    known |= {6: fours[0] + early, 10: fours[1] + late}
    return np.array([known[newer] for newer in NEWER])


def _usual(count: NDArray[np.int32]) -> int:
    """Return what most series have, if most have the same."""
    middle = int(count[len(count) // 2])
    if 2 * np.count_nonzero(count == middle) > len(count):
        return middle
    found, many = np.unique(count[:: -(-len(count) // SOME)], return_counts=True)
    return int(found[many.argmax()])


def _near(table: Cuts, older: Reals, squares: Row, now: Window) -> NDArray[np.bool_]:
    """Return which series may have a change, if they all are as old as ``table`` says."""
    most = np.sqrt(squares)
    most *= table.slack
    for start in range(0, len(most), TILE):
        tile = slice(start, start + TILE)
        most[tile] += _furthest(table, older[:, tile], now.parts[:, tile])
    return most > now.deviation * SAFE


def _furthest(table: Cuts, older: Reals, parts: Reals) -> Reals:
    """Return the greatest departure times weight, in 32 bits."""
    off = np.empty((len(table.newer), parts.shape[1]), np.float32)
    np.matmul(table.screen, parts, out=off[: len(NEWER)])
    for row, slot in zip(off[len(NEWER) :], table.slots.tolist(), strict=True):
        np.subtract(older[slot], parts[MEAN], out=row)
    off[len(NEWER) :] *= table.weights[:, None]
    found: Reals = np.maximum(off.max(axis=0), -off.min(axis=0))
    return found
