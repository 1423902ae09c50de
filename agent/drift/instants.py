"""Faults of time: day and month swapped, another time zone, holes, instants out of order. Seconds since 1970, UTC."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agent.drift.finding import Fault
from tools.grid import Floats

DAY, HOUR = 86_400.0, 3_600.0
FEW = 200
SLOTS = 48  # half hours of a day
WORTH, SURE, LEFT = 0.06, 2.5, 0.2  # of the rows elsewhere; chi-square a slot; what turning may leave of its excess
ROUNDS = 20  # of proportional fitting: how much faster one table fills than the other


def time_faults(name: str, reference: Floats, current: Floats) -> Iterator[Fault]:
    """Name what became of one column of instants (NaN is null), rows in the order of the tables."""
    before, after = reference[np.isfinite(reference)], current[np.isfinite(current)]
    if min(len(before), len(after)) < FEW:
        return
    swap = list(_swapped(name, before, after))
    yield from swap or _zone(name, before, after)
    yield from _hole(name, before, swapped(after) if swap else after)  # exchanged dates leave holes of their own


def swapped(instants: Floats) -> Floats:
    """Return the instants with day and month exchanged where that is a date (day <= 12); others as they are.

    >>> at = np.array([np.datetime64("2026-03-01", "s").astype(np.int64)], float)
    >>> swapped(at).astype("datetime64[s]").astype(str).tolist()
    ['2026-01-03T00:00:00']
    """
    days = np.floor(instants / DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    years = days.astype("datetime64[Y]")
    day = (days - months).astype(np.int64)  # from 0
    month = (months - years.astype("datetime64[M]")).astype(np.int64)
    other = (years.astype("datetime64[M]") + day.clip(0, 11)).astype("datetime64[D]") + month
    moved = np.where(day < 12, other, days).astype("datetime64[D]").astype(np.int64)
    return np.asarray(moved * DAY + np.mod(instants, DAY), np.float64)


def _swapped(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    """Exchange day and month: if that puts scattered instants together, or disordered ones in order, they were."""
    undone = swapped(after)
    share = float((undone != after).mean())
    if share < 0.05 or _reach(before) == 0:
        return
    gathered = _reach(undone) < 0.4 * _reach(after) and _reach(after) > 2 * _reach(before)
    ordered = _disorder(after) > 0.02 + 2 * _disorder(before) and _disorder(undone) < 0.25 * _disorder(after)
    if gathered or ordered:
        first = float(after[np.flatnonzero(undone != after)[0]])
        text = f"day and month changed places in up to {share:.0%} of the dates"
        yield Fault(column=name, kind="day and month", text=text, share=share, sure=0.9, example=_iso(first))


def _reach(instants: Floats) -> float:
    low, high = np.quantile(instants, [0.01, 0.99])
    return float(high - low)


def _disorder(instants: Floats) -> float:
    """Return the share of steps back in time of at least a day."""
    return float((np.diff(instants) < -DAY).mean())


def _iso(at: float) -> str:
    return str(np.datetime64(int(at), "s"))


def _zone(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    """Hours of the day that fit the reference once turned by whole or half hours."""
    one, two = _hours(before), _hours(after)
    each = 1 / len(before) + 1 / len(after)
    turned = np.array([_unlike(one, np.roll(two, -turn), each) for turn in range(SLOTS)])
    best, least = int(np.argmin(turned)), float(np.abs(one - two).sum() / 2)
    if least < WORTH or turned[0] < SURE * SLOTS or turned[best] - SLOTS > LEFT * (turned[0] - SLOTS):
        return
    hours = (best if best <= SLOTS / 2 else best - SLOTS) / 2
    apart, left = (_apart(before, after - back * HOUR) for back in (0.0, hours))
    if apart < SURE * SLOTS or left - SLOTS > LEFT * (apart - SLOTS):
        return  # that one table begins and ends at other hours than the other explains it as well
    text = f"the hours of the day are turned by {hours:+g} h: the time zone changed"
    yield Fault(column=name, kind="time zone", text=text, share=1.0, sure=0.85)


def _apart(before: Floats, after: Floats) -> float:
    """Return the chi-square of rows in each half hour that both cover, for the time that each covers of it."""
    rows = np.array([_hours(at) * len(at) for at in (before, after)])
    time = np.array([_covered(float(at.min()), float(at.max())) for at in (before, after)])
    both = (time > 0).all(axis=0) & (rows.sum(axis=0) > 0)
    rows, time = rows[:, both], time[:, both]
    if not both.any() or not rows.any(axis=1).all():
        return 0.0
    pace = rows.sum(axis=1) / time.sum(axis=1)
    for _ in range(ROUNDS):
        due = pace[:, None] * time
        due *= rows.sum(axis=0) / due.sum(axis=0)
        pace *= rows.sum(axis=1) / due.sum(axis=1)
    return float(((rows - due) ** 2 / due).sum())


def _covered(first: float, last: float) -> NDArray[np.float64]:
    """Return the seconds of each half hour of the day that lie between two instants, (48,)."""
    begin = np.arange(SLOTS) * HOUR / 2
    until = [np.floor(at / DAY) * HOUR / 2 + (at % DAY - begin).clip(0, HOUR / 2) for at in (first, last)]
    return np.asarray(until[1] - until[0], np.float64)


def _unlike(one: NDArray[np.float64], two: NDArray[np.float64], each: float) -> float:
    """Return the chi-square of two shares of rows; about as many as there are slots where both are alike."""
    pooled = (one + two) / 2
    return float(((one - two) ** 2 / np.maximum(pooled, 1e-12)).sum() / each)


def _hours(instants: Floats) -> NDArray[np.float64]:
    """Return the share of rows in each half hour of the day, (48,)."""
    slots = (np.mod(instants, DAY) // (HOUR / 2)).astype(np.int64)
    return np.bincount(slots, minlength=SLOTS) / len(instants)


def _hole(name: str, before: Floats, after: Floats) -> Iterator[Fault]:
    """A stretch without rows, far longer than any of the reference."""
    longest, at = _longest(after)
    usual, _ = _longest(before)
    span = float(after.max() - after.min())
    if usual > 0 and longest > 10 * usual and longest > 20 * span / len(after):
        text = f"no rows for {_long(longest)} from {_iso(at)}; the longest pause was {_long(usual)}"
        yield Fault(column=name, kind="hole", text=text, share=longest / span, sure=0.8, example=_iso(at))


def _longest(instants: Floats) -> tuple[float, float]:
    ordered = np.sort(instants)
    steps = np.diff(ordered)
    at = int(np.argmax(steps))
    return float(steps[at]), float(ordered[at])


def _long(seconds: float) -> str:
    for unit, size in (("d", DAY), ("h", HOUR), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
