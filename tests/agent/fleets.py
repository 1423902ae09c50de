"""Random fleets in the pretend world, a replica taken from each service, and a twin in which nothing is taken."""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.capacity import TARGET, ready_of, use_of
from agent.headroom import Headroom, headroom
from agent.observe import Observation, Observer, Scene, Senses
from config.fleet import Cadence, Fleet, Objective, Service, ServiceKind
from simulator.world.profile import PROFILES, Profile
from simulator.world.world import World
from tools.action import Operation, SetReplicas
from tools.catalogue import SIGNALS

WARM, AFTER = 60, 40  # ticks of half a minute
USUAL = 30  # ticks by which owners set their targets
ANY = 1e6  # a target that always holds, while the real one is not set yet
NEVER = Cadence(quality=timedelta(days=30))
CameOf = dict[str, tuple[bool, bool]]  # by service: the removal broke an objective, the twin did
Over = dict[str, NDArray[np.bool_]]  # by service: objectives by readings, whether over the target


@dataclass(frozen=True, slots=True)
class Removal:
    """Replicas taken from one service at once: what was said before, and what came of it."""

    said: Headroom
    first: Headroom  # of the first of them alone
    by_rule: bool  # a plain rule of thumb would have allowed it
    taken: int
    broke: bool  # an objective was over its target for two readings running, at which it held in the twin
    anyway: bool  # the twin broke an objective too
    elsewhere: tuple[bool, ...] = ()  # whether it broke one in what else might have come


def removals(seed: int, most: int = 1, futures: int = 0) -> list[Removal]:
    """Take one replica, or up to ``most`` at once, from every service of a random fleet.

    ``futures``: in how many other weathers the same twenty minutes are played too.
    """
    chance = random.Random(seed)
    with _random_fleet(seed, chance) as fleet:
        start = datetime(2026, 1, 5 + chance.randint(0, 6), chance.randint(0, 23), tzinfo=UTC)
        worlds = [World(fleet, seed=seed, start=start) for _ in range(2)]
        seen = _warmed(worlds, Observer(_senses(worlds[0]), fleet, NEVER))
        scene = Scene(fleet, seen[-1], tuple(seen), _senses(worlds[0]), seen[-1].at)
        promised = [
            _promised(service, seen[-USUAL:], chance) for service in fleet.services if service.name != "outside"
        ]
        ready = {each.name: ready_of(seen[-1], each.name) for each in promised}
        taken = {name: chance.randint(1, min(most, count - 1)) for name, count in ready.items()}
        said = {each.name: _said(scene, each, ready[each.name], taken[each.name]) for each in promised}
        for each in promised:
            fewer = SetReplicas(service=each.name, replicas=ready[each.name] - taken[each.name])
            worlds[0].actuator.apply(fewer, Operation(id=f"op-{each.name}", incident="inc-1", epoch=1))
        elsewhere = [_elsewhere(worlds, promised, number) for number in range(1, futures + 1)]
        came = _came_of(worlds, promised)
    return [
        Removal(
            *said[each.name],
            taken=taken[each.name],
            broke=came[each.name][0],
            anyway=came[each.name][1],
            elsewhere=tuple(other[each.name][0] for other in elsewhere),
        )
        for each in promised
    ]


def _elsewhere(worlds: list[World], promised: list[Service], number: int) -> CameOf:
    """Play another future of both worlds, in a process that has them as they are: they can be forked, not copied."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)

    def play() -> None:
        for world in worlds:
            world.body.streams.turn(number)
        there.send(_came_of(worlds, promised))

    child = fork.Process(target=play)
    child.start()
    there.close()
    came: CameOf = here.recv()
    child.join()
    return came


def _came_of(worlds: list[World], promised: list[Service]) -> CameOf:
    with_it, without = (_over(world, promised) for world in worlds)
    return {
        each.name: (_running(with_it[each.name] & ~without[each.name]), _running(without[each.name]))
        for each in promised
    }


def _said(scene: Scene, service: Service, ready: int, taken: int) -> tuple[Headroom, Headroom, bool]:
    use = use_of(scene.observation, service) or 0.0
    now, first = headroom(scene, service, ready - taken), headroom(scene, service, ready - 1)
    return now, first, use * ready / (ready - taken) <= TARGET


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
    for _ in range(WARM):
        for world in worlds:
            world.advance(30.0)
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


def _over(world: World, services: list[Service]) -> Over:
    """Tell for each objective and reading whether it was over its target."""
    asked = {(each.name, objective.signal): objective.target for each in services for objective in each.objectives}
    specs = tuple(spec for spec in SIGNALS if spec.name in {signal for _, signal in asked})
    read: list[dict[tuple[str, str], float]] = []
    for _ in range(AFTER):
        world.advance(30.0)
        frame = world.metrics.read(specs, world.clock.now())
        read.append(
            {
                (key.entity.removeprefix("service/"), key.signal): value
                for key, value in zip(frame.keys, frame.values, strict=True)
            }
        )
    over = {key: [each.get(key, np.nan) > target for each in read] for key, target in asked.items()}
    return {each.name: np.array([over[each.name, one.signal] for one in each.objectives]) for each in services}


def _running(over: NDArray[np.bool_]) -> bool:
    """Tell whether any objective was over in two readings running."""
    return bool((over[:, 1:] & over[:, :-1]).any())
