"""Every fault hurts whom it should and nobody else."""

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
    SetReplicas,
    SetSchedulable,
)

pytestmark = pytest.mark.slow

FAULTS = FIRST
REST = tuple(sorted(name for name, scenario in load_scenarios().items() if scenario.truth.fault and name not in FIRST))
QUIET = ("growth", "healthy", "noisy_healthy", "red_herring")
SEEDS = (0, 4)
PASSES = ("node_preempted",)  # once others have been made of what was there
BLINDING = ("label_delay", "gap", "own")  # what keeps us from seeing harms nobody's requests


def wanted(world: World, service: str) -> int:
    deployment = world.cluster.topology().deployment(service)
    assert deployment is not None
    return deployment.replicas


def leave_node(world: World, happened: Happened) -> list[Action]:
    node = happened.entity.split("/")[1]
    moves = [EvictReplica(service=r.service, replica=r.name) for r in world.cluster.topology().on(node)]
    return [SetSchedulable(node=node, schedulable=False), *moves]


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
        assert bad[happened.service] > (4 if scenario in PASSES else 20)
    assert {name for name, count in bad.items() if count > 20} <= allowed


def closure(fleet: Fleet, names: set[str]) -> set[str]:
    """Return services and those that depend on them."""
    while more_ := {s.name for s in fleet.services if names & set(s.depends_on)} - names:
        names |= more_
    return names


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
