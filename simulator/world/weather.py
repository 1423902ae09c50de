"""What the world does to the fleet whether or not anything is wrong: traffic, lengths, noise.

Every source draws from its own stream and never looks at the fleet, so that a fault changes nothing before its onset,
nor the arrivals that it does not itself multiply after.
"""

from datetime import datetime

import numpy as np

from config.fleet import Fleet
from simulator.world.profile import profile_of
from simulator.world.store import Floats
from simulator.world.streams import Streams
from simulator.world.traffic import counts, seasonal, shipped_fit, shipped_moments, start

TENANTS = 300.0  # independent customers, each as bursty as the trace, whose sum is the traffic of a service; at least
OUTPUT_SPREAD = 0.8  # over the mean, at most: the trace is of code completion, whose answers vary more than a chat's


class Weather:
    """Arrivals per tick and service, lengths of prompts and answers, measurement noise."""

    def __init__(self, fleet: Fleet, streams: Streams, rows: int, gpus: int) -> None:
        profiles = [profile_of(service) for service in fleet.services]
        self.rate = np.array([p.rate for p in profiles])
        self._prompt = np.array([p.prompt for p in profiles])
        self._output = np.array([p.output for p in profiles])
        self._rows, self._gpus = rows, gpus
        self._fit = shipped_fit()
        self._state = start(len(profiles))
        self._tenants = np.maximum(TENANTS, self.rate / self._fit.rate)
        moments = shipped_moments()
        self._spread = (  # standard deviation over mean of one request's tokens
            np.sqrt(moments.prompt_square / moments.prompt**2 - 1),
            min(OUTPUT_SPREAD, np.sqrt(moments.output_square / moments.output**2 - 1)),
        )
        self._traffic = streams.named("traffic")
        self._lengths = streams.named("lengths")
        self._jitter = streams.named("jitter")
        self._measure = streams.named("measure")

    def arrivals(self, at: datetime, seconds: float, bursts: float) -> Floats:
        """Return requests that arrive in the tick, per service; ``bursts`` above 1 has fewer, larger customers."""
        hour = at.weekday() * 24 + at.hour + at.minute / 60
        rates = self.rate * seasonal(hour)
        drawn, self._state = counts(self._fit, self._state, self._traffic, rates, seconds, self._tenants / bursts)
        return drawn.astype(np.float64)

    def lengths(self, arrivals: Floats) -> tuple[Floats, Floats]:
        """Return mean prompt and answer tokens of this tick's requests, per service."""
        z = self._lengths.standard_normal((2, len(self._prompt)))
        scale = 1 / np.sqrt(np.maximum(arrivals, 4.0))
        prompt = self._prompt * np.maximum(0.3, 1 + self._spread[0] * scale * z[0])
        return prompt, self._output * np.maximum(0.3, 1 + self._spread[1] * scale * z[1])

    def jitter(self) -> Floats:
        """Return standard normals per pod row."""
        return self._jitter.standard_normal(self._rows)

    def measurement(self) -> Floats:
        """Return standard normals (G, 2) for the GPU gauges."""
        return self._measure.standard_normal((self._gpus, 2))
