"""Controllers that own a deployment put back what anybody else changed there, as GitOps does.

Argo CD compares with what is declared and heals itself where that is asked for; here it takes a minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.world.events import Changes
from simulator.world.pods import Workload

PUT_BACK = timedelta(minutes=1)
SCALERS = frozenset({"hpa"})  # ask for replicas of their own, and put nothing back


@dataclass(frozen=True, slots=True)
class Changed:
    """What somebody who does not own a deployment made of it: (declared, made)."""

    workload: Workload
    at: datetime
    replicas: tuple[int, int]
    revision: tuple[str, str]


class Owners:
    """Watches the deployments that others own."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._left: list[Changed] = []

    def noticed(self, workload: Workload, before: tuple[int, str], at: datetime) -> None:
        """Note what was changed in a deployment; of one that nobody else owns it is forgotten."""
        if set(workload.owners) - SCALERS:
            replicas, revision = (before[0], workload.wanted), (before[1], workload.current)
            self._left.append(Changed(workload, at, replicas, revision))

    def tick(self, now: datetime) -> None:
        """Put back what is due, where nobody has changed it since."""
        due = [each for each in self._left if now - each.at >= PUT_BACK]
        self._left = [each for each in self._left if now - each.at < PUT_BACK]
        self._put_back(due, now)

    def _put_back(self, due: Iterable[Changed], now: datetime) -> None:
        for each in due:
            workload, entity = each.workload, f"service/{each.workload.service.name}"
            owner = next(name for name in workload.owners if name not in SCALERS)
            declared, made = each.replicas
            if declared != made == workload.wanted:
                workload.wanted = declared
                self._changes.add(now, "scale", entity, owner, (str(made), str(declared)), "sync: as declared")
            release, ours = each.revision
            if release != ours == workload.current:
                workload.current = release
                self._changes.add(now, "release", entity, owner, (ours, release), "sync: as declared")
