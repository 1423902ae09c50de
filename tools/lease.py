"""Leases of targets, kept where controllers that share no journal meet: beside the targets themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hold:
    """One controller's hold on a target, as everybody sees it. It stays when it ends, so that epochs only rise."""

    owner: str
    epoch: int
    run: str  # what it is held for
    at: datetime  # of its last renewal
    until: datetime  # not later than ``at``: let go
    version: str = ""  # of the record, as it was read; empty: there is none yet


class TargetLeases(Protocol):
    """Reads and changes leases, ``service/S`` and ``node/N``. Raises ``tools.errors.ToolError`` and nothing else."""

    def read(self, target: str) -> Hold | None:
        """Return the last hold on a target; None where nobody ever held it."""
        ...

    def write(self, target: str, hold: Hold) -> bool:
        """Change a lease that is still as ``hold.version`` was; False, and no change, where somebody was quicker."""
        ...
