"""Leases that controllers with different journals share: the case that no row of a journal can cover.

Taken before our journal's own lease and let go after it, always in one order of targets. An epoch taken here is above
every earlier one of the same target, whoever's journal counted it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from playbooks.plan import Plan
from tools.errors import ToolError
from tools.lease import Hold, TargetLeases

SKEW = timedelta(seconds=15)  # by which clocks of two controllers may differ
Seen = Mapping[str, Hold | None]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a lease cannot be had; ``for_good``: waiting does not help."""

    reason: str
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """One controller's side of the shared leases; with none, everything is free."""

    leases: TargetLeases | None
    owner: str

    def look(self, targets: Collection[str]) -> Seen | Obstacle:
        """Read how the targets are held."""
        try:
            return {name: self.leases.read(name) for name in sorted(targets)} if self.leases is not None else {}
        except ToolError as error:
            return Obstacle(f"the leases of its targets cannot be read: {error}")

    def objection(self, seen: Seen, plan: Plan, now: datetime, ours: Collection[str] | None) -> Obstacle | None:
        """Say who stands in the way. ``ours``: the runs of our journal; None: this run has begun already."""
        for target, hold in seen.items():
            if hold is None or hold.owner == self.owner:
                continue
            if hold.until > hold.at and hold.until + SKEW > now:
                return Obstacle(f"{target} is held by {hold.owner} for {hold.run}")
            if ours is not None and hold.run not in ours and hold.at > plan.at:
                text = f"{hold.owner}, which has another journal, worked on {target} after this was planned"
                return Obstacle(text, for_good=True)
        return None

    def take(self, seen: Seen, hold: Hold) -> Obstacle | None:
        """Take or renew what was looked at; where that fails half-way, what was taken is let go."""
        taken: list[str] = []
        try:
            for target, known in seen.items():
                if not self._write(target, replace(hold, version=known.version if known else "")):
                    self.release(taken, hold)
                    return Obstacle(f"somebody else takes {target} at this moment")
                taken.append(target)
        except ToolError as error:
            self.release(taken, hold)
            return Obstacle(f"the leases of its targets cannot be taken: {error}")
        return None

    def release(self, targets: Collection[str], hold: Hold) -> None:
        """Let go of what is ours under this very epoch. What cannot be let go ends by itself."""
        seen = self.look(targets)
        for target, known in ({} if isinstance(seen, Obstacle) else seen).items():
            if known is not None and (known.owner, known.epoch) == (hold.owner, hold.epoch):
                self._try_release(target, replace(known, at=hold.at, until=hold.at))

    def _try_release(self, target: str, hold: Hold) -> None:
        try:
            self._write(target, hold)
        except ToolError:
            return

    def _write(self, target: str, hold: Hold) -> bool:
        return self.leases is None or self.leases.write(target, hold)


def highest(seen: Seen) -> int:
    """Return the highest epoch under which any of them was held; 0: none was."""
    return max((hold.epoch for hold in seen.values() if hold is not None), default=0)
