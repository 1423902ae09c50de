"""Random fleets in the pretend world, a replica taken from each service, and a twin in which nothing is taken."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from agent.capacity import ready_of
from agent.headroom import READINGS, Headroom, headroom
from agent.observe import Observation, Observer, Scene, Senses
from config.fleet import Cadence, Fleet, Objective, Service, ServiceKind
from simulator.world.profile import PROFILES, Profile
from simulator.world.world import World
from tools.action import Operation, SetReplicas

WARM, AFTER = 60, 40  # ticks of half a minute
ANY = 1e6  # a target that always holds, while the real one is not set yet
NEVER = Cadence(quality=timedelta(days=30))


@dataclass(frozen=True, slots=True)
class Removal:
    """One replica taken from one service: what the proof said, and what came of it."""

    said: Headroom
    broke: bool  # an objective was broken for a minute, that held in the twin


def removals(seed: int) -> list[Removal]:
    """Take one replica from every service of a random fleet."""
    chance = random.Random(seed)
    with _random_fleet(seed, chance) as fleet:
        start = datetime(2026, 1, 5 + chance.randint(0, 6), chance.randint(0, 23), tzinfo=UTC)
        worlds = [World(fleet, seed=seed, start=start) for _ in range(2)]
        eyes = [Observer(_senses(world), fleet, NEVER) for world in worlds]
        seen = _warmed(worlds, eyes[0])
        scene = Scene(fleet, seen[-1], tuple(seen), _senses(worlds[0]), seen[-1].at)
        promised = [_promised(service, seen, chance) for service in fleet.services if service.name != "outside"]
        said = [headroom(scene, each, ready_of(seen[-1], each.name) - 1) for each in promised]
        for each in promised:
            fewer = SetReplicas(service=each.name, replicas=ready_of(seen[-1], each.name) - 1)
            worlds[0].actuator.apply(fewer, Operation(id=f"op-{each.name}", incident="inc-1", epoch=1))
        broken = [_broken(world, eye, promised) for world, eye in zip(worlds, eyes, strict=True)]
    return [
        Removal(proof, broken[0][each.name] and not broken[1][each.name])
        for proof, each in zip(said, promised, strict=True)
    ]


@contextmanager
def _random_fleet(seed: int, chance: random.Random) -> Iterator[Fleet]:
    made = {f"s{seed}-{number}": _profile(chance, language=number < 2) for number in range(3)}
    PROFILES.update(made)
    outside = Service(name="outside", kind=ServiceKind.VENDOR, vendors=("a",))
    try:
        yield Fleet(services=(*(_service(name, profile) for name, profile in made.items()), outside))
    finally:
        for name in made:
            del PROFILES[name]


def _profile(chance: random.Random, language: bool) -> Profile:
    count, use = chance.randint(2, 8), chance.uniform(0.08, 0.6)
    loading = chance.uniform(40, 150)
    if not language:
        capacity = chance.uniform(80, 400)
        base = chance.uniform(0.003, 0.03)
        return Profile(rate=capacity * count * use, replicas=count, base=base, capacity=capacity, load=loading)
    prompt, output = chance.uniform(300, 2500), chance.uniform(25, 400)
    cache, prefill = chance.uniform(40_000, 120_000), chance.uniform(7000, 15_000)
    made = Profile(1.0, count, prompt=prompt, output=output, kv_tokens=cache, prefill=prefill, load=loading)
    batch = max(1.0, min(made.max_batch, cache / (prompt + output / 2)))
    decoded = batch / (output * (made.step + made.step_per_request * batch))
    return replace(made, rate=decoded / (1 + decoded * prompt / prefill) * count * use)


def _service(name: str, profile: Profile) -> Service:
    language = profile.output > 0
    signals = ("ttft_p95", "latency_p95") if language else ("latency_mean",)
    objectives = (
        *(Objective(signal=each, target=ANY) for each in signals),
        Objective(signal="error_ratio", target=0.02),
    )
    kind = ServiceKind.LANGUAGE if language else ServiceKind.TABULAR
    return Service(name=name, kind=kind, objectives=objectives, min_replicas=1, max_replicas=10)


def _senses(world: World) -> Senses:
    return Senses(world.metrics, world.cluster, world.registry, world.log, world.serving, world.clock)


def _warmed(worlds: list[World], eye: Observer) -> list[Observation]:
    seen = []
    for tick in range(WARM):
        for world in worlds:
            world.advance(30.0)
        if tick >= WARM - READINGS:
            seen.append(eye.look())
    return seen


def _promised(service: Service, seen: list[Observation], chance: random.Random) -> Service:
    """Set targets as owners do: 1.5 to 5 times what is usual."""
    targets = []
    for objective in service.objectives:
        values = [
            value for each in seen if (value := each.value(objective.signal, f"service/{service.name}")) is not None
        ]
        usual = float(np.median(values)) if values else 1.0
        target = usual * chance.uniform(1.5, 5.0) if objective.target == ANY else objective.target
        targets.append(objective.model_copy(update={"target": target}))
    return service.model_copy(update={"objectives": tuple(targets)})


def _broken(world: World, eye: Observer, services: list[Service]) -> dict[str, bool]:
    """Tell for each service whether an objective was broken in two readings running."""
    found: dict[str, list[bool]] = {service.name: [] for service in services}
    for _ in range(AFTER):
        world.advance(30.0)
        seen = eye.look()
        for service in services:
            found[service.name].append(any(_over(seen, service.name, each) for each in service.objectives))
    return {name: any(one and other for one, other in pairwise(bad)) for name, bad in found.items()}


def _over(seen: Observation, name: str, objective: Objective) -> bool:
    value = seen.value(objective.signal, f"service/{name}")
    return value is not None and value > objective.target
