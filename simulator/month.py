"""The month: forty services through stated rates of faults, with Prunella, with simple rules, with a person alone.

Everybody meets the same faults in the same weather, and everybody but "nobody" has the same person on call behind them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from config.load import load_reasoner
from simulator.arrivals import DAY, Arrival, counted, month
from simulator.copies import copies, with_batch
from simulator.episode import GUARDIANS, MODEL, TICK, Doorkeeper, demo_fleet, foreseeing
from simulator.kept import Kept
from simulator.oncall import OnCall
from simulator.world.world import START, World
from tools.ports import Actuator

US, FORESEEING = "prunella", "foreseeing"  # the same, and replicas follow the hours, and batch work fills GPUs
STATIC = "static"  # a person alone, beside the batch work that FORESEEING has, of which nobody makes more or less
SHARING = frozenset((FORESEEING, STATIC))
OURS = frozenset((US, FORESEEING))
NOBODY, PERSON = "nobody", "on_call"
RULES = ("restart_first", "undo_last_release", "runbook_by_alert")
EVERYBODY = (US, FORESEEING, PERSON, STATIC, *RULES, NOBODY)
SAMPLED = 20  # ticks between two looks at the GPUs
Progress = Callable[[int, int, str], None]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shift:
    """Who guards the fleet, and for how long."""

    who: str
    seed: int
    days: float

    @property
    def key(self) -> str:
        """Name of the run in a file of finished ones."""
        return f"month/{self.who}/{self.seed}/{self.days:g}d"


def run_month(seed: int, days: float, jobs: int, progress: Progress, kept: Path | None = None) -> Result:
    """Let everybody guard the fleet for so many days. Same seed and days, same result, whatever the jobs."""
    model = () if load_reasoner() is None else (MODEL,)
    shifts, done = [Shift(who, seed, days) for who in (*EVERYBODY, *model)], Kept(kept)
    found = {shift.who: result for shift in shifts if (result := done.of(shift.key)) is not None}
    for shift, result in _worked([shift for shift in shifts if shift.who not in found], jobs):
        found[shift.who] = result
        done.add(shift.key, result)
        progress(len(found), len(shifts), f"{shift.who}, {days:g} days")
    return {"suite": "month", "seed": seed, "days": days, "shifts": found, "summary": compared(found)}


def _worked(shifts: Sequence[Shift], jobs: int) -> Any:
    if jobs == 1:
        yield from ((shift, guard(shift)) for shift in shifts)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(guard, shift): shift for shift in shifts}
        for each in as_completed(waiting):
            yield waiting[each], each.result()


def guard(shift: Shift, daily: Callable[[Result], None] | None = None) -> Result:
    """Let one of them guard the fleet, and report what came of it; ``daily`` is told at the end of every day so far."""
    online = copies(demo_fleet())
    scenario, arrivals = month(online, shift.seed, shift.days)
    fleet = with_batch(online) if shift.who in SHARING else online
    world = World(fleet, seed=shift.seed, start=START, scenario=scenario)
    door = Doorkeeper(world)
    guardian = _hired(shift.who)(world, door)
    person = OnCall(world, arrivals, guardian.journal, guarded=shift.who in OURS, alerts=shift.who != NOBODY)
    used: list[tuple[float, float]] = []
    for tick in range(round(shift.days * DAY / TICK)):
        world.advance(TICK)
        guardian.tick()
        person.tick()
        if tick % SAMPLED == 0:
            used.append((world.utilisation(), world.utilisation_by_users()))
        if daily is not None and (tick + 1) % round(DAY / TICK) == 0:
            daily(_report(world, arrivals, person, used))
    return _report(world, arrivals, person, used)


def _hired(who: str) -> Callable[[World, Actuator], Any]:
    return foreseeing if who == FORESEEING else GUARDIANS[who if who in GUARDIANS else "do_nothing"]


def _report(world: World, arrivals: Sequence[Arrival], person: OnCall, used: Sequence[tuple[float, float]]) -> Result:
    ledger = world.ledger
    asked, good = float(ledger.requests.sum()), float(ledger.good_requests.sum())
    held = np.stack([ledger.held(name) for name in ledger.services], axis=1)
    models = [bool(world.fleet.service(name).model) for name in ledger.services]
    bad = (~held).sum(axis=0) * TICK / 60
    faults = [each for each in arrivals if each.scenario]
    return {
        "requests": round(asked),
        "good_requests": round(good),
        "availability": round(good / asked, 7),
        "availability_of_calls": round(good / float(ledger.calls.sum()), 7),  # first and second tries alike
        "degraded_minutes": round(float(bad.sum()), 1),
        "degraded_minutes_of_models": round(float(bad[models].sum()), 1),
        "degraded_by_service": {
            name: minutes for name, minutes in zip(ledger.services, bad.tolist(), strict=True) if minutes
        },
        "service_minutes": held.size * TICK / 60,
        "faults": len(faults),
        "arrived": counted(arrivals),
        "paged": len(person.pages),
        "paged_for": [each.scenario for each in person.pages],
        "answered": person.answered,
        "money": round(float(ledger.money.sum()), 2),
        "utilisation": round(float(np.mean(used, axis=0)[0]), 2),
        "utilisation_by_users": round(float(np.mean(used, axis=0)[1]), 2),
        "batch_gpu_hours": round(sum(world.batch_hours.values()), 1),
        "actions": len(ledger.actions),
    }


def compared(found: dict[str, Result]) -> Result:
    """Return how the others' downtime compares with ours; None where the question does not arise."""
    ours = found.get(US)
    others = {who: result for who, result in found.items() if who not in (*OURS, STATIC, NOBODY)}
    if ours is None or not others:
        return {}
    best = min(others, key=lambda who: float(others[who]["degraded_minutes"]))
    static = found.get(NOBODY, others[best])  # the same fleet with nobody who repairs it within the day
    return {
        "best_baseline": best,
        "bad_requests_ratio": _ratio(_lost(others[best]), _lost(ours)),
        "degraded_ratio": _ratio(others[best]["degraded_minutes"], ours["degraded_minutes"]),
        "degraded_models_ratio": _ratio(ours["degraded_minutes_of_models"], static["degraded_minutes_of_models"]),
        "needing_a_person": _ratio(ours["paged"], ours["faults"]),
        "utilisation_ratio": _ratio(ours["utilisation"], static["utilisation"]),
    } | _foreseen(found, static)


def _foreseen(found: dict[str, Result], static: Result) -> Result:
    """Return what it brings, and costs, that replicas follow the hours and batch work fills GPUs."""
    ours, ahead = found[US], found.get(FORESEEING)
    if ahead is None:
        return {}
    beside = found.get(STATIC, static)
    return {
        "foreseeing_utilisation_ratio": _ratio(ahead["utilisation"], static["utilisation"]),
        "foreseeing_utilisation_ratio_beside_batch": _ratio(ahead["utilisation"], beside["utilisation"]),
        "foreseeing_money_ratio": _ratio(ahead["money"], ours["money"]),
        "foreseeing_degraded_ratio": _ratio(ahead["degraded_minutes"], ours["degraded_minutes"]),
    }


def _lost(result: Result) -> float:
    return float(result["requests"]) - float(result["good_requests"])


def _ratio(above: float, below: float) -> float | None:
    return round(above / below, 3) if below else None
