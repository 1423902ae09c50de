"""What is known of one episode when it is over: the truth of two worlds, what was done, and the journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from config.fleet import Fleet
from simulator.world.ledger import Happened
from tools.action import Action
from tools.journal import Entry

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
FLOWS = ("requests", "good_requests", "money")  # of ``Track.flow``, in its order


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect that really took place, as the door to the world saw it."""

    at: datetime
    incident: str
    operation: str
    action: Action
    service: str  # whose it is; empty: a node's
    blind: bool  # no objective of the service could be read at that instant
    vain: bool = True  # the world was so already, or nobody can tell: done again, it is done twice


@dataclass(frozen=True, slots=True)
class Track:
    """The truth of one world, a row per tick, a column per service."""

    times: NDArray[np.float64]  # POSIX seconds
    held: Flags
    within: Flags  # budget
    ready: Counts  # replicas that take requests; -1: not a deployment
    flow: NDArray[np.float64]  # (ticks, 3, services): FLOWS so far; no ticks where nothing is wrong
    restored: Flags  # what the truth wants for a cure, beside the objectives


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of an episode when it is over."""

    scenario: str
    layer: str
    seed: int
    fleet: Fleet
    happened: Happened
    acting: Track
    idle: Track
    effects: tuple[Effect, ...]
    entries: tuple[Entry, ...]  # the controller's journal
    totals: Mapping[str, float]  # requests, good_requests, money, tokens
    sick_nodes: float = 0  # how many nodes the scenario makes sick, at most

    @property
    def patients(self) -> frozenset[str]:
        """Return the service at fault and those that feel it; empty where nothing is wrong."""
        return patients(self.fleet, self.happened) if self.happened.truth.fault else frozenset()


def patients(fleet: Fleet, happened: Happened) -> frozenset[str]:
    """Return the services that a fault sits on, and those that feel it through them."""
    return frozenset().union(*(hurt(fleet, name) for name in (happened.service, *happened.beside)))


def hurt(fleet: Fleet, service: str) -> frozenset[str]:
    """Return a service and those that depend on it, directly or not."""
    found = {service}
    while more := {s.name for s in fleet.services if found & set(s.depends_on)} - found:
        found |= more
    return frozenset(found)
