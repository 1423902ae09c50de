"""A simulated day with the controller in the loop: how long it takes, and whether memory stays flat."""

import gc
import time
from collections.abc import Mapping

import psutil

from simulator.episode import TICK, demo_fleet, prunella
from simulator.scenario import load_scenarios
from simulator.world.world import World

HOUR = int(3600 / TICK)  # ticks


def figures(hours: int = 24) -> Mapping[str, float]:
    """Return seconds of wall for a day on one core, and the growth of resident memory from hour 2 to the end."""
    world = World(demo_fleet(), seed=0, scenario=load_scenarios()["noisy_healthy"])
    world.body.quality.reserve()
    controller = prunella(world, world.actuator)
    resident: list[float] = []
    started = time.perf_counter()
    for _ in range(hours):
        for _ in range(HOUR):
            world.advance(TICK)
            controller.tick()
        gc.collect()
        resident.append(psutil.Process().memory_info().rss)
    took = time.perf_counter() - started
    return {
        "day_seconds": round(took * 24 / hours, 2),
        "day_memory_growth_percent": round(100 * (resident[-1] / resident[1] - 1), 2),
        "day_memory_mb": round(resident[-1] / 2**20, 1),
    }
