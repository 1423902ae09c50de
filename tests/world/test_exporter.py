"""dcgm-exporter's own ways: the last XID stays, the count of five minutes falls, blanks, two spellings of a host."""

from datetime import timedelta

import numpy as np
import pytest

from simulator.episode import demo_fleet
from simulator.world.hardware import NO_READING
from simulator.world.world import World
from tests.world.conftest import Play
from tools.action import EvictReplica, Operation, RestoreRevision
from tools.catalogue import named
from tools.marks import MARKS
from tools.promql import DCGM_BLANK
from tools.signal import Gauge, Metric, Rate, SignalSpec

CODES, COUNTS = "DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT"
OLD, NEW = 5, 0  # GPUs of nodes whose exporters say Hostname, and hostname


def run(world: World, minutes: float) -> None:
    for _ in range(round(minutes * 2)):
        world.advance(30.0)


def shown(world: World, code: int) -> list[int]:
    return np.flatnonzero(world.body.store.views[CODES][:, 0] == code).tolist()


@pytest.mark.parametrize(("name", "code"), [("xid_31_across_gpus", 31), ("xid_94_contained", 94)])
def test_an_xid_stays_when_its_cause_is_gone_and_its_count_falls(play: Play, name: str, code: int) -> None:
    world = play(name, 0, 5)
    happened = world.ledger.happened
    assert happened is not None
    met = shown(world, code)
    counts = world.body.store.views[COUNTS][met]
    assert len(met)
    assert counts.sum() > 0
    where = happened.entity.split("/")
    if code == 94:
        world.actuator.apply(EvictReplica(service=where[1], replica=where[2]), Operation(id="o", incident="i", epoch=1))
    else:
        good = world.body.pods.workloads[happened.service].revisions[-2].number
        world.actuator.apply(
            RestoreRevision(service=happened.service, revision=good), Operation(id="o", incident="i", epoch=1)
        )
    run(world, 30)
    assert set(met) <= set(shown(world, code))
    assert world.body.store.views[COUNTS].sum() == 0
    world.body.hardware.reset(met[0])
    run(world, 1)
    assert met[0] not in shown(world, code)


def test_some_nodes_spell_the_host_as_of_old_and_every_gpu_is_read() -> None:
    world = World(demo_fleet(), seed=0)
    run(world, 2)
    labels = world.body.labels()["gpu"].values()
    assert {"Hostname" in each for each in labels} == {"hostname" in each for each in labels} == {True, False}
    frame = world.metrics.read(named("gpu_temp"), world.clock.now())
    assert len(frame.keys) == len(world.body.pods.owner)
    assert np.isfinite(frame.values).all()


def test_a_gpu_off_the_bus_is_blank_or_missing_and_never_a_number() -> None:
    world = World(demo_fleet(), seed=0)
    for gpu in (OLD, NEW):
        world.body.pods.lost[gpu] = True
    run(world, 1)
    raw = world.body.store.views["DCGM_FI_DEV_GPU_TEMP"][:, 0]
    assert raw[OLD] == NO_READING >= DCGM_BLANK
    assert np.isnan(raw[NEW])
    frame = world.metrics.read(named("gpu_temp"), world.clock.now())
    unread = {key.entity for key, value in zip(frame.keys, frame.values, strict=True) if np.isnan(value)}
    assert unread == {"gpu/gpu-a2/1", "gpu/gpu-a1/0"}
    whole = SignalSpec("hottest", "service", Gauge(Metric("DCGM_FI_DEV_GPU_TEMP"), "max"), "C", "", ())
    assert np.nanmax(world.metrics.read((whole,), world.clock.now()).values) < 100


def test_a_counter_that_goes_blank_has_no_rate() -> None:
    world = World(demo_fleet(), seed=0)
    run(world, 3)
    world.body.store.views["DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL"][OLD] = NO_READING
    world.body.store.keep((world.clock.now() + timedelta(seconds=30)).timestamp())
    (mark,) = [mark for mark in MARKS if mark.finding == "nvlink_errors"]
    assert isinstance(mark.spec.expr, Rate)
    frame = world.metrics.read((mark.spec,), world.clock.now() + timedelta(seconds=30))
    assert not [value for value in frame.values if mark.seen(float(value))]


def test_a_driver_that_hangs_tells_nothing_of_its_gpu(play: Play) -> None:
    world = play("telemetry_hang", 0, 5)
    happened = world.ledger.happened
    assert happened is not None
    _, node, gpu = happened.entity.split("/")
    index = [machine.name for machine in world.body.pods.machines].index(node) * 2 + int(gpu)
    for name in ("GPU_TEMP", "SM_CLOCK", "POWER_USAGE", "GPU_UTIL"):
        value = world.body.store.views[f"DCGM_FI_DEV_{name}"][index, 0]
        assert np.isnan(value) or value >= DCGM_BLANK
