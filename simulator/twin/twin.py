"""A world with the memory of a Prometheus, shared by servers: one lock, and ticks as time goes by."""

import threading
from datetime import datetime, timedelta

from simulator.twin.pace import Pace, even
from simulator.twin.record import Record
from simulator.world.world import World


class Twin:
    """A world that servers show. ``tick`` is in the world's seconds."""

    def __init__(self, world: World, tick: float = 30.0, pace: Pace | None = None) -> None:
        self.world = world
        self.tick = tick
        self.pace = pace or even(world.clock.now())
        self.lock = threading.RLock()
        self.record = Record()

    def advance(self) -> None:
        """Let one tick pass, and scrape."""
        with self.lock:
            self.world.advance(self.tick)
            body = self.world.body
            self.record.scrape(body.store, body.labels(), body.pods.version)

    def follow(self, now: datetime) -> float:
        """Tick until the world is where it should be at ``now`` (ours); returns our seconds to the next tick."""
        wanted = self.pace.to_theirs(now)
        while self.world.clock.now() + timedelta(seconds=self.tick) <= wanted:
            self.advance()
        due = self.world.clock.now() + timedelta(seconds=self.tick)
        return (due - wanted).total_seconds() / self.pace.speed
