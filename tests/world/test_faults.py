"""Every fault hurts whom it should and nobody else; the right remedy cures it, and a plausible wrong one does not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from config.fleet import Fleet
from simulator.drill import FIRST
from simulator.scenario import Scenario, load_scenarios
from simulator.world.ledger import Happened
from simulator.world.world import World
from tests.world.conftest import Play
from tools.action import (
    VERBS,
    Action,
    EvictReplica,
    Operation,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
)

pytestmark = pytest.mark.slow

FAULTS = FIRST
REST = tuple(sorted(name for name, scenario in load_scenarios().items() if scenario.truth.fault and name not in FIRST))
QUIET = ("growth", "healthy", "noisy_healthy", "red_herring")
Remedy = Callable[[World, Happened], list[Action]]
SEEDS = (0, 4)
BLINDING = ("label_delay", "gap", "own")  # what keeps us from seeing harms nobody's requests


def wanted(world: World, service: str) -> int:
    deployment = world.cluster.topology().deployment(service)
    assert deployment is not None
    return deployment.replicas


def more(extra: int) -> Remedy:
    return lambda w, h: [SetReplicas(service=h.service, replicas=wanted(w, h.service) + extra)]


def back_to(revision: str) -> Remedy:
    return lambda _, h: [RestoreRevision(service=h.service, revision=revision)]


def alias(version: str) -> Remedy:
    return lambda w, h: [SetAlias(service=h.service, model=w.fleet.service(h.service).model, version=version)]


def leave_node(world: World, happened: Happened) -> list[Action]:
    node = happened.entity.split("/")[1]
    moves = [EvictReplica(service=r.service, replica=r.name) for r in world.cluster.topology().on(node)]
    return [SetSchedulable(node=node, schedulable=False), *moves]


def evict(world: World, happened: Happened) -> list[Action]:
    return [EvictReplica(service=happened.service, replica=happened.entity.split("/")[2])]


def divert(world: World, happened: Happened) -> list[Action]:
    split = world.serving.split(happened.service)
    assert split is not None
    first, second = split.weights
    return [SetSplit(service=happened.service, weights={first: 0, second: 100})]


def scale_back(world: World, happened: Happened) -> list[Action]:
    change = next(c for c in world.cluster.changes(world.clock.now() - timedelta(hours=2)) if c.kind == "scale")
    return [SetReplicas(service=happened.service, replicas=int(change.before))]


@dataclass(frozen=True)
class Case:
    right: Remedy
    wrong: Remedy
    minutes: float = 15  # from onset to the remedy


CASES = {
    "bad_rollout_errors": Case(back_to("2"), more(1)),
    "bad_rollout_latency": Case(back_to("2"), more(1)),
    "xid_79_off_bus": Case(leave_node, more(1)),
    "thermal_throttle": Case(leave_node, more(1)),
    "engine_hang_200": Case(evict, more(1)),
    "kv_cache_saturation": Case(more(3), back_to("1"), 25),
    "canary_quality_regression": Case(alias("2"), back_to("1")),
    "overprovisioned": Case(scale_back, back_to("1")),
    "runaway_tokens": Case(back_to("2"), more(1)),
    "vendor_outage": Case(divert, lambda w, h: [SetReplicas(service="search", replicas=4)]),
    "vendor_slow": Case(divert, lambda w, h: [SetReplicas(service="search", replicas=4)]),
}


def act(world: World, actions: list[Action]) -> None:
    for number, action in enumerate(actions):
        world.actuator.apply(action, Operation(id=f"op-{number}", incident="inc-1", epoch=number))
        world.advance(30.0)


def ill(world: World, minutes: float = 10) -> set[str]:
    """Return the services that were unwell for most of the next minutes."""
    bad = dict.fromkeys(world.ledger.services, 0)
    ticks = int(minutes * 2)
    for _ in range(ticks):
        world.advance(30.0)
        for name in bad:
            bad[name] += not world.ledger.healthy(name)
    return {name for name, count in bad.items() if count > ticks / 2}


def hurt(world: World, service: str) -> set[str]:
    """Return a service and, where it is a vendor, those that call it."""
    callers = {s.name for s in world.fleet.services if service in s.depends_on}
    return {service} | (callers if world.fleet.service(service).vendors else set())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", FAULTS)
def test_a_fault_hurts_whom_it_should_and_nobody_else(play: Play, scenario: str, seed: int) -> None:
    world = play(scenario, seed, 25)
    happened = world.ledger.happened
    assert happened is not None
    assert ill(world) == hurt(world, happened.service)


@pytest.mark.parametrize("scenario", REST)
def test_every_other_fault_hurts_its_service_and_nobody_aside(fleet: Fleet, scenario: str) -> None:
    soon = load_scenarios()[scenario].model_copy(update={"onset": (600.0, 900.0)})
    world = World(fleet, seed=3, scenario=soon)
    bad = dict.fromkeys(world.ledger.services, 0)
    for tick in range(30 + 90):
        world.advance(30.0)
        for name in bad:
            bad[name] += tick >= 30 and not world.ledger.healthy(name)
    happened = world.ledger.happened
    assert happened is not None
    allowed = closure(fleet, {happened.service, *happened.beside})
    if all(mutation.what in BLINDING for mutation in soon.mutations):
        assert bad[happened.service] == 0
    else:
        assert bad[happened.service] > 20
    assert {name for name, count in bad.items() if count > 20} <= allowed


def closure(fleet: Fleet, names: set[str]) -> set[str]:
    """Return services and those that depend on them."""
    while more_ := {s.name for s in fleet.services if names & set(s.depends_on)} - names:
        names |= more_
    return names


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", sorted(CASES))
def test_the_right_remedy_cures(play: Play, scenario: str, seed: int) -> None:
    case = CASES[scenario]
    world = play(scenario, seed, case.minutes)
    happened = world.ledger.happened
    assert happened is not None
    act(world, case.right(world, happened))
    for _ in range(8):  # four minutes
        world.advance(30.0)
    assert ill(world) == set()


@pytest.mark.parametrize("scenario", sorted(CASES))
def test_a_wrong_remedy_does_not_cure(play: Play, scenario: str) -> None:
    case = CASES[scenario]
    world = play(scenario, 4, case.minutes)
    happened = world.ledger.happened
    assert happened is not None
    act(world, case.wrong(world, happened))
    for _ in range(20):
        world.advance(30.0)
    assert happened.service in ill(world)


def test_an_uncordoned_node_may_get_its_replica_back_but_a_cordoned_one_never(play: Play) -> None:
    world = play("xid_79_off_bus", 0, 5)
    happened = world.ledger.happened
    assert happened is not None
    act(world, leave_node(world, happened))
    assert ill(world) == set()
    assert world.cluster.topology().on(happened.entity.split("/")[1]) == ()


def test_targets_and_onsets_vary_with_the_seed(fleet: Fleet) -> None:
    for scenario in load_scenarios().values():
        if scenario.id in FIRST:
            told = []
            for seed in range(12):
                world = World(fleet, seed=seed, scenario=scenario)
                world.advance(30.0)
                assert world.ledger.happened is not None
                told.append((world.ledger.happened.service, world.ledger.happened.onset_at))
            assert len({service for service, _ in told}) > 1, scenario.id
            assert len({onset for _, onset in told}) > 6, scenario.id


@pytest.mark.parametrize("scenario", load_scenarios().values(), ids=lambda s: s.id)
def test_scenarios_are_consistent(fleet: Fleet, scenario: Scenario) -> None:
    services = {service.name for service in fleet.services}
    assert set(scenario.target) <= services
    assert all(set(mutation.target) <= services for mutation in scenario.mutations)
    assert set(scenario.truth.forbidden_verbs) <= set(VERBS)
    assert (scenario.truth.fault == "") == (scenario.layer == "quiet")
    if scenario.truth.fault:
        ours = any(mutation.what == "own" for mutation in scenario.mutations)  # then what is healed meanwhile counts
        assert scenario.truth.fault == scenario.id or ours or scenario.layer == "ourselves"
        assert scenario.truth.entity


def test_two_faults_for_each_layer_and_four_quiet_runs() -> None:
    layers = [scenario.layer for scenario in load_scenarios().values()]
    assert all(layers.count(layer) >= 2 for layer in ("cluster", "gpu", "engine", "quality", "cost", "vendor"))
    assert {name for name, scenario in load_scenarios().items() if scenario.layer == "quiet"} == set(QUIET)


def test_a_hung_engine_says_that_it_is_well(play: Play) -> None:
    world = play("engine_hang_200", 1, 5)
    happened = world.ledger.happened
    assert happened is not None
    _, service, replica = happened.entity.split("/")
    probe = world.serving.probe(service, replica)
    assert probe.health_ok is True
    assert probe.answers is False
    others = [r.name for r in world.cluster.topology().of(service) if r.name != replica]
    assert all(world.serving.probe(service, name).answers for name in others)


def test_honest_growth_ends_by_needing_one_more_replica(fleet: Fleet) -> None:
    scenario = load_scenarios()["growth"]
    grown = scenario.model_copy(
        update={"mutations": tuple(m.model_copy(update={"onset": "step"}) for m in scenario.mutations)}
    )
    world = World(fleet, seed=1, scenario=grown)
    for _ in range(900):
        world.advance(30.0)
    assert world.ledger.happened is not None
    service = world.ledger.happened.service
    late = world.ledger.held(service)[-240:].mean()
    act(world, [SetReplicas(service=service, replicas=wanted(world, service) + 2)])
    for _ in range(240):
        world.advance(30.0)
    assert world.ledger.held(service)[-230:].mean() >= max(late, 0.99)
