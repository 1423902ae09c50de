"""Drills: scenarios by the dozen, scored, with what would have happened without a controller beside."""

import ctypes
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from config.fleet import Fleet
from simulator.cluster import spread
from simulator.kept import Kept
from simulator.modifiers import MODIFIERS, modified
from simulator.pairs import sampled, split
from simulator.pool import pool
from simulator.scenario import load_scenarios, scenario_named
from simulator.summary import DAYS, summary

Progress = Callable[[int, int, str], None]
Episode = dict[str, Any]
CONTROL = "do_nothing"
SCORED = 2  # what an episode says of itself; one that was scored otherwise is played again
FIRST = (
    "bad_rollout_errors",
    "bad_rollout_latency",
    "canary_quality_regression",
    "concept_drift",
    "engine_hang_200",
    "kv_cache_saturation",
    "overprovisioned",
    "runaway_tokens",
    "thermal_throttle",
    "vendor_outage",
    "vendor_slow",
    "xid_79_off_bus",
)  # two of each layer
PASSED = timedelta(hours=6)
BASELINES = (CONTROL, "restart_first", "undo_last_release", "runbook_by_alert", "model_loop")


@dataclass(frozen=True, slots=True)
class Task:
    """One episode to play."""

    scenario: str
    seed: int
    guardian: str
    length: timedelta | None = None
    modifiers: tuple[str, ...] = ()
    fleet: Fleet | None = None
    copies: int = 1  # of the fleet, guarded at once

    @property
    def key(self) -> str:
        """Name of the episode in a file of finished ones; another scenario, fleet or version is another episode."""
        span = "" if self.length is None else f"/{self.length.total_seconds():.0f}s"
        times = "" if self.copies == 1 else f"/{self.copies}x"
        what = f"{self.guardian}/{self.scenario}/{self.seed}{span}{times}"
        return f"{what}{''.join(f'+{name}' for name in self.modifiers)}#{_digest(self.scenario, self.fleet)}"


def _digest(scenario: str, fleet: Fleet | None) -> str:
    """Return what tells a scenario's content, a fleet and this version from any others."""
    shown = scenario_named(scenario).model_dump_json() + ("" if fleet is None else fleet.model_dump_json())
    return sha256(f"{version('prunella')}/{SCORED}{shown}".encode()).hexdigest()[:12]


def listing() -> dict[str, Any]:
    """Return what can be drilled."""
    known = load_scenarios()
    faults = [name for name, scenario in known.items() if scenario.truth.fault]
    quiet = [name for name, scenario in known.items() if not scenario.truth.fault]
    pairs = sampled({name: known[name].layer for name in faults})
    return {
        "faults": faults,
        "modifiers": quiet,
        "suites": {"first": list(FIRST), "public": faults, "quiet": quiet, "modifiers": pairs},
        "with": list(MODIFIERS),
        "baselines": list(BASELINES),
    }


def run_drill(
    ids: Sequence[str],
    suite: str | None,
    seeds: int,
    jobs: int,
    progress: Progress = lambda done, total, label: None,  # noqa: ARG005 - nobody watches
    **options: Any,
) -> dict[str, Any]:
    """Play every scenario named, and those of the suite, with each seed. ``FAULT+MODIFIER`` names one of both.

    Options: ``length`` (timedelta; of quiet runs, and the patience with faults), ``first_seed`` (0), ``guardian``
    (``prunella``, or a baseline), ``beside`` (baselines that play the same faults, for comparison), ``modifiers``
    (names), ``kept`` (file of finished episodes: those in it are not played again), ``fleet`` (other than the
    demo's), ``copies`` (of it, guarded at once: for quiet runs), ``engine`` (``processes``, or ``ray``). Same words,
    same result, whatever the number of jobs.
    """
    names = list(dict.fromkeys([*ids, *(listing()["suites"][suite] if suite else ())]))
    first, length = int(options.get("first_seed", 0)), options.get("length")
    guardian = str(options.get("guardian", "prunella"))
    controls = tuple(dict.fromkeys(name for name in (CONTROL, *options.get("beside", ())) if name != guardian))
    wanted = range(first, first + seeds)
    also = tuple(options.get("modifiers", ()))
    fleet, times = options.get("fleet"), int(options.get("copies", 1))
    tasks = [
        Task(name, seed, w, length or _span(name, (*with_it, *also)), (*with_it, *also), fleet, times)
        for name, with_it in map(split, names)
        for seed in wanted
        for w in _who(name, guardian, controls)
    ]
    kept = Kept(options.get("kept"))
    found = {task: episode for task in tasks if (episode := kept.of(task.key)) is not None}
    left = _shared(task for task in tasks if task not in found)
    for task, episode in _played(left, jobs, str(options.get("engine", "processes"))):
        found[task] = episode
        kept.add(task.key, episode)
        who = "" if task.guardian == guardian else f", {task.guardian}"
        progress(len(found), len(tasks), f"{task.scenario}, seed {task.seed}{who}")
    main = [found[task] for task in tasks if task.guardian == guardian]
    others = {name: [found[task] for task in tasks if task.guardian == name] for name in controls}
    beside = {name: {"summary": summary(other), "episodes": other} for name, other in others.items() if other}
    whole = {"suite": suite or "custom", "guardian": guardian, "episodes": main, "summary": summary(main)}
    return whole | {"beside": beside}


def _span(name: str, modifiers: tuple[str, ...]) -> timedelta | None:
    """Return how long a fault that a modifier takes away is watched: hours, not the week of a quiet run."""
    known = scenario_named(name)
    return PASSED if known.truth.fault and not modified(known, modifiers).truth.fault else None


def _who(name: str, guardian: str, controls: tuple[str, ...]) -> tuple[str, ...]:
    """Without a controller nothing can be done wrong: quiet runs need no control."""
    ill = bool(scenario_named(name).truth.fault)
    return (guardian, *(each for each in controls if ill or each != CONTROL))


def _shared(tasks: Iterable[Task]) -> list[tuple[Task, ...]]:
    """Group the episodes of the same scenario and seed, nobody's first: they are compared with the same idle world."""
    groups: dict[tuple[str, tuple[str, ...], int], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.scenario, task.modifiers, task.seed), []).append(task)
    return [tuple(sorted(group, key=lambda task: task.guardian != CONTROL)) for group in groups.values()]


def _played(groups: Sequence[tuple[Task, ...]], jobs: int, engine: str) -> Iterator[tuple[Task, Episode]]:
    if engine == "ray":
        for group, episodes in spread(perform_all, groups):
            yield from zip(group, episodes, strict=True)
    elif jobs == 1:
        yield from (pair for group in groups for pair in zip(group, perform(group), strict=True))
    else:
        with pool(jobs) as workers:
            waiting = {workers.submit(perform_all, group): group for group in groups}
            for done in as_completed(waiting):
                yield from zip(waiting[done], done.result(), strict=True)


def perform_all(tasks: tuple[Task, ...]) -> list[Episode]:
    """Play and score a group of episodes; runs in a process of its own where there are several."""
    return list(perform(tasks))


def perform(tasks: tuple[Task, ...]) -> Iterator[Episode]:
    """Play and score the episodes of one scenario and seed, one after the other."""
    from simulator.copies import copies, everywhere
    from simulator.course import costs, course
    from simulator.episode import GUARDIANS, Alone, demo_fleet, play
    from simulator.score import score

    first = tasks[0]
    scenario, fleet = modified(scenario_named(first.scenario), first.modifiers), first.fleet or demo_fleet()
    if first.copies > 1:
        scenario, fleet = everywhere(scenario, first.copies), copies(fleet, first.copies)
    alone = Alone(scenario, first.seed, fleet)
    for task in tasks:
        played = play(scenario, task.seed, GUARDIANS[task.guardian], task.length, fleet, alone)
        days = (played.acting.times[-1] - played.acting.times[0]) / timedelta(days=1).total_seconds()
        lived = {"service_years": round(float(days) * fleet.size / DAYS, 6)}
        yield {**score(played), **costs(played), "modifiers": list(task.modifiers), **lived, "course": course(played)}
    del alone, played
    _give_back()


def _give_back() -> None:
    """Return the memory of worlds that are gone: circles of few objects that hold much, which no collector hurries for.

    glibc keeps what is freed, in a heap full of holes, until it is told to give it back.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # others return it themselves
        trim(0)
