"""A real Prometheus that holds the same samples as the twin: made-up ones, and those of a world in trouble."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.episode import demo_fleet
from simulator.lab.binaries import LabError
from simulator.lab.processes import held
from simulator.lab.servers import start_prometheus
from simulator.scenario import load_scenarios
from simulator.twin.promql.samples import Samples
from simulator.twin.record import Record
from simulator.world.autoscaler import Autoscaler
from simulator.world.world import World
from tests.twin import remote_write
from tests.twin.queries import made_up

ROWS = 200
WORLD_START_H = 2  # hours of a world that are sent


@dataclass(frozen=True)
class Pair:
    """The address of a Prometheus, and what it holds."""

    url: str
    made: Samples
    world: Record


def troubled_world() -> Record:
    """Two hours of a fleet whose release went wrong, with a pod evicted on the way, and an autoscaler on the watch."""
    world = World(demo_fleet(), seed=3, scenario=load_scenarios()["bad_rollout_errors"])
    world.body.autoscalers["chat"] = Autoscaler(target=0.9, low=3, high=6)
    record = Record()
    for _ in range(WORLD_START_H * 120):
        world.advance(30.0)
        record.scrape(world.body.store, world.body.labels(), world.body.pods.version)
    return record


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    run_dir: Path = tmp_path_factory.mktemp("twin")
    made, world = remote_write.joined(*made_up()), troubled_world()
    flags = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y")
    try:
        with held(run_dir):
            url = start_prometheus(run_dir, [], interval_s=60, flags=flags).url
            remote_write.push(url, made)
            remote_write.push(url, world.select(()))
            yield Pair(url, made, world)
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
