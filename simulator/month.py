"""The month: forty services through stated rates of faults, with Prunella, with simple rules, with a person alone.

Everybody meets the same faults in the same weather, and everybody but "nobody" has the same person on call behind them.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from config.load import load_reasoner
from simulator.arrivals import DAY, Arrival, counted, month
from simulator.copies import copies, with_batch
from simulator.episode import GUARDIANS, MODEL, TICK, Doorkeeper, demo_fleet, foreseeing
from simulator.kept import Kept
from simulator.month_score import EVERYBODY, FORESEEING, NOBODY, OURS, SHARING, US, Result, compared, pooled
from simulator.oncall import OnCall
from simulator.pool import FRESH, pool
from simulator.score import called
from simulator.world.world import START, World
from tools.ports import Actuator

SAMPLED = 20  # ticks between two looks at the GPUs
LOOK = 1.0  # seconds between two looks at what other processes say of their days
Progress = Callable[[int, int, str], None]


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


def run_months(
    seeds: Sequence[int], days: float, jobs: int, progress: Progress, kept: Path | None = None, **options: Any
) -> Result:
    """Let everybody guard the fleet for so many days, once with each seed. Same words, same result, whatever the jobs.

    Options: ``beside`` (names: these guardians beside Prunella; none: everybody).
    """
    guards, done = guardians(tuple(options.get("beside", ()))), Kept(kept)
    shifts = [Shift(who, seed, days) for seed in seeds for who in guards]
    found = {shift: result for shift in shifts if (result := done.of(shift.key)) is not None}
    days_of = dict.fromkeys(shifts, 0) | dict.fromkeys(found, _whole(days))

    def told(shift: Shift, day: int) -> None:
        days_of[shift] = day
        label = f"{shift.who}, seed {shift.seed}, day {min(day, days):g} of {days:g}"
        progress(sum(days_of.values()), len(shifts) * _whole(days), label)

    for shift, result in _worked([shift for shift in shifts if shift not in found], jobs, told):
        found[shift] = result
        done.add(shift.key, result)
        told(shift, _whole(days))
    played = {seed: {who: found[Shift(who, seed, days)] for who in guards} for seed in seeds}
    months = [{"seed": seed, "shifts": each, "summary": compared(each)} for seed, each in played.items()]
    return {"suite": "month", "days": days, "months": months, "summary": pooled(months)}


def guardians(beside: Sequence[str]) -> tuple[str, ...]:
    """Return who plays: Prunella and those named; everybody where nobody is named."""
    if beside:
        return tuple(dict.fromkeys((US, *beside)))
    return (*EVERYBODY, *(() if load_reasoner() is None else (MODEL,)))


def _whole(days: float) -> int:
    return max(1, int(days))


def _worked(shifts: Sequence[Shift], jobs: int, told: Callable[[Shift, int], None]) -> Iterator[tuple[Shift, Result]]:
    if jobs == 1:
        yield from ((shift, guard(shift, partial(_told, told, shift))) for shift in shifts)
        return
    said: Any = FRESH.SimpleQueue()
    with pool(jobs, _listened, said) as workers:
        waiting = {workers.submit(_guarded, shift): shift for shift in shifts}
        while waiting:
            done, _ = wait(waiting, timeout=LOOK, return_when=FIRST_COMPLETED)
            while not said.empty():
                told(*said.get())
            for each in done:
                yield waiting.pop(each), each.result()


def _told(told: Callable[[Shift, int], None], shift: Shift, _: Result, day: int) -> None:
    told(shift, day)


_said: Any = None  # in a process of its own: where it says which day it is


def _listened(said: Any) -> None:
    global _said  # noqa: PLW0603 - an initializer has no other place to leave it
    _said = said


def _guarded(shift: Shift) -> Result:
    return guard(shift, lambda _, day: _said.put((shift, day)))


def guard(shift: Shift, daily: Callable[[Result, int], None] | None = None) -> Result:
    """Let one of them guard the fleet, and report what came of it.

    ``daily`` is told what came so far, and which day it is, at the end of every day.
    """
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
            daily(_report(world, arrivals, person, used), (tick + 1) // round(DAY / TICK))
    return _report(world, arrivals, person, used)


def _hired(who: str) -> Callable[[World, Actuator], Any]:
    return foreseeing if who == FORESEEING else GUARDIANS[who if who in GUARDIANS else "do_nothing"]


def _report(world: World, arrivals: Sequence[Arrival], person: OnCall, used: Sequence[tuple[float, float]]) -> Result:
    ledger = world.ledger
    asked, good = float(ledger.requests.sum()), float(ledger.good_requests.sum())
    held = np.stack([ledger.held(name) for name in ledger.services], axis=1)
    models = [bool(world.fleet.service(name).model) for name in ledger.services]
    bad_ticks = ~held
    bad = bad_ticks.sum(axis=0) * TICK / 60
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
        "degraded_by_day": _by_day(bad_ticks),
        "service_minutes": held.size * TICK / 60,
        "faults": len(faults),
        "arrived": counted(arrivals),
        "events": [_event(each, person) for each in arrivals],
        "paged": len(person.pages),
        "paged_for": [each.scenario for each in person.pages],
        "called": called(person.journal.entries(kinds=("OUTCOME",))),  # cases, whether they are about an event or not
        "answered": person.answered,
        "money": round(float(ledger.money.sum()), 2),
        "utilisation": round(float(np.mean(used, axis=0)[0]), 2),
        "utilisation_by_users": round(float(np.mean(used, axis=0)[1]), 2),
        "batch_gpu_hours": round(sum(world.batch_hours.values()), 1),
        "actions": len(ledger.actions),
    }


def _by_day(bad: np.ndarray[Any, np.dtype[np.bool_]]) -> list[float]:
    """Return degraded service-minutes of every day. Shape (ticks, services)."""
    per_tick = bad.sum(axis=1) * TICK / 60
    return [
        round(float(minutes), 1) for minutes in np.add.reduceat(per_tick, range(0, len(per_tick), round(DAY / TICK)))
    ]


def _event(arrival: Arrival, person: OnCall) -> Result:
    """Return one thing that came: when (in days), what, to whom, and whether the person was called for it."""
    what = {"kind": arrival.kind, "scenario": arrival.scenario, "service": arrival.service}
    return {"day": round(arrival.at / DAY, 3), **what, "paged": arrival in person.pages}
