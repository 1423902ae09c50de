"""Fate: the one seeded source of everything that goes wrong, and the clock that all share."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Crash(BaseException):
    """The process dies here. No handler of the product may survive it."""


class Violation(BaseException):
    """An invariant does not hold. No handler of the product may hide it."""


@dataclass
class Clock:
    """The time of the whole stage."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Rates:
    """How often each thing goes wrong, per point that is passed."""

    crash: float = 0.0
    pause: float = 0.0  # the process sleeps, others go on, it wakes up as a zombie
    refuse: float = 0.0  # 409, 429, 500 before anything happened
    lose: float = 0.0  # done, and the reply is lost
    late: float = 0.0  # given up by its sender, and done a little later
    stale: float = 0.0  # a read answers from the past
    meddle: float = 0.0  # somebody else writes in between
    jump: float = 0.0  # of the clock
    disk: float = 0.0  # the journal's disk is full
    tear: float = 0.0  # the journal cannot be read any more


def drawn(source: random.Random) -> Rates:
    """Return rates of one seed: each fault is often absent, sometimes rare, sometimes frequent."""

    def some(*levels: float) -> float:
        return source.choice((0.0, 0.0, *levels))

    return Rates(
        crash=some(0.005, 0.02),
        pause=some(0.005, 0.02),
        refuse=some(0.05, 0.2),
        lose=some(0.05, 0.3),
        late=some(0.05, 0.2),
        stale=some(0.05, 0.3),
        meddle=some(0.02, 0.1),
        jump=some(0.02),
        disk=some(0.005, 0.03),
        tear=some(0.0, 0.0005),
    )


@dataclass
class Fate:
    """Decides, from a seed alone, what goes wrong and when. ``calm`` ends all of it."""

    seed: int
    clock: Clock = field(default_factory=Clock)
    calm: bool = False
    depth: int = 0  # of nested interludes
    points: int = 0
    interlude: Callable[[], None] | None = None  # lets the others go on

    def __post_init__(self) -> None:
        self.source = random.Random(self.seed)
        self.rates = drawn(self.source)

    def strikes(self, kind: str) -> bool:
        """Whether a fault of a kind happens now."""
        rate = float(getattr(self.rates, kind))
        return rate > 0 and not self.calm and self.source.random() < rate

    def point(self, name: str) -> None:
        """A moment at which a process may die, or sleep while the others go on."""
        del name
        self.points += 1
        if self.strikes("crash"):
            raise Crash
        if self.strikes("jump"):
            seconds = self.source.choice((-90, -5, 30, 600, 7200))
            self.clock.at += timedelta(seconds=seconds)
        if self.depth == 0 and self.interlude is not None and self.strikes("pause"):
            self.depth += 1
            try:
                self.interlude()
            finally:
                self.depth -= 1
