"""The desk: what every agent of the graph works with. Holds no state of a case: that is the journal's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agent.brief import facts
from agent.case import Evidence, Outcome
from agent.casebook import Case, read_case
from agent.inspector import Inspector
from agent.observe import Scene, Senses
from agent.standing import Ladder
from config.fleet import Fleet
from config.freeze import Freeze
from config.settings import LadderSettings
from playbooks.executor import Executor
from playbooks.faults import FaultProfile
from playbooks.plan import Plan, Playbook
from policies.authority import Authority
from policies.caps import Caps
from policies.decision import DEFAULT_APPROVAL_LIFE
from policies.judge import Rules
from policies.ladder import Rung
from tools.action import ACTION, Action, Operation, Preimage, Receipt
from tools.clock import Clock
from tools.journal import Journal
from tools.ports import Actuator, Reasoner


@dataclass(slots=True)
class Desk:
    """Parts that the wiring put together, and the newest scene."""

    senses: Senses
    fleet: Fleet
    clock: Clock
    journal: Journal
    authority: Authority
    rules: Rules
    caps: Caps
    playbooks: tuple[Playbook, ...]
    faults: tuple[FaultProfile, ...]
    reasoner: Reasoner
    autonomy: Literal["watch", "ask", "act"] = "act"
    ladder: Ladder | None = None
    approval_life: timedelta = DEFAULT_APPROVAL_LIFE
    quorum: int = 1
    asked: tuple[tuple[str, timedelta], ...] = ()  # roles, one after the other, and how long each
    freezes: tuple[Freeze, ...] = ()
    brake: Callable[[], str] = lambda: ""  # why nothing at all may be changed
    inspector: Inspector | None = None  # None: no log is read beside the ticks
    open_cases: int = 0
    scene: Scene | None = None
    executor: Executor | None = None
    evidence: dict[str, dict[str, tuple[Evidence, ...]]] = field(default_factory=dict)

    def rung(self, plan: Plan, environment: str) -> tuple[Rung, str]:
        """Return what a plan's playbook may do here, and why it is less than the configuration allows."""
        ladder = self.ladder or Ladder(self.journal, LadderSettings(), self.autonomy)
        self.ladder = ladder
        found = ladder.of(plan.playbook, environment)
        why = found.story[-1] if found.story else found.why
        return found.rung, "" if found.rung == found.ceiling else why

    def look(self) -> Scene:
        """Return the newest scene."""
        if self.scene is None:
            raise RuntimeError("nothing was observed yet")
        return self.scene

    def case(self, incident: str) -> Case:
        """Rebuild a case from the journal."""
        found = read_case(self.journal, incident)
        if found is None:
            raise KeyError(incident)
        return found

    def write(self, incident: str, kind: str, body: Mapping[str, Any]) -> None:
        """Add an entry about a case."""
        self.journal.append(incident, kind, body, self.clock.now())

    def close(self, incident: str, outcome: Outcome) -> None:
        """Write an outcome down."""
        self.write(incident, "OUTCOME", outcome.model_dump(mode="json"))

    def tell(self, incident: str) -> None:
        """Write the summary for people."""
        self.write(incident, "SUMMARY", {"text": self.reasoner.summarise(facts(self.case(incident)))})

    def since(self, incident: str, kind: str) -> datetime | None:
        """Return when the last entry of a kind was written."""
        entries = self.journal.entries(subject=incident, kinds=(kind,))
        return entries[-1].at if entries else None


@dataclass(frozen=True, slots=True)
class Remembering:
    """An actuator (the gate) that tells the authority how each step of a granted plan is undone."""

    gate: Actuator
    authority: Authority

    @property
    def verbs(self) -> frozenset[str]:
        """The gate's."""
        return self.gate.verbs

    def preimage(self, action: Action) -> Preimage:
        """Read, and remember the inverse."""
        found = self.gate.preimage(action)
        for plan in self.authority.plans():
            if found.inverse is not None and any(step.action == action for step in plan.steps):
                self.authority.remember(plan, action, found.inverse)
        return found

    def rehearse(self, action: Action) -> str:
        """Pass through."""
        return self.gate.rehearse(action)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        """Pass through the gate."""
        return self.gate.apply(action, operation)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        """Pass through."""
        return self.gate.fence(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        """Pass through."""
        return self.gate.lookup(action, operation)


def recall(desk: Desk, plan: Plan) -> datetime | None:
    """Tell the authority, from the journal, how a plan taken up again is undone; returns its first effect's time."""
    began = None
    for entry in desk.journal.entries(subject=plan.incident, kinds=("STEP_INTENT", "STEP_OUTCOME")):
        if entry.body.get("plan") != plan.id:
            continue
        if entry.kind == "STEP_OUTCOME":
            began = began or (entry.at if entry.body.get("state") in ("done", "running") else None)
            continue
        inverse = entry.body.get("inverse")
        step = next((step for step in plan.steps if step.id == entry.body.get("step")), None)
        if inverse and step is not None:
            desk.authority.remember(plan, step.action, ACTION.validate_python(inverse))
    return began
