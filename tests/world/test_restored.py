"""What must be so, beyond every objective, for a fault to be healed."""

import pytest

from config.fleet import Fleet
from simulator.scenario import load_scenarios
from simulator.world.ledger import Happened
from simulator.world.world import World
from tools.action import Action, EvictReplica, Operation, RestoreRevision, SetAlias, SetReplicas


def sick(fleet: Fleet, name: str) -> tuple[World, Happened]:
    scenario = load_scenarios()[name].model_copy(update={"onset": (60.0, 60.0)})
    world = World(fleet, seed=4, scenario=scenario)
    world.advance()
    assert world.ledger.restored.all()
    for _ in range(6):
        world.advance()
    happened = world.ledger.happened
    assert happened is not None
    assert not world.ledger.restored[-1]
    return world, happened


def act(world: World, action: Action) -> bool:
    """Act, let ten minutes pass, and return whether the truth's condition holds."""
    world.actuator.apply(action, Operation(id=action.verb, incident="i", epoch=1))
    for _ in range(20):
        world.advance()
    return bool(world.ledger.restored[-1])


@pytest.mark.parametrize("name", ["bad_rollout_errors", "slow_tokenizer"])
def test_more_replicas_of_a_bad_revision_leave_it_current_and_the_good_one_does_not(fleet: Fleet, name: str) -> None:
    world, happened = sick(fleet, name)
    wanted = world.body.pods.workloads[happened.service].wanted
    assert not act(world, SetReplicas(service=happened.service, replicas=wanted + 1))
    assert act(world, RestoreRevision(service=happened.service, revision="2"))


def test_the_champion_is_none_that_the_scenario_promoted(fleet: Fleet) -> None:
    world, happened = sick(fleet, "wrong_version_promoted")
    model = fleet.service(happened.service).model
    before = world.registry.changes(world.clock.now().replace(hour=0))[-1].before
    assert act(world, SetAlias(service=happened.service, model=model, version=before))


def test_no_replica_hangs(fleet: Fleet) -> None:
    world, happened = sick(fleet, "engine_hang_200")
    hung = next(pod.name for pod in world.body.pods.of(happened.service) if pod.hung)
    assert act(world, EvictReplica(service=happened.service, replica=hung))
