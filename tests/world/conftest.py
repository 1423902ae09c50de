"""A world to look at: the demo fleet, and a way to play a scenario to a point."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from config.fleet import Fleet
from config.load import load_fleet
from simulator.scenario import load_scenarios
from simulator.world.world import World

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
Play = Callable[[str, int, float], World]


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return load_fleet(DEMO)


@pytest.fixture
def play(fleet: Fleet) -> Play:
    """Return a world of that scenario and seed, so many minutes after its onset."""

    def played(scenario: str, seed: int, minutes: float) -> World:
        world = World(fleet, seed=seed, scenario=load_scenarios()[scenario])
        world.advance(30.0)
        happened = world.ledger.happened
        assert happened is not None
        assert happened.onset_at is not None
        while world.clock.now() < happened.onset_at + timedelta(minutes=minutes):
            world.advance(30.0)
        return world

    return played
