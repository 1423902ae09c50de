"""What users of the services at fault got while an episode lasted, and what it cost. Pure; of faults alone."""

from typing import Any

import numpy as np

from simulator.record import FLOWS, Record, Track
from simulator.score import well
from simulator.world.store import Floats

STEP = 120.0  # seconds
BEFORE = 600.0  # seconds before the onset from which a course is told
USUAL = 1800.0  # seconds before the onset whose spending counts as the usual one
LEAST_USUAL = 600.0  # seconds: of less nobody can tell what was usual


def course(record: Record) -> dict[str, Any] | None:
    """Return requests of users, good ones among them and the share of ticks in health, for every ``STEP`` seconds.

    All are of all patients together: ``well`` is the share of a step's ticks in which each of them was well. The first
    step begins ``BEFORE`` seconds before the onset. None where nothing is wrong.
    """
    if not len(record.acting.flow):
        return None
    since = _since(record)
    flows = _patients(record, record.acting)
    asked, good = (np.diff(flows[:, FLOWS.index(name)], prepend=0.0) for name in ("requests", "good_requests"))
    step = np.ceil((since + BEFORE) / STEP).astype(np.int64) - 1  # a tick is told when it is over
    shown = step >= 0
    told = (asked, good, well(record, record.acting))
    requests, goods, fine = (np.bincount(step[shown], each[shown]).astype(np.float64) for each in told)
    shares = [round(float(share), 3) for share in fine / np.maximum(np.bincount(step[shown]), 1)]
    return {"step_s": STEP, "from_s": -BEFORE, "requests": _whole(requests), "good": _whole(goods), "well": shares}


def costs(record: Record) -> dict[str, float | None]:
    """Return, in the fleet's money, what the effects cost and what the incident did; None: unknown, or no incident.

    ``money_acts``: the whole fleet's money beyond what the same fleet spends in the same time with nobody in it; below
    nought, so much was saved. ``money_incident``: what the patients spent from the onset on beyond their usual pace,
    the pace of the ``USUAL`` seconds before; below nought where what is broken costs nothing.
    """
    if not len(record.acting.flow):
        return {"money_acts": None, "money_incident": None}
    money = FLOWS.index("money")
    ours, theirs = (float(track.flow[-1, money].sum()) for track in (record.acting, record.idle))
    return {"money_acts": round(ours - theirs, 2) + 0.0, "money_incident": _beyond_usual(record)}


def _beyond_usual(record: Record) -> float | None:
    since, spent = _since(record), _patients(record, record.acting)[:, FLOWS.index("money")]
    before = np.flatnonzero((since <= 0) & (since >= -USUAL))
    if not len(before) or since[before[-1]] - since[before[0]] < LEAST_USUAL:
        return None
    first, onset = before[0], before[-1]
    pace = (spent[onset] - spent[first]) / (since[onset] - since[first])
    return round(float(spent[-1] - spent[onset] - pace * (since[-1] - since[onset])), 2) + 0.0  # no nought below nought


def _since(record: Record) -> Floats:
    """Return the seconds from the onset to every tick's end."""
    onset = record.happened.onset_at
    if onset is None:
        raise ValueError(f"{record.scenario}: something is wrong, and began at no time")
    return np.asarray(record.acting.times - onset.timestamp())


def _patients(record: Record, track: Track) -> Floats:
    """Return ``FLOWS`` so far of all patients together, shape (ticks, 3)."""
    columns = [i for i, service in enumerate(record.fleet.services) if service.name in record.patients]
    return np.asarray(track.flow[:, :, columns].sum(axis=2))


def _whole(values: Floats) -> list[int]:
    return [round(float(value)) for value in values]
