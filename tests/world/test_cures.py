"""For every fault: a plausible wrong remedy leaves it as it is, and the right one ends it, in one and the same world.

Where the truth knows no remedy, nothing that a machine might try helps. What is cured by a training or a conversion is
cured in the drills alone: it takes hours.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from config.fleet import Fleet
from simulator.scenario import Scenario, load_scenarios
from simulator.world.ledger import Happened
from simulator.world.world import World
from tools.action import (
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

SOON = (600.0, 900.0)
FALLEN_ILL, TRIED, CURED = 30, 16, 20  # ticks of 30 s: until it shows, to judge what was tried, to judge the cure
LEARNT = ("retrain", "convert_inputs")
PASSES = ("node_preempted",)  # the node is gone before anything else could be tried: tests/world/test_reclaim.py
UNSEEN = ("label_delay", "gap", "own")  # they keep the controller from seeing, and harm nobody's requests
Remedy = Callable[[World, Happened], list[Action]]


def _ill(scenario: Scenario) -> bool:
    lasts = bool(scenario.truth.fault) and scenario.id not in PASSES
    return lasts and not all(m.what in UNSEEN for m in scenario.mutations)


FAULTS = tuple(name for name, scenario in sorted(load_scenarios().items()) if _ill(scenario))


def _undo(world: World, happened: Happened) -> list[Action]:
    """Take the newest release back."""
    deployment = world.cluster.topology().deployment(happened.service)
    if deployment is None:
        return []
    numbers = [revision.number for revision in deployment.revisions]
    place = numbers.index(deployment.current)
    return [RestoreRevision(service=happened.service, revision=numbers[place - 1])] if place else []


def _wider(by: int) -> Remedy:
    def remedy(world: World, happened: Happened) -> list[Action]:
        deployment = world.cluster.topology().deployment(happened.service)
        most = world.fleet.service(happened.service).max_replicas
        wanted = min(most, deployment.replicas + by) if deployment else 0
        return [SetReplicas(service=happened.service, replicas=wanted)] if wanted else []

    return remedy


def _back(world: World, happened: Happened) -> list[Action]:
    """Take back what somebody added, or go down to one replica fewer."""
    found = [c for c in world.cluster.changes(world.clock.now() - timedelta(hours=2)) if c.kind == "scale"]
    mine = [c for c in found if c.entity == f"service/{happened.service}"]
    deployment = world.cluster.topology().deployment(happened.service)
    assert deployment is not None
    fewer = max(world.fleet.service(happened.service).min_replicas, deployment.replicas - 1)
    return [SetReplicas(service=happened.service, replicas=int(mine[0].before) if mine else fewer)]


def _restart(world: World, happened: Happened) -> list[Action]:
    """Evict the replica that the truth names, else the first."""
    mine = [replica.name for replica in world.cluster.topology().of(happened.service)]
    named = happened.entity.rpartition("/")[2]
    return [EvictReplica(service=happened.service, replica=named if named in mine else mine[0])] if mine else []


def _leave(world: World, happened: Happened) -> list[Action]:
    node = happened.entity.split("/")[1]
    moves = [EvictReplica(service=r.service, replica=r.name) for r in world.cluster.topology().on(node)]
    return [SetSchedulable(node=node, schedulable=False), *moves]


def _divert(world: World, happened: Happened) -> list[Action]:
    split = world.serving.split(happened.service)
    assert split is not None
    first, second, *rest = split.weights
    return [SetSplit(service=happened.service, weights={first: 0, second: 100, **dict.fromkeys(rest, 0)})]


def _former(world: World, happened: Happened) -> list[Action]:
    """Give the model's alias back to the version that had it before."""
    model = world.fleet.service(happened.service).model
    changes = world.registry.changes(world.clock.now() - timedelta(hours=2))
    return [SetAlias(service=happened.service, model=model, version=changes[-1].before)]


RIGHT: Mapping[str, Remedy] = {
    "rollback_release": _undo,
    "rollback_model": _former,
    "failover_replica": _restart,
    "failover_node": _leave,
    "cordon_node": _leave,
    "failover_vendor": _divert,
    "scale_out": _wider(3),
    "scale_in": _back,
}
WRONG: Mapping[str, tuple[Remedy, ...]] = {
    "": (_wider(1), _restart, _undo),
    "rollback_release": (_wider(1),),
    "scale_out": (_restart, _undo),
    "failover_replica": (_wider(1),),
    **dict.fromkeys(("failover_node", "cordon_node"), (_wider(1),)),  # any restart may happen to leave the node
    **dict.fromkeys(("failover_vendor", "rollback_model", "scale_in"), (_undo,)),
    **dict.fromkeys(LEARNT, (_wider(1), _undo)),
}


def act(world: World, actions: list[Action]) -> None:
    for action in actions:
        number = len(world.ledger.actions)
        world.actuator.apply(action, Operation(id=f"op-{number}", incident="inc-1", epoch=number))
        world.advance(30.0)


def wait(world: World, ticks: int) -> None:
    for _ in range(ticks):
        world.advance(30.0)


def share_ill(world: World, service: str, ticks: int) -> float:
    """Return the share of the next ticks in which a service is unwell."""
    bad = 0
    for _ in range(ticks):
        world.advance(30.0)
        bad += not world.ledger.healthy(service)
    return bad / ticks


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_remedy_leaves_it_and_the_right_one_ends_it(fleet: Fleet, name: str) -> None:
    scenario = load_scenarios()[name].model_copy(update={"onset": SOON})
    world = World(fleet, seed=3, scenario=scenario)
    wait(world, 30 + FALLEN_ILL)
    happened = world.ledger.happened
    assert happened is not None
    right = next(iter(scenario.truth.acceptable_playbooks), "")
    for remedy in WRONG[right]:
        act(world, remedy(world, happened))
        wait(world, TRIED)
    assert share_ill(world, happened.service, TRIED) > 0.4  # of what is periodic, a pause may be among them
    if right and right not in LEARNT:
        act(world, RIGHT[right](world, happened))
        wait(world, CURED)
        assert share_ill(world, happened.service, CURED) < 0.1
