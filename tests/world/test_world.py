"""The world as a whole: the same twice, nothing lost, healthy when nothing is wrong, silent about the truth."""

import gc
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import FunctionType, MethodType, ModuleType

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.scenario import load_scenarios
from simulator.world.faults import Stage
from simulator.world.ledger import Ledger
from simulator.world.metrics import REMEMBERED
from simulator.world.script import Scenario, Truth
from simulator.world.world import World
from tools.action import EvictReplica, Operation, RestoreRevision, SetReplicas
from tools.catalogue import SIGNALS

ROOT = Path(__file__).parents[2]
PRINT_DIGEST = """
import hashlib
from pathlib import Path
from config.load import load_fleet
from simulator.scenario import load_scenarios
from simulator.world.world import World
world = World(load_fleet(Path("config/demo.yaml")), seed=3, scenario=load_scenarios()["bad_rollout_errors"])
for _ in range(200):
    world.advance(30.0)
total = hashlib.sha256(world._body.store.ring.tobytes() + world.ledger.good_requests.tobytes())
total.update(world.cluster.topology().model_dump_json().encode())
print(total.hexdigest())
"""


def run(world: World, ticks: int) -> World:
    for _ in range(ticks):
        world.advance(30.0)
    return world


@pytest.mark.slow
def test_two_processes_make_the_same_world_byte_for_byte() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1


def test_a_turned_world_keeps_its_past_and_has_another_future(fleet: Fleet) -> None:
    one, same, other = (run(World(fleet, seed=5), 4) for _ in range(3))
    past = one.ledger.good_requests.copy()
    for world, number in ((one, 1), (same, 1), (other, 2)):
        world.body.streams.turn(number)
        assert np.array_equal(world.ledger.good_requests, past)
        run(world, 4)
    assert np.array_equal(one.ledger.good_requests, same.ledger.good_requests)
    assert not np.array_equal(one.ledger.good_requests, other.ledger.good_requests)
    assert not np.array_equal(one.ledger.good_requests, run(World(fleet, seed=5), 8).ledger.good_requests)


def test_seeds_differ(fleet: Fleet) -> None:
    one, other = (run(World(fleet, seed=seed), 5).ledger.arrived for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["bad_rollout_errors", "xid_79_off_bus", "concept_drift", "vendor_slow"])
def test_a_fault_changes_nothing_before_its_onset_and_no_arrivals_after(fleet: Fleet, scenario: str) -> None:
    calm = World(fleet, seed=4)
    ill = World(fleet, seed=4, scenario=load_scenarios()[scenario])
    run(calm, 1)
    run(ill, 1)
    happened = ill.ledger.happened
    assert happened is not None
    assert happened.onset_at is not None
    while ill.clock.now() < happened.onset_at - timedelta(seconds=30):
        run(ill, 1)
        run(calm, 1)
    assert np.array_equal(ill._body.store.now, calm._body.store.now, equal_nan=True)
    run(ill, 40)
    run(calm, 40)
    assert np.array_equal(ill.ledger.arrived, calm.ledger.arrived)  # but for calls that failures made clients repeat
    assert not np.array_equal(ill.ledger.good_requests, calm.ledger.good_requests)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["bad_rollout_latency", "engine_hang_200", "xid_79_off_bus", "noisy_healthy"])
def test_requests_are_conserved(fleet: Fleet, scenario: str) -> None:
    world = World(fleet, seed=2, scenario=load_scenarios()[scenario])
    for tick in range(260):
        world.advance(30.0)
        if tick == 180:
            victim = world.cluster.topology().of("chat")[0].name
            world.actuator.apply(EvictReplica(service="chat", replica=victim), Operation(id="a", incident="", epoch=1))
            world.actuator.apply(SetReplicas(service="fraud", replicas=2), Operation(id="b", incident="", epoch=1))
            world.actuator.apply(RestoreRevision(service="code", revision="1"), Operation(id="c", incident="", epoch=1))
        body = world._body
        held = body.rows.sum(body.engines.waiting + body.engines.running + body.scoring.waiting)
        arrived = world.ledger.arrived + world.ledger.repeated
        assert arrived == pytest.approx(world.ledger.calls + held, rel=1e-9, abs=1e-6)


@pytest.mark.slow
def test_a_healthy_day_keeps_every_promise_and_has_a_number_for_each(fleet: Fleet) -> None:
    world = run(World(fleet, seed=11), 1440)
    for service in fleet.services:
        assert world.ledger.held(service.name).all(), service.name
        assert world.ledger.within(service.name).all(), service.name
    frame = world.metrics.read(SIGNALS, world.clock.now())
    read = {(key.signal, key.entity): float(v) for key, v in zip(frame.keys, frame.values, strict=True)}
    for service in fleet.services:
        for objective in service.objectives:
            if objective.signal != "accuracy":
                assert read[objective.signal, f"service/{service.name}"] < objective.target
    nothing = {key.signal for key, v in zip(frame.keys, frame.values, strict=True) if np.isnan(v)}
    assert not nothing


def test_every_signal_of_the_catalogue_is_measured(fleet: Fleet) -> None:
    world = run(World(fleet), 3)
    keys = world.metrics.read(SIGNALS, world.clock.now()).keys
    assert {key.signal for key in keys} == {spec.name for spec in SIGNALS}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["healthy", "noisy_healthy", "red_herring"])
def test_quiet_days_break_no_objective(fleet: Fleet, scenario: str) -> None:
    world = run(World(fleet, seed=5, scenario=load_scenarios()[scenario]), 1440)
    for service in fleet.services:
        # A moment is allowed: readings that nobody smoothed. Nothing that an operator would act on.
        assert world.ledger.held(service.name).mean() > 0.998, service.name
        assert world.ledger.within(service.name).all(), service.name


@pytest.mark.slow
def test_history_reaches_back_beyond_the_ring(fleet: Fleet) -> None:
    world = run(World(fleet), 300)
    asked, mark = (next(s for s in REMEMBERED if s.name == name) for name in ("requests", "prefix_misses"))
    now = world.clock.now()
    for spec in (asked, mark):
        frames = world.metrics.history(spec, now - timedelta(hours=2), now, 300.0)
        assert len(frames) == 25
        assert all((frame.values > 0).all() for frame in frames)
    assert world.metrics.history(asked, now - timedelta(days=30), now - timedelta(days=29), 3600.0) == ()


def reachable(root: object) -> list[object]:
    """Return every object that can be reached from ``root``, but for modules, classes and globals."""
    seen: dict[int, object] = {}
    queue = [root]
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, (ModuleType, type)):
            continue
        seen[id(thing)] = thing
        if isinstance(thing, FunctionType):
            queue.extend(cell.cell_contents for cell in thing.__closure__ or ())
        elif isinstance(thing, MethodType):
            queue.append(thing.__self__)
        else:
            queue.extend(gc.get_referents(thing))
    return list(seen.values())


def test_no_port_leads_to_the_truth(fleet: Fleet) -> None:
    world = run(World(fleet, scenario=load_scenarios()["concept_drift"]), 2)
    ports = (
        *(world.metrics, world.cluster, world.registry, world.log),
        *(world.serving, world.actuator, world.clock),
    )
    for port in ports:
        told = [thing for thing in reachable(port) if isinstance(thing, (Truth, Scenario, Ledger, Stage))]
        assert not told, type(port).__name__
    assert any(isinstance(thing, Truth) for thing in reachable(world))  # the search itself finds what is there


@pytest.mark.parametrize("name", ["vllm:iteration_tokens_total_count", "vllm:generation_tokens_total"])
def test_a_counter_grows_as_fast_whatever_the_tick(fleet: Fleet, name: str) -> None:
    def rate(tick: float) -> float:
        world = World(fleet, seed=1)
        for _ in range(round(300 / tick)):
            world.advance(tick)
        before = float(np.nansum(world.body.store.views[name]))
        for _ in range(round(900 / tick)):
            world.advance(tick)
        return (float(np.nansum(world.body.store.views[name])) - before) / 900

    assert rate(10.0) == pytest.approx(rate(30.0), rel=0.15)
