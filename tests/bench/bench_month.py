"""A simulated day of forty services with the controller in the loop, on one core; the models are trained before."""

import time
from collections.abc import Mapping

from simulator.arrivals import month
from simulator.copies import copies
from simulator.episode import TICK, demo_fleet, prunella
from simulator.world.world import World

SETTLING = 40  # ticks before the clock runs


def figures(ticks: int = 720) -> Mapping[str, float]:
    """Return seconds of CPU of a day, of the world alone and in all, measured over so many ticks."""
    fleet = copies(demo_fleet())
    world = World(fleet, seed=1, scenario=month(fleet, 1, 1.0)[0])
    controller = prunella(world, world.actuator)
    for _ in range(SETTLING):
        world.advance(TICK)
        controller.tick()
    alone, started = 0.0, time.process_time()
    for _ in range(ticks):
        before = time.process_time()
        world.advance(TICK)
        alone += time.process_time() - before
        controller.tick()
    took, day = time.process_time() - started, 86400.0 / TICK
    return {
        "forty_day_seconds": round(took * day / ticks, 2),
        "forty_day_world_seconds": round(alone * day / ticks, 2),
    }
