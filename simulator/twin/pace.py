"""How the twin's time goes with ours: what is asked and told is in our time, what happens is in the world's."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """At ``ours`` the world stood at ``theirs``; since then it goes ``speed`` times as fast. All instants are UTC."""

    ours: datetime
    theirs: datetime
    speed: float = 1.0

    def to_theirs(self, at: datetime) -> datetime:
        """Return the world's instant for one of ours."""
        return self.theirs + (at - self.ours) * self.speed

    def to_ours(self, at: datetime) -> datetime:
        """Return our instant for one of the world's."""
        return self.ours + (at - self.theirs) / self.speed


def even(at: datetime) -> Pace:
    """Return the pace of a world whose time is ours, as tests have it."""
    return Pace(at, at)
