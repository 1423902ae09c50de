"""Functions of a range of samples: rates, sums over time and their kin. Rules are those of ``promql/functions.go``.

A window is a slice of the grid: ``times`` (W,) in ms, ``x`` (W, N), ``has`` (W, N). Every function returns values and
whether there is one, both (N,).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.twin.promql.samples import Bools, Floats, Ints

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of every series: bounds ``start`` and ``end`` in ms, ``at`` the step, ``modern``: Prometheus 3."""

    times: Ints
    x: Floats
    has: Bools
    start: int
    end: int
    at: int
    modern: bool = False

    @property
    def count(self) -> Ints:
        """Samples of each series."""
        count: Ints = self.has.sum(axis=0)
        return count

    def first(self) -> Places:
        """Place of each series' first sample."""
        place: Places = self.has.argmax(axis=0)
        return place

    def last(self) -> Places:
        """Place of each series' last sample."""
        place: Places = len(self.has) - 1 - self.has[::-1].argmax(axis=0)
        return place

    def at_place(self, places: Places) -> Floats:
        """Values at one place of each series."""
        values: Floats = self.x[places, np.arange(self.x.shape[1])]
        return values

    def before(self) -> tuple[Floats, Bools]:
        """Return for every sample the one before it, and whether there is one."""
        index = np.where(self.has, np.arange(len(self.has))[:, None], -1)
        prior = np.full_like(index, -1)
        prior[1:] = np.maximum.accumulate(index, axis=0)[:-1]
        known = self.has & (prior >= 0)
        return np.take_along_axis(self.x, np.maximum(prior, 0), axis=0), known


Out = tuple[Floats, Bools]


def _drops(window: Window) -> Floats:
    """Return what counters lost by resets."""
    before, known = window.before()
    fell = known & (window.x < before)
    lost: Floats = np.where(fell, before, 0.0).sum(axis=0)
    return lost


def extrapolated(window: Window, *, counter: bool, per_second: bool) -> Out:
    """Return the change over the window, extrapolated to its bounds where samples come close to them."""
    enough = window.count >= 2
    first, last = window.first(), window.last()
    low = window.at_place(first)
    change = window.at_place(last) - low + (_drops(window) if counter else 0.0)
    sampled = (window.times[last] - window.times[first]) / 1000.0
    apart = sampled / np.maximum(window.count - 1, 1)
    to_start = (window.times[first] - window.start) / 1000.0
    to_end = (window.end - window.times[last]) / 1000.0
    near = apart * 1.1
    if window.modern:
        to_start = np.where(to_start >= near, apart / 2, to_start)
    if counter:
        to_zero = np.where((change > 0) & (low >= 0), sampled * (low / np.where(change > 0, change, 1.0)), np.inf)
        to_start = np.minimum(to_start, to_zero)
    reach = sampled + np.where(to_start < near, to_start, apart / 2) + np.where(to_end < near, to_end, apart / 2)
    factor = reach / np.where(enough, sampled, 1.0)
    seconds = (window.end - window.start) / 1000.0
    return change * (factor / seconds if per_second else factor), enough


def _instant(window: Window, *, per_second: bool) -> Out:
    """Return the change between the last two samples."""
    before, known = window.before()
    last = window.last()
    enough = window.count >= 2
    now, prior = window.at_place(last), before[last, np.arange(before.shape[1])]
    index = np.where(window.has, np.arange(len(window.has))[:, None], -1)
    index[last, np.arange(index.shape[1])] = -1
    apart = (window.times[last] - window.times[np.maximum(index.max(axis=0), 0)]) / 1000.0
    if not per_second:
        return now - prior, enough
    change = np.where(now < prior, now, now - prior)
    return change / np.where(enough & (apart > 0), apart, 1.0), enough & known.any(axis=0)


def regression(window: Window, origin: Ints) -> tuple[Floats, Floats, Bools]:
    """Return slope per second, intercept at ``origin`` (ms, (N,)) and whether there are two samples."""
    has, n = window.has, np.maximum(window.count, 1)
    t = np.where(has, (window.times[:, None] - origin) / 1000.0, 0.0)
    y = np.where(has, window.x, 0.0)
    first = window.at_place(window.first())
    flat = (np.where(has, window.x == first, True)).all(axis=0)
    mean_t, mean_y = t.sum(axis=0) / n, y.sum(axis=0) / n
    dt, dy = np.where(has, t - mean_t, 0.0), np.where(has, y - mean_y, 0.0)
    spread = (dt * dt).sum(axis=0)
    slope = np.where(flat, 0.0, (dt * dy).sum(axis=0) / np.where(spread > 0, spread, np.nan))
    intercept = np.where(flat, first, mean_y - slope * mean_t)
    infinite = flat & np.isinf(first)
    return np.where(infinite, np.nan, slope), np.where(infinite, np.nan, intercept), window.count >= 2


def _deriv(window: Window) -> Out:
    slope, _, enough = regression(window, window.times[window.first()])
    return slope, enough


def predicted(window: Window, ahead: float) -> Out:
    """Return the value that a straight line gives ``ahead`` seconds after the step."""
    origin = np.full(window.x.shape[1], window.at, dtype=np.int64)
    slope, intercept, enough = regression(window, origin)
    return slope * ahead + intercept, enough


def quantile(q: float, x: Floats, has: Bools) -> Floats:
    """Return the q-quantile over axis 0 of what is there, linear between ranks; NaN sorts lowest."""
    n = has.sum(axis=0)
    if np.isnan(q):
        return np.full(x.shape[1], np.nan)
    if q < 0 or q > 1:
        return np.full(x.shape[1], -np.inf if q < 0 else np.inf)
    if not len(x):
        return np.full(x.shape[1], np.nan)
    order = np.lexsort((np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf), ~np.isnan(x), ~has), axis=0)
    ranked = np.take_along_axis(x, order, axis=0)
    rank = q * (n - 1)
    low = np.maximum(np.floor(rank), 0).astype(np.intp)
    high = np.clip(low + 1, 0, np.maximum(n - 1, 0)).astype(np.intp)
    weight = rank - np.floor(rank)
    here = np.arange(x.shape[1])
    found = ranked[low, here] * (1 - weight) + ranked[high, here] * weight
    return np.where(n > 0, found, np.nan)


def _spread(window: Window) -> Floats:
    """Return the population variance."""
    n = np.maximum(window.count, 1)
    mean = np.where(window.has, window.x, 0.0).sum(axis=0) / n
    gap = np.where(window.has, window.x - mean, 0.0)
    variance: Floats = (gap * gap).sum(axis=0) / n
    return variance


def _sum(window: Window) -> Floats:
    total: Floats = np.where(window.has, window.x, 0.0).sum(axis=0)
    return total


def _extreme(window: Window, way: np.ufunc) -> Floats:
    found: Floats = way.reduce(np.where(window.has, window.x, np.nan), axis=0)
    return found


def _moves(window: Window, *, down: bool) -> Floats:
    before, known = window.before()
    if down:
        return _count(known & (window.x < before))
    same = (window.x == before) | (np.isnan(window.x) & np.isnan(before))
    return _count(known & ~same)


def _count(where: Bools) -> Floats:
    number: Floats = where.sum(axis=0).astype(np.float64)
    return number


def _any(window: Window, values: Floats) -> Out:
    return values, window.count > 0


PLAIN: dict[str, Callable[[Window], Out]] = {
    "rate": lambda w: extrapolated(w, counter=True, per_second=True),
    "increase": lambda w: extrapolated(w, counter=True, per_second=False),
    "delta": lambda w: extrapolated(w, counter=False, per_second=False),
    "irate": lambda w: _instant(w, per_second=True),
    "idelta": lambda w: _instant(w, per_second=False),
    "deriv": _deriv,
    "changes": lambda w: _any(w, _moves(w, down=False)),
    "resets": lambda w: _any(w, _moves(w, down=True)),
    "sum_over_time": lambda w: _any(w, _sum(w)),
    "avg_over_time": lambda w: _any(w, _sum(w) / np.maximum(w.count, 1)),
    "count_over_time": lambda w: _any(w, w.count.astype(np.float64)),
    "min_over_time": lambda w: _any(w, _extreme(w, np.fmin)),
    "max_over_time": lambda w: _any(w, _extreme(w, np.fmax)),
    "last_over_time": lambda w: _any(w, w.at_place(w.last())),
    "present_over_time": lambda w: _any(w, np.ones(w.x.shape[1])),
    "stddev_over_time": lambda w: _any(w, np.sqrt(_spread(w))),
    "stdvar_over_time": lambda w: _any(w, _spread(w)),
}
KEEPS_NAME = {"last_over_time"}
