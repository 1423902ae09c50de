"""One actuator made of several, each for its own verbs: a cluster and a registry are acted on through one door."""

from dataclasses import dataclass

from tools.action import Action, Operation, Preimage, Receipt
from tools.errors import Refused
from tools.ports import Actuator


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Implements ``tools.ports.Actuator``. No two parts may know the same verb."""

    parts: tuple[Actuator, ...]

    def __post_init__(self) -> None:
        """Refuse parts that overlap: which of them acts must never be a matter of order."""
        if sum(len(part.verbs) for part in self.parts) != len(self.verbs):
            raise ValueError("two actuators know the same verb")

    @property
    def verbs(self) -> frozenset[str]:
        """Those of all parts."""
        return frozenset[str]().union(*(part.verbs for part in self.parts))

    def preimage(self, action: Action) -> Preimage:
        """Ask the part that knows the verb."""
        return self._of(action).preimage(action)

    def rehearse(self, action: Action) -> str:
        """Ask the part that knows the verb."""
        return self._of(action).rehearse(action)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Have the part that knows the verb do it."""
        return self._of(action).apply(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Ask the part that knows the verb."""
        return self._of(action).lookup(action, operation)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Have the part that knows the verb keep earlier calls out."""
        return self._of(action).fence(action, operation)

    def _of(self, action: Action) -> Actuator:
        found = next((part for part in self.parts if action.verb in part.verbs), None)
        if found is None:
            raise Refused(f"nothing here can {action.verb}")
        return found
