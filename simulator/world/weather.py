"""What the world does to the fleet whether or not anything is wrong: traffic, lengths, noise.

Every source draws from its own stream and the same amount each tick, so that a fault changes nothing before its onset.
"""

from datetime import datetime

import numpy as np

from config.fleet import Fleet
from simulator.world.pods import ROWS
from simulator.world.profile import profile_of
from simulator.world.store import Floats
from simulator.world.streams import Streams


class Weather:
    """Arrivals per tick and service, lengths of prompts and answers, measurement noise."""

    def __init__(self, fleet: Fleet, streams: Streams, gpus: int) -> None:
        profiles = [profile_of(service) for service in fleet.services]
        self.rate = np.array([p.rate for p in profiles])
        self._prompt = np.array([p.prompt for p in profiles])
        self._output = np.array([p.output for p in profiles])
        self._gpus = gpus
        self._traffic = [streams.named(f"traffic/{service.name}") for service in fleet.services]
        self._lengths = streams.named("lengths")
        self._jitter = streams.named("jitter")
        self._measure = streams.named("measure")

    def arrivals(self, at: datetime, seconds: float, bursts: float) -> Floats:
        """Return requests that arrive in the tick, per service."""
        hour = at.hour + at.minute / 60
        season = (1 + 0.3 * np.cos((hour - 14) / 24 * 2 * np.pi)) * (0.75 if at.weekday() >= 5 else 1.0)
        mean = self.rate * season * seconds
        shape = 60.0 / bursts
        return np.array([float(g.poisson(g.gamma(shape, m / shape))) for g, m in zip(self._traffic, mean, strict=True)])

    def lengths(self) -> tuple[Floats, Floats]:
        """Return mean prompt and answer tokens of this tick's requests, per service."""
        wobble = np.exp(0.04 * self._lengths.standard_normal((2, len(self._prompt))))
        return self._prompt * wobble[0], self._output * wobble[1]

    def jitter(self) -> Floats:
        """Return standard normals per pod row."""
        return self._jitter.standard_normal(ROWS)

    def measurement(self) -> Floats:
        """Return standard normals (G, 2) for the GPU gauges."""
        return self._measure.standard_normal((self._gpus, 2))
