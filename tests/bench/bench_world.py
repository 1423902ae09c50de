"""How long the pretend fleet takes: a simulated day, a tick, a reading of every signal."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from config.load import load_fleet
from simulator.world.world import World
from tools.catalogue import SIGNALS

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def figures(ticks: int = 2880) -> Mapping[str, float]:
    """Return seconds of a day, milliseconds of one tick and of one reading; the first world pays for its models."""
    fleet = load_fleet(DEMO)
    started = time.perf_counter()
    world = World(fleet)
    built = time.perf_counter() - started
    took = np.empty((ticks, 2))
    for tick in range(ticks):
        before = time.perf_counter()
        world.advance(30.0)
        between = time.perf_counter()
        world.metrics.read(SIGNALS, world.clock.now())
        took[tick] = (between - before, time.perf_counter() - between)
    return {
        "world_build_s": round(built, 2),
        "world_day_s": round(float(took.sum()) * 2880 / ticks, 2),
        "world_tick_p50_ms": round(float(np.percentile(took[:, 0], 50)) * 1000, 3),
        "world_tick_p99_ms": round(float(np.percentile(took[:, 0], 99)) * 1000, 3),
        "world_read_p50_ms": round(float(np.percentile(took[:, 1], 50)) * 1000, 3),
    }
