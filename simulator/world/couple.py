"""How trouble travels from a service to those that depend on it, one tick later."""

import numpy as np

from config.fleet import Fleet
from simulator.world.flow import Result
from simulator.world.profile import profile_of
from simulator.world.store import Floats

NORMAL_ERRORS = 0.02  # share of failed calls that callers absorb with retries
PATIENCE = 4.0  # seconds after which a caller goes on without its dependency


class Coupling:
    """Edges of the dependency graph as a matrix: ``weights[i, j]`` is how much of j's trouble reaches i."""

    def __init__(self, fleet: Fleet) -> None:
        index = {service.name: i for i, service in enumerate(fleet.services)}
        self.errors = np.zeros((len(index), len(index)))
        self.delays = np.zeros((len(index), len(index)))
        for service in fleet.services:
            for other in service.depends_on:
                self.errors[index[service.name], index[other]] = profile_of(service).coupling
                self.delays[index[service.name], index[other]] = 1.0

    def reach(self, last: Result) -> tuple[Floats, Floats]:
        """Return what last tick's results do to each service now: failing share, added seconds."""
        errors = self.errors @ np.maximum(0.0, last.errors - NORMAL_ERRORS)
        return np.minimum(errors, 0.9), self.delays @ np.minimum(last.delay, PATIENCE)
