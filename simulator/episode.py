"""One episode: a world with a guardian, tick by tick, until it is over; then the same world without, for comparison."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from math import inf
from pathlib import Path

import numpy as np

from config.fleet import Fleet
from config.foresight import ForesightSettings
from config.load import ConfigError, load_fleet, load_reasoner
from playbooks.library import shipped
from simulator.baselines import DoNothing, Guardian, Remedy, SimpleRule
from simulator.crew import Crew, Shown
from simulator.ending import Ending
from simulator.handed import handed
from simulator.record import FLOWS, Effect, Record, Track
from simulator.world.script import ONCE, Scenario
from simulator.world.store import Floats
from simulator.world.world import START, World
from tools.action import Action, Operation, Preimage, Receipt, SetSchedulable
from tools.catalogue import SIGNALS
from tools.ports import Actuator

TICK = 30.0  # simulated seconds
MODEL = "model_loop"
NO_MODEL = f"{MODEL} needs a language model: set PRUNELLA_REASONER__URL and PRUNELLA_REASONER__MODEL"

Hire = Callable[[World, Actuator], Guardian]


@cache
def demo_fleet() -> Fleet:
    """Return the fleet that drills and the demo guard."""
    return load_fleet(Path(__file__).parents[1] / "config" / "demo.yaml")


class Doorkeeper:
    """The Actuator port of a world; notes every effect that was new, and what could be read when it happened."""

    def __init__(self, world: World) -> None:
        self._actuator, self._metrics, self._clock, self._fleet = (
            world.actuator,
            world.metrics,
            world.clock,
            world.fleet,
        )
        self._done = world.ledger.actions  # nothing else of the ledger: it knows the truth, and this is handed out
        self.effects: list[Effect] = []

    @property
    def verbs(self) -> frozenset[str]:
        """The world's."""
        return self._actuator.verbs

    def preimage(self, action: Action) -> Preimage:
        """Ask the world."""
        return self._actuator.preimage(action)

    def rehearse(self, action: Action) -> str:
        """Ask the world."""
        return self._actuator.rehearse(action)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Pass through."""
        return self._actuator.fence(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Ask the world."""
        return self._actuator.lookup(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Let the world do it, and note it if it was done now."""
        before = len(self._done)
        vain = self._actuator.preimage(action).inverse in (action, None)
        receipt = self._actuator.apply(action, operation)
        if len(self._done) > before:
            service = "" if isinstance(action, SetSchedulable) else action.service
            at = self._clock.now()
            blind = bool(service) and self._blind(service)
            self.effects.append(Effect(at, operation.incident, operation.id, action, service, blind, vain))
        return receipt

    def _blind(self, service: str) -> bool:
        wanted = {objective.signal for objective in self._fleet.service(service).objectives}
        frame = self._metrics.read(SIGNALS, self._clock.now())
        read = [v for k, v in zip(frame.keys, frame.values, strict=True) if k.signal in wanted and service in k.entity]
        return not np.isfinite(read).any()


@dataclass
class _Tracked:
    """A world, and what its ledger does not keep of every tick: ready replicas; where something is wrong, its flows."""

    world: World
    ill: bool
    rows: list[list[int]] = field(default_factory=list)
    flows: list[list[Floats]] = field(default_factory=list)

    def advance(self) -> None:
        """Let a tick pass."""
        self.world.advance(TICK)
        found = self.world.ready()
        self.rows.append([found.get(name, -1) for name in self.world.ledger.services])
        if self.ill:  # weeks of quiet have nothing to draw
            self.flows.append([getattr(self.world.ledger, name).copy() for name in FLOWS])

    def track(self, ticks: int) -> Track:
        """Return the truth of the first so many ticks."""
        ledger = self.world.ledger
        held = np.stack([ledger.held(name)[:ticks] for name in ledger.services], axis=1)
        within = np.stack([ledger.within(name)[:ticks] for name in ledger.services], axis=1)
        flow = np.array(self.flows[:ticks]).reshape(-1, len(FLOWS), len(ledger.services))
        ready = np.array(self.rows[:ticks], dtype=np.int64)
        return Track(ledger.times[:ticks].copy(), held, within, ready, flow, ledger.restored[:ticks].copy())


class Alone:
    """The world of a scenario and a seed with nobody in it, made when first asked for and never lived twice."""

    def __init__(self, scenario: Scenario, seed: int, fleet: Fleet | None = None) -> None:
        self._scenario, self._seed, self._fleet = scenario, seed, fleet or demo_fleet()
        self._tracked: _Tracked | None = None

    def begun(self) -> _Tracked:
        """Return it before its first tick, for whoever does nothing in it. ``ValueError``: it is past that."""
        if self._tracked is not None:
            raise ValueError("this world is under way")
        self._tracked = self._made()
        return self._tracked

    def track(self, ticks: int) -> Track:
        """Return what happens in its first so many ticks."""
        self._tracked = self._tracked or self._made()
        while len(self._tracked.rows) < ticks:
            self._tracked.advance()
        return self._tracked.track(ticks)

    def _made(self) -> _Tracked:
        return _tracked(self._fleet, self._scenario, self._seed)


def prunella(world: World, actuator: Actuator, foresight: ForesightSettings | None = None) -> Crew:
    """Hire the production controller, through the world's ports, with the troubles that are its own."""
    from agent.assembly import assemble

    given = handed(world, actuator)

    def hire(name: str) -> Shown:
        return assemble(
            given.senses,
            given.hands,
            given.journal,
            world.fleet,
            given.senses.clock,
            autonomy="act",
            reasoner=given.reasoner,
            owner=f"prunella-{name}",
            foresight=foresight,
        )

    return Crew(given.kept, hire, world.clock, world.troubled)


def nobody(world: World, actuator: Actuator) -> Guardian:  # noqa: ARG001 - it needs neither
    """Hire nobody."""
    return DoNothing()


# replicas follow the hours, and batch work fills what is left
foreseeing: Hire = partial(prunella, foresight=ForesightSettings(scale=True, fill=True))


def model_loop(world: World, actuator: Actuator) -> Guardian:
    """Hire a language model with tools, the one that the environment names; ``ConfigError`` where it names none."""
    from simulator.model_loop import ModelLoop
    from tools.live.openai import OpenAITalk

    settings = load_reasoner()
    if settings is None:
        raise ConfigError((NO_MODEL,))
    return ModelLoop(world, actuator, OpenAITalk(settings))


GUARDIANS: dict[str, Hire] = {
    "prunella": prunella,
    "do_nothing": nobody,
    "restart_first": lambda world, actuator: SimpleRule(world, actuator, Remedy.RESTART),
    "undo_last_release": lambda world, actuator: SimpleRule(world, actuator, Remedy.UNDO),
    "runbook_by_alert": lambda world, actuator: SimpleRule(world, actuator, Remedy.RUNBOOK),
    MODEL: model_loop,
}


def play(
    scenario: Scenario,
    seed: int,
    hire: Hire,
    length: timedelta | None = None,
    fleet: Fleet | None = None,
    alone: Alone | None = None,
) -> Record:
    """Play an episode to its end: healed for good, out of patience, or, where nothing is wrong, after ``length``.

    ``alone`` is the same world without a guardian; several episodes may share it, doing nothing first.
    """
    alone = alone or Alone(scenario, seed, fleet)
    tracked = alone.begun() if hire is nobody else _tracked(fleet or demo_fleet(), scenario, seed)
    acting, door = tracked.world, Doorkeeper(tracked.world)
    guardian = hire(acting, door)
    ending = Ending(acting, scenario, guardian, length)
    while not ending.reached():
        tracked.advance()
        guardian.tick()
    happened = acting.ledger.happened
    if happened is None:
        raise ValueError(f"{scenario.id} did not begin")
    return Record(
        scenario=scenario.id,
        layer=scenario.layer,
        seed=seed,
        fleet=acting.body.fleet,  # whom people ask: of these are the columns of the tracks
        happened=happened,
        acting=tracked.track(len(tracked.rows)),
        # A guardian without effects leaves a world as it is, or has got at it by a way that is none: see for yourself.
        idle=(alone if door.effects or tracked.ill else tracked).track(len(tracked.rows)),
        effects=tuple(door.effects),
        entries=guardian.journal.entries(),
        totals=_totals(acting, int(getattr(guardian, "tokens", 0))),
        sick_nodes=_sick_nodes(scenario),
    )


def _tracked(fleet: Fleet, scenario: Scenario, seed: int) -> _Tracked:
    world = World(fleet, seed=seed, start=START + timedelta(days=scenario.start_days), scenario=scenario)
    return _Tracked(world, ill=bool(scenario.truth.fault))


def _totals(world: World, tokens: int) -> dict[str, float]:
    ledger = world.ledger
    return {
        "requests": round(float(ledger.requests.sum())),
        "good_requests": round(float(ledger.good_requests.sum())),
        "money": round(float(ledger.money.sum()), 2),
        "tokens": tokens,  # spent on language models by the guardian; Prunella is drilled without any
    }


def _sick_nodes(scenario: Scenario) -> float:
    """Return how many nodes a machine may cordon: one for each trouble, where a remedy of the truth cordons any."""
    truth = scenario.truth
    if not {*truth.acceptable_playbooks, *truth.easing_playbooks} & _cordoning():
        return 0
    own = [mutation for mutation in scenario.mutations if not mutation.also]
    return inf if any(m.every and m.what in ONCE for m in own) else len(own)  # a repetition takes fresh ones for ever


@cache
def _cordoning() -> frozenset[str]:
    """Return the playbooks that cordon a node."""
    return frozenset(
        book.id for book in shipped() if any(step.action["verb"] == "set_schedulable" for step in book.steps)
    )
