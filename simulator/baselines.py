"""Controllers to compare with: what an operator gets for nothing, or from a simple rule. They act without a journal."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import numpy as np

from simulator.world.world import World
from tools.action import Action, EvictReplica, Operation, RestoreRevision, SetReplicas
from tools.catalogue import SIGNALS
from tools.errors import ToolError
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator
from tools.signal import SeriesKey

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


class Remedy(StrEnum):
    """What a simple rule does to a service that fails."""

    RESTART = "restart"  # evict its oldest replica
    UNDO = "undo"  # take its last release back
    RUNBOOK = "runbook"  # what a page of alert names says: errors, undo; slowness, one more replica; else restart


class Waking:
    """Tells which services truly fail for two minutes, ten minutes after the last time at the earliest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bad = dict.fromkeys(world.ledger.services, 0)
        self._last = dict.fromkeys(world.ledger.services, world.clock.now() - _PAUSE)

    def due(self) -> Iterator[str]:
        """Look once, and yield what is to be done something about."""
        now = self._world.clock.now()
        for service in self._bad:
            self._bad[service] = 0 if self._world.ledger.objectives_hold(service) else self._bad[service] + 1
            if self._bad[service] >= _PATIENCE and now >= self._last[service] + _PAUSE:
                yield service
                self._last[service] = now


class SimpleRule:
    """Acts on any service whose objectives fail for two minutes: no diagnosis, no gate, no verification.

    It is told which services truly fail, which flatters it.
    """

    def __init__(self, world: World, actuator: Actuator, remedy: Remedy) -> None:
        self._world, self._actuator, self._remedy = world, actuator, remedy
        self._journal, self._waking, self._count = MemoryJournal(), Waking(world), 0

    @property
    def journal(self) -> Journal:
        """Empty: it writes nothing down."""
        return self._journal

    def tick(self) -> object:
        """Act on what fails."""
        for service in self._waking.due():
            self._act(service)
        return None

    def _act(self, service: str) -> None:
        action = self._chosen(service)
        if action is None:
            return
        self._count += 1
        try:
            self._actuator.apply(action, Operation(id=f"rule-{self._count}", incident="", epoch=self._count))
        except ToolError:
            return  # such rules do not care

    def _chosen(self, service: str) -> Action | None:
        match self._remedy:
            case Remedy.RESTART:
                return self._restarting(service)
            case Remedy.UNDO:
                return self._undoing(service)
            case Remedy.RUNBOOK:
                return self._by_alert(service)

    def _by_alert(self, service: str) -> Action | None:
        """Look the loudest alert up: the objective that is missed by the most."""
        now, guarded = self._world.clock.now(), self._world.fleet.service(service)
        frame = self._world.metrics.read(SIGNALS, now)
        read = dict(zip(frame.keys, np.nan_to_num(frame.values).tolist(), strict=True))
        alerts = {
            objective.signal: read.get(SeriesKey(objective.signal, f"service/{service}"), 0.0) / objective.target
            for objective in guarded.objectives
            if objective.bound == "below" and objective.target
        }
        loudest = max(alerts, key=lambda name: alerts[name], default="")
        if loudest == "error_ratio":
            return self._undoing(service) or self._restarting(service)
        deployment = self._world.cluster.topology().deployment(service)
        if loudest and alerts[loudest] > 1 and deployment and deployment.replicas < guarded.max_replicas:
            return SetReplicas(service=service, replicas=deployment.replicas + 1)
        return self._restarting(service)

    def _restarting(self, service: str) -> Action | None:
        replicas = self._world.cluster.topology().of(service)
        oldest = min(replicas, key=lambda replica: (replica.started_at, replica.name), default=None)
        return EvictReplica(service=service, replica=oldest.name) if oldest else None

    def _undoing(self, service: str) -> Action | None:
        deployment = self._world.cluster.topology().deployment(service)
        if deployment is None:
            return None
        numbers = [revision.number for revision in deployment.revisions]  # oldest first
        earlier = numbers[: numbers.index(deployment.current)] if deployment.current in numbers else []
        return RestoreRevision(service=service, revision=earlier[-1]) if earlier else None
