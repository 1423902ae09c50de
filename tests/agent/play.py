"""A pretend fleet in which something goes wrong at a known moment, and controllers that come and go."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
from langgraph.checkpoint.memory import InMemorySaver

from agent.assembly import Autonomy, assemble
from agent.casebook import Case, read_cases
from agent.controller import Controller
from agent.observe import Senses
from config.settings import Settings
from policies.approvals import KIND, pending
from policies.decision import Approval
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.world.world import World
from tools.errors import Absent, ToolError
from tools.journal import Entry, Journal, Unless
from tools.memory_journal import MemoryJournal
from tools.signal import Frame, SignalSpec

ONSET = 1800.0
TICK = 30.0


class Metrics:
    """The world's metrics, until they are partial, empty, unknown or gone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.state: Literal["whole", "partial", "halved", "empty", "unknown", "gone"] = "whole"

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        frame = self._world.metrics.read(specs, at)
        match self.state:
            case "whole":
                return frame
            case "partial":
                return Frame(frame.at, frame.keys, frame.values, ("one of two shards did not answer",))
            case "halved":  # the second choice of every service is not there
                lost = [key.entity in ("vendor/translate/borealis", "vendor/moderate/cirrus") for key in frame.keys]
                values = np.where(lost, np.nan, frame.values)
                return Frame(frame.at, frame.keys, values, ("one of two shards did not answer",))
            case "empty":
                return Frame(frame.at, (), np.empty(0))
            case "unknown":
                return Frame(frame.at, frame.keys, np.full(len(frame.keys), np.nan))
            case "gone":
                raise Absent("no metrics here")

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        if self.state == "gone":
            raise Absent("no metrics here")
        return self._world.metrics.history(spec, start, end, step)


class Play:
    """A world, a journal, and controllers that come and go."""

    def __init__(
        self, scenario: str, journal: Journal | None = None, saver: object = None, *, every: float | None = None
    ) -> None:
        script = load_scenarios()[scenario]
        if every is not None:  # what goes wrong goes wrong again
            again = tuple(mutation.model_copy(update={"every": every}) for mutation in script.mutations)
            script = script.model_copy(update={"mutations": again})
        if script.truth.fault:
            script = script.model_copy(update={"onset": (ONSET, ONSET)})
        self.world = World(demo_fleet(), seed=1, scenario=script)
        self.began = self.world.clock.now()
        self.metrics = Metrics(self.world)
        self.journal, self.saver = journal or MemoryJournal(), saver or InMemorySaver()
        self.autonomy: Autonomy = "act"
        self.settings: Settings | None = None
        self.actuator: Any = self.world.actuator
        self.controller: Controller | None = None

    def hire(self) -> Controller:
        """Start a new process: nothing is shared but the journal, the checkpoints and the world."""
        w = self.world
        senses = Senses(self.metrics, w.cluster, w.registry, w.log, w.serving, w.clock)
        self.controller = assemble(
            senses,
            self.actuator,
            self.journal,
            w.fleet,
            w.clock,
            autonomy=self.autonomy,
            checkpointer=self.saver,
            settings=self.settings,
        )
        return self.controller

    def tick(self) -> None:
        self.world.advance(TICK)
        (self.controller or self.hire()).tick()

    def ticks(self, count: int) -> "Play":
        for _ in range(count):
            self.tick()
        return self

    def until(self, done: "Callable[[Play], bool]", ticks: int = 400) -> "Play":
        for _ in range(ticks):
            if done(self):
                return self
            self.tick()
        raise AssertionError(f"never came: {[(case.phase, case.timeline[-1].text) for case in self.cases]}")

    @property
    def cases(self) -> tuple[Case, ...]:
        return read_cases(self.journal)

    @property
    def case(self) -> Case:
        (case,) = self.cases
        return case

    @property
    def questions(self) -> tuple[Approval, ...]:
        return pending(self.journal.entries(kinds=(KIND,)), self.world.clock.now())

    @property
    def deeds(self) -> int:
        return len(self.world.ledger.actions)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.journal.entries()]


def closed(play: Play) -> bool:
    return bool(play.cases) and not any(case.is_open for case in play.cases)


def asked(play: Play) -> bool:
    return bool(play.questions)


def planned(play: Play) -> bool:
    return bool(play.cases) and play.cases[0].plan is not None


class Crashing(MemoryJournal):
    """A journal whose writer dies right after an entry of some kinds became durable, once for each kind."""

    def __init__(self, *kinds: str) -> None:
        super().__init__()
        self.left, self.struck = list(kinds), list[str]()

    def append(self, subject: str, kind: str, body: Any, at: datetime) -> Entry:
        entry = super().append(subject, kind, body, at)
        self._strike(kind)
        return entry

    def append_if(self, subject: str, kind: str, body: Any, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        entry = super().append_if(subject, kind, body, at, unless)
        self._strike(kind)
        return entry

    def _strike(self, kind: str) -> None:
        if kind in self.left:
            self.left.remove(kind)
            self.struck.append(kind)
            raise KeyboardInterrupt


class Sick(MemoryJournal):
    """A journal that fails when it is asked for the entries of some subjects."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.subject, self.well = error, "", True

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        if not self.well and subject == self.subject and kinds == ("STEP_INTENT",):
            raise self.error
        return super().entries(subject, kinds, after)


__all__ = ["ONSET", "TICK", "Crashing", "Metrics", "Play", "Sick", "ToolError", "asked", "closed", "planned"]
