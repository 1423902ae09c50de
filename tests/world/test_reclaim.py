"""A spot node is given notice of, leaves with all upon it, and another comes, boots and loads."""

from datetime import timedelta

import pytest

from simulator.world.profile import profile_of
from simulator.world.reclaim import BOOT, GRACE, TOLERATED
from simulator.world.world import World
from tests.world.conftest import Play
from tools.action import Action, EvictReplica, Operation, SetSchedulable
from tools.marks import MARKS
from tools.topology import Node

(SPOT,) = (mark for mark in MARKS if mark.finding == "spot_notice")
NOTICE = 2.0  # minutes
GONE = NOTICE + (GRACE + TOLERATED) / 60


def node_of(world: World) -> str:
    happened = world.ledger.happened
    assert happened is not None
    return happened.entity.removeprefix("node/")


def node(world: World, name: str) -> Node | None:
    return next((each for each in world.cluster.topology().nodes if each.name == name), None)


def run(world: World, minutes: float) -> World:
    for _ in range(round(minutes * 2)):
        world.advance(30.0)
    return world


def shows_notice(world: World, name: str) -> bool:
    frame = world.metrics.read((SPOT.spec,), world.clock.now())
    return any(
        key.entity == f"node/{name}" and SPOT.seen(float(v)) for key, v in zip(frame.keys, frame.values, strict=True)
    )


def leave(world: World, name: str) -> None:
    moves = [EvictReplica(service=r.service, replica=r.name) for r in world.cluster.topology().on(name)]
    actions: list[Action] = [SetSchedulable(node=name, schedulable=False), *moves]
    for number, action in enumerate(actions):
        world.actuator.apply(action, Operation(id=f"o{number}", incident="i", epoch=1))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_stays_for_two_minutes_then_dies_and_goes_with_all_upon_it(play: Play, seed: int) -> None:
    world = play("node_preempted", seed, 1)
    name, before = node_of(world), set(world.body.pods.pods)
    there = {replica.name for replica in world.cluster.topology().on(name)}
    seen = node(world, name)
    assert seen is not None
    assert seen.leaving
    assert seen.ready
    assert shows_notice(world, name)
    assert world.ledger.objectives_hold(world.ledger.happened.service)  # type: ignore[union-attr]
    run(world, 2.5)
    seen = node(world, name)
    assert seen is not None
    assert not seen.ready
    assert not world.ledger.objectives_hold(world.ledger.happened.service)  # type: ignore[union-attr]
    run(world, TOLERATED / 60 + 1)
    assert node(world, name) is None
    assert not there & set(world.body.pods.pods)
    assert len(world.body.pods.pods) == len(before)  # others have been made
    assert not shows_notice(world, name)
    assert not [labels for labels in world.body.labels()["gpu"].values() if name in labels.values()]


def test_another_comes_boots_and_loads_everything_anew(play: Play) -> None:
    world = play("node_preempted", 0, GONE + 1)
    before = {each.name for each in world.cluster.topology().nodes}
    while not (new := {each.name for each in world.cluster.topology().nodes} - before):
        world.advance(30.0)
    (name,) = new
    came = world.clock.now()
    seen = node(world, name)
    assert seen is not None
    assert not seen.ready
    run(world, BOOT / 60 + 0.5)
    seen = node(world, name)
    assert seen is not None
    assert seen.ready
    assert (seen.gpus, seen.gpus_free) == (2, 2)
    assert world.clock.now() - came >= timedelta(seconds=BOOT)
    for other in world.body.pods.machines:
        other.schedulable = other.name == name
    pods = world.body.pods
    (first,) = [workload.revisions[0].number for workload in pods.workloads.values() if workload.service.name == "chat"]
    pods.workloads["chat"].current = first  # of before: elsewhere its image and weights would still be there
    world.advance(30.0)
    (pod,) = [pod for pod in pods.of("chat") if pod.revision == first]
    assert pods.machine_of(pod) is not None
    assert pod.ready_at is not None
    assert (pod.ready_at - world.clock.now()).total_seconds() >= 0.8 * profile_of(world.fleet.service("chat")).load


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_moves_in_time_loses_nothing(play: Play, seed: int) -> None:
    failed = {}
    for moved in (True, False):
        world = play("node_preempted", seed, 0.5)
        patient = world.ledger.happened.service  # type: ignore[union-attr]
        place = world.body.index[patient]
        before = float(world.ledger.failed_calls[place])
        if moved:
            leave(world, node_of(world))
        for _ in range(30):
            world.advance(30.0)
            assert world.ledger.objectives_hold(patient) or not moved
        failed[moved] = float(world.ledger.failed_calls[place]) - before
    assert failed[True] < 0.2 * failed[False]
