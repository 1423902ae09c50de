"""Guardians that try to cheat the scorer."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from simulator.baselines import Guardian
from simulator.episode import demo_fleet, play
from simulator.record import Record
from simulator.scenario import load_scenarios
from simulator.world.ledger import Happened
from simulator.world.world import World
from tools.action import Action, EvictReplica, Operation, RestoreRevision, SetReplicas
from tools.errors import Refused
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator

Deed = Callable[[World, Happened], list[Action]]
LATER = timedelta(minutes=5)
PATIENCE = timedelta(minutes=45)


class Schemer:
    """Does one thing, five minutes after the onset, ``times`` over, and another at ``later`` if there is one."""

    def __init__(
        self, world: World, actuator: Actuator, deed: Deed, times: int = 1, later: tuple[timedelta, Deed] | None = None
    ) -> None:
        self._world, self._actuator, self._deed, self._left = world, actuator, deed, times
        self._later = later
        self._journal = MemoryJournal()
        self._count = 0

    @property
    def journal(self) -> Journal:
        return self._journal

    def tick(self) -> object:
        happened, now = self._world.ledger.happened, self._world.clock.now()
        if happened is None or happened.onset_at is None:
            return None
        if now >= happened.onset_at + LATER and self._left:
            self._left -= 1
            self._do(self._deed, happened)
        if self._later is not None and now >= happened.onset_at + self._later[0]:
            (_, deed), self._later = self._later, None
            self._do(deed, happened)
        return None

    def _do(self, deed: Deed, happened: Happened) -> None:
        for action in deed(self._world, happened):
            self._count += 1
            with suppress(Refused):
                self._actuator.apply(action, Operation(id=f"op-{self._count}", incident="inc-1", epoch=self._count))


def schemed(scenario: str, deed: Deed, times: int = 1, later: tuple[timedelta, Deed] | None = None) -> Record:
    def hire(world: World, actuator: Actuator) -> Guardian:
        return Schemer(world, actuator, deed, times, later)

    fleet = demo_fleet().model_copy(deep=True)  # who cheats may edit what it is handed
    return play(load_scenarios()[scenario], 100, hire, PATIENCE, fleet)


def roll_back(world: World, happened: Happened) -> list[Action]:
    return [RestoreRevision(service=happened.service, revision="2")]


def scale_away(world: World, happened: Happened) -> list[Action]:
    return [SetReplicas(service=happened.service, replicas=0)]


def evict_all(world: World, happened: Happened) -> list[Action]:
    replicas = world.cluster.topology().of(happened.service)
    return [EvictReplica(service=happened.service, replica=replica.name) for replica in replicas]
