"""Controllers to compare with: what an operator gets for nothing, or from a simple rule. They act without a journal."""

from datetime import timedelta
from typing import Protocol

from simulator.world.world import World
from tools.action import Action, EvictReplica, Operation, RestoreRevision
from tools.errors import ToolError
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator

_PATIENCE = 4  # ticks of bad readings before a simple rule acts
_PAUSE = timedelta(minutes=10)  # between two of its actions on one service


class Guardian(Protocol):
    """Whoever watches a world during a drill."""

    @property
    def journal(self) -> Journal:
        """What it wrote down."""
        ...

    def tick(self) -> object:
        """Look once, and do what is to be done."""
        ...


class DoNothing:
    """Nobody watches."""

    def __init__(self) -> None:
        self._journal = MemoryJournal()

    @property
    def journal(self) -> Journal:
        """Empty."""
        return self._journal

    def tick(self) -> object:
        """Do nothing."""
        return None


class SimpleRule:
    """Acts on any service whose objectives fail for two minutes: no diagnosis, no gate, no verification.

    It is told which services truly fail, which flatters it. ``restart`` evicts the oldest replica, else the last
    release is undone.
    """

    def __init__(self, world: World, actuator: Actuator, *, restart: bool) -> None:
        self._world, self._actuator, self._restart = world, actuator, restart
        self._journal = MemoryJournal()
        self._bad = dict.fromkeys(world.ledger.services, 0)
        self._acted = dict.fromkeys(world.ledger.services, world.clock.now() - _PAUSE)
        self._count = 0

    @property
    def journal(self) -> Journal:
        """Empty: it writes nothing down."""
        return self._journal

    def tick(self) -> object:
        """Act on what fails."""
        now = self._world.clock.now()
        for service in self._bad:
            self._bad[service] = 0 if self._world.ledger.objectives_hold(service) else self._bad[service] + 1
            if self._bad[service] >= _PATIENCE and now >= self._acted[service] + _PAUSE:
                self._act(service)
                self._acted[service] = now
        return None

    def _act(self, service: str) -> None:
        action = self._restarting(service) if self._restart else self._undoing(service)
        if action is None:
            return
        self._count += 1
        try:
            self._actuator.apply(action, Operation(id=f"rule-{self._count}", incident="", epoch=self._count))
        except ToolError:
            return  # such rules do not care

    def _restarting(self, service: str) -> Action | None:
        replicas = self._world.cluster.topology().of(service)
        oldest = min(replicas, key=lambda replica: (replica.started_at, replica.name), default=None)
        return EvictReplica(service=service, replica=oldest.name) if oldest else None

    def _undoing(self, service: str) -> Action | None:
        deployment = self._world.cluster.topology().deployment(service)
        if deployment is None:
            return None
        earlier = [r.number for r in deployment.revisions if r.number < deployment.current]
        return RestoreRevision(service=service, revision=earlier[-1]) if earlier else None
