"""The plan of one real fault, which a named person approves by its digest. Pure."""

import hashlib
from datetime import datetime, timedelta

from config.frozen import Frozen
from simulator.staging.edits import Edit
from simulator.staging.hands import Place
from simulator.staging.mark import Mark
from tools.chain import canonical


class DrillPlan(Frozen):
    """What would be done to whom, for how long. Bound to this very object of this very cluster by its uid."""

    fault: str
    service: str
    namespace: str
    deployment: str
    uid: str
    replicas: int
    edits: tuple[Edit, ...]
    lasts: timedelta

    @property
    def digest(self) -> str:
        """What an approval is bound to: another state of the object, another digest."""
        return hashlib.sha256(canonical(self.model_dump(mode="json")).encode()).hexdigest()[:12]

    @property
    def place(self) -> Place:
        """The object."""
        return Place(self.namespace, self.deployment)

    def mark(self, operation: str, by: str, at: datetime) -> Mark:
        """Return the mark that is written with the fault."""
        return Mark(operation=operation, fault=self.fault, by=by, at=at, until=at + self.lasts, edits=self.edits)

    def words(self) -> str:
        """Return the plan for the person who is to approve it."""
        lines = [f"{self.fault} on {self.namespace}/{self.deployment} (service {self.service}), for {self.lasts}"]
        lines += [f"  {edit.words}" for edit in self.edits] or ["  one replica is driven out"]
        return "\n".join(lines)
