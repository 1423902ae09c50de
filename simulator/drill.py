"""Drills: scenarios by the dozen, scored, with what would have happened without a controller beside."""

import ctypes
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from importlib.metadata import version
from math import sqrt
from multiprocessing import get_context
from typing import Any

from config.fleet import Fleet
from simulator.cluster import spread
from simulator.kept import Kept
from simulator.modifiers import MODIFIERS, modified
from simulator.pairs import sampled, split
from simulator.scenario import load_scenarios, scenario_named

Progress = Callable[[int, int, str], None]
Episode = dict[str, Any]
SHARES = ("detected", "top1", "top3", "healed", "alone", "told")
MEANS = ("steps_off", "detect_s", "heal_s", "asked", "called", "false_incidents")
SUMS = ("unsafe", "collateral", "duplicates", "false_acted", "actions")
CONTROL = "do_nothing"
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
    return sha256(f"{version('prunella')}{shown}".encode()).hexdigest()[:12]


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
    return {"suite": suite or "custom", "guardian": guardian, "episodes": main, "summary": summary(main, others)}


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
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            waiting = {pool.submit(perform_all, group): group for group in groups}
            for done in as_completed(waiting):
                yield from zip(waiting[done], done.result(), strict=True)


def perform_all(tasks: tuple[Task, ...]) -> list[Episode]:
    """Play and score a group of episodes; runs in a process of its own where there are several."""
    return list(perform(tasks))


def perform(tasks: tuple[Task, ...]) -> Iterator[Episode]:
    """Play and score the episodes of one scenario and seed, one after the other."""
    from simulator.copies import copies, everywhere
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
        service_years = round(float(days) * fleet.size / 365.25, 4)
        yield {**score(played), "modifiers": list(task.modifiers), "service_years": service_years}
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


# -- the summary -----------------------------------------------------------------------------------------------------
def summary(episodes: Sequence[Episode], controls: Mapping[str, Sequence[Episode]]) -> dict[str, Any]:
    """Return, per measure, its mean with a 95 % interval, and that of each control; sums where one is too many."""
    found: dict[str, Any] = {"episodes": len(episodes)}
    for key in SHARES:
        if values := _values(episodes, key):
            found[key] = share(values) | {name: _mean(_values(other, key)) for name, other in controls.items()}
    for key in MEANS:
        if values := _values(episodes, key):
            found[key] = mean(values)
    for key in SUMS:
        others = {name: _total(other, key) for name, other in controls.items() if name != CONTROL}
        found[key] = {"sum": _total(episodes, key), **others} if others else _total(episodes, key)
    if lived := _values(episodes, "service_years"):  # kept episodes of before may not say
        found["service_years"] = round(sum(lived), 2)
    found["good_request_share"] = _good_share(episodes)
    if controls:
        found["good_request_share_of"] = {name: _good_share(other) for name, other in controls.items()}
    return found


def _total(episodes: Sequence[Episode], key: str) -> int:
    return sum(int(episode[key]) for episode in episodes)


def _good_share(episodes: Sequence[Episode]) -> float | None:
    asked = sum(episode["requests"] for episode in episodes)
    return round(sum(episode["good_requests"] for episode in episodes) / asked, 6) if asked else None


def _values(episodes: Sequence[Episode], key: str) -> list[float]:
    return [float(episode[key]) for episode in episodes if episode.get(key) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def share(values: Sequence[float]) -> dict[str, float]:
    """Return the share of ones with Wilson's 95 % interval.

    >>> share([1, 1, 1, 1])
    {'mean': 1.0, 'low': 0.5101, 'high': 1.0}
    """
    n, p, z = len(values), sum(values) / len(values), 1.959964
    centre, width = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = max(0.0, (centre - width) / scale), min(1.0, (centre + width) / scale)
    return {"mean": round(p, 4), "low": round(low, 4), "high": round(high, 4)}


def mean(values: Sequence[float]) -> dict[str, float]:
    """Return the mean with Student's 95 % interval; a single value has none.

    What is never below nought, such as seconds, has no interval that reaches there.

    >>> mean([70.0, 280.0])
    {'mean': 175.0, 'low': 0.0, 'high': 1509.15}
    """
    from scipy.stats import t

    n, middle = len(values), sum(values) / len(values)
    if n == 1:
        return {"mean": round(middle, 2)}
    spread = sqrt(sum((value - middle) ** 2 for value in values) / (n - 1))
    width = float(t.ppf(0.975, n - 1)) * spread / sqrt(n)
    low = middle - width if min(values) < 0 else max(middle - width, 0.0)
    return {"mean": round(middle, 2), "low": round(low, 2), "high": round(middle + width, 2)}
