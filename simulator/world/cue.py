"""One mutation of a scenario, cast: whom it hits, how hard, from when, and how far it has come."""

from dataclasses import dataclass
from datetime import datetime

from simulator.world.script import Mutation

CALM = 6  # ticks of health after which clients trust a service again
HEALTHY = 0.01  # share of failed answers below which clients stop to call again


@dataclass
class Cue:
    """One mutation, cast."""

    mutation: Mutation
    service: str
    values: dict[str, float]
    at: datetime
    gpu: int = -1
    route: int = -1
    key: str = ""  # of an ail's carrier, once it is cast
    calm: int = 0  # ticks for which its service was well
    mended: bool = False  # a person took the cause away
    on: bool = False  # it had a level in the last tick
    made: str = ""  # the revision or version that it brought
    stood: str = ""  # the version that answered before
    over: bool = False  # a sustained one that its service got over
    next_at: datetime | None = None  # of a happening that has not happened yet
    times: int = 0

    def level(self, now: datetime) -> float:
        """Return how far the mutation has come, 0 to 1."""
        since = (now - self.at).total_seconds()
        m = self.mutation
        if self.mended or since < 0 or (m.duration is not None and since >= m.duration):
            return 0.0
        match m.onset:
            case "step":
                return 1.0
            case "ramp":
                return min(1.0, since / m.ramp)
            case "periodic":
                period = m.every or m.ramp
                return float(since % period < m.share * period)
            case "sustain":
                return float(not self.over)

    def sustain(self, now: datetime, failing: float) -> None:
        """Let a sustained one end, once its trigger is past and its service is well."""
        since = (now - self.at).total_seconds()
        self.calm = self.calm + 1 if failing < HEALTHY else 0
        past = self.mutation.onset == "sustain" and since > self.mutation.ramp
        self.over = self.over or (past and self.calm >= CALM)
