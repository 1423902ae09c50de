"""Memory that grows: seen long before anybody feels it, a kill again and again, and an end with the replica."""

import numpy as np
import pytest

from simulator.world.leak import FB_FREE, FB_USED, FREE, GPU_MEMORY, LIMIT, USUAL, WORKING_SET
from simulator.world.world import World
from tests.world.conftest import Play
from tools.action import EvictReplica, Operation
from tools.marks import MARKS

RESTARTS = "kube_pod_container_status_restarts_total"


def patient(world: World) -> tuple[str, str]:
    happened = world.ledger.happened
    assert happened is not None
    _, service, replica = happened.entity.split("/")
    return service, replica


def seen(world: World, finding: str) -> set[str]:
    (mark,) = [mark for mark in MARKS if mark.finding == finding]
    frame = world.metrics.read((mark.spec,), world.clock.now())
    return {k.entity for k, v in zip(frame.keys, frame.values, strict=True) if mark.seen(float(v))}


def grown(world: World, series: str, row: int, ticks: int) -> list[float]:
    found = []
    for _ in range(ticks):
        world.advance(30.0)
        found.append(float(world.body.store.views[series][row, 0]))
    return found


@pytest.mark.parametrize(
    ("name", "series", "finding"),
    [("oom_kill", WORKING_SET, "oom_killed"), ("gpu_memory_leak", FB_USED, "memory_leaking")],
)
def test_it_rises_before_it_hurts_and_ends_with_its_replica(play: Play, name: str, series: str, finding: str) -> None:
    world = play(name, 0, 0.5)
    service, replica = patient(world)
    pod = world.body.pods.pods[replica]
    row = pod.gpu if series == FB_USED else pod.row
    rise = grown(world, series, row, 17)
    assert all(np.diff(rise) > 0)
    assert world.ledger.objectives_hold(service)
    assert not seen(world, finding)
    grown(world, series, row, 6)
    assert not world.ledger.objectives_hold(service)
    assert seen(world, finding) == {f"replica/{service}/{replica}"}
    world.actuator.apply(EvictReplica(service=service, replica=replica), Operation(id="o", incident="i", epoch=1))
    for _ in range(10):
        world.advance(30.0)
    assert world.ledger.objectives_hold(service)
    assert not seen(world, finding)
    usual = GPU_MEMORY - FREE if series == FB_USED else USUAL * LIMIT
    now = world.body.store.views[series][:, 0]
    assert now[np.isfinite(now)] == pytest.approx(usual)


def test_a_container_is_killed_again_and_again_and_its_memory_falls_each_time(play: Play) -> None:
    world = play("oom_kill", 0, 10.5)
    _, replica = patient(world)
    row = world.body.pods.pods[replica].row
    before = world.body.store.views[RESTARTS][row, 0]
    held = np.array(grown(world, WORKING_SET, row, 40))
    kills = int(world.body.store.views[RESTARTS][row, 0] - before)
    assert kills >= 7
    assert (np.diff(held) < 0).sum() == kills
    assert held.max() <= LIMIT


def test_free_and_used_are_the_whole(play: Play) -> None:
    world = play("gpu_memory_leak", 1, 20)
    views = world.body.store.views
    assert views[FB_FREE] + views[FB_USED] == pytest.approx(GPU_MEMORY)
