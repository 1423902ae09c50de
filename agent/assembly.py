"""Puts every part in its place over any set of ports: the live adapters, or a pretend world's.

Effects go through one door: ``Gate(DryRun?(hands))``, handed to the executor, which journals around it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from agent.controller import Controller
from agent.desk import Desk, Remembering
from agent.detect import Watch
from agent.filling import Filling
from agent.guards import checker, still_needed
from agent.inspector import Inspector
from agent.lookout import Lookout
from agent.makeshift import Makeshift
from agent.moving import dead
from agent.observe import Senses
from agent.recheck import capacity_check
from agent.routine import Routine
from agent.rulebook import read_rulebook
from agent.situate import ready_now
from agent.standing import Ladder
from config.eyes import EyesSettings
from config.fleet import Cadence, Fleet
from config.foresight import ForesightSettings
from config.freeze import Freeze
from config.settings import LEASE, BreakerSettings, LadderSettings, Settings
from playbooks.allowance import Limits
from playbooks.executor import Executor
from playbooks.faults import shipped_faults
from playbooks.library import shipped
from playbooks.plan import Playbook
from policies.authority import Authority
from policies.budget import Budget
from policies.caps import Caps
from policies.controls import latches
from policies.decision import DEFAULT_APPROVAL_LIFE
from policies.floor import floor_check
from policies.gate import DryRun, Gate
from policies.judge import Rules
from policies.storm import storm_check
from policies.windows import freeze_check
from tools.clock import Clock
from tools.journal import Journal
from tools.lease import TargetLeases
from tools.ports import Actuator, Memory, Reasoner
from tools.template_reasoner import TemplateReasoner

os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

Autonomy = Literal["watch", "ask", "act"]
ON_ROWS = {"better_as_shown", "converted_exactly", "answers_as_before"}  # guards that hand rows to versions


@dataclass(frozen=True, slots=True)
class Terms:
    """What a configuration says about the parts; the defaults are those of drills and the demo."""

    environment: str = "simulated"
    rules: Path | None = None  # a folder; None: those that ship
    caps: Caps = field(default_factory=Caps)
    freezes: tuple[Freeze, ...] = ()
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    lease: timedelta = LEASE
    ladder: LadderSettings = field(default_factory=LadderSettings)
    approval_life: timedelta = DEFAULT_APPROVAL_LIFE
    quorum: int = 1
    asked: tuple[tuple[str, timedelta], ...] = ()
    cadence: Cadence = field(default_factory=Cadence)
    eyes: EyesSettings = field(default_factory=EyesSettings)
    foresight: ForesightSettings = field(default_factory=ForesightSettings)


def terms_of(settings: Settings) -> Terms:
    """Return the terms of a configuration."""
    policy, approvals = settings.policy, settings.approvals
    return Terms(
        environment=settings.environment,
        rules=policy.rules,
        caps=Caps(**policy.caps.model_dump(exclude_none=True)),
        freezes=policy.freezes,
        breaker=policy.breaker,
        lease=settings.lease,
        ladder=settings.ladder,
        approval_life=approvals.life,
        quorum=approvals.quorum,
        asked=tuple((rung.role, rung.wait) for rung in approvals.ladder),
        cadence=settings.cadence,
        eyes=settings.eyes,
        foresight=settings.foresight,
    )


def assemble(  # noqa: PLR0913 - the composition root takes every part once
    senses: Senses,
    actuator: Actuator,
    journal: Journal,
    fleet: Fleet,
    clock: Clock,
    *,
    autonomy: Autonomy = "act",
    settings: Settings | None = None,
    reasoner: Reasoner | None = None,
    checkpointer: object = None,
    owner: str = "",
    brake: Callable[[], str] = lambda: "",
    memory: Memory | None = None,
    leases: TargetLeases | None = None,
    rules: Rules | None = None,
    foresight: ForesightSettings | None = None,
    inspector: Inspector | None = None,
) -> Controller:
    """Return a controller over any set of ports; drills and the demo hand in a pretend world's."""
    from langgraph.checkpoint.memory import InMemorySaver

    terms = terms_of(settings) if settings else Terms()
    terms = replace(terms, foresight=foresight) if foresight else terms
    desk = Desk(
        senses=senses,
        fleet=fleet,
        clock=clock,
        journal=journal,
        authority=Authority(),
        rules=rules or read_rulebook(terms.rules).rules,
        caps=terms.caps,
        playbooks=playable(actuator.verbs, answers_rows=senses.registry.answers_rows),
        faults=shipped_faults(),
        reasoner=reasoner or TemplateReasoner(),
        autonomy=autonomy,
        ladder=Ladder(journal, terms.ladder, autonomy),
        approval_life=terms.approval_life,
        quorum=terms.quorum,
        asked=terms.asked,
        freezes=terms.freezes,
        brake=brake,
        inspector=inspector,
    )
    desk.executor = _executor(desk, actuator, terms, owner, leases)
    saver = checkpointer if checkpointer is not None else InMemorySaver()
    lookout = Lookout(Watch(fleet, terms.cadence, terms.eyes), journal, memory, terms.eyes.save_every)
    found = Controller(desk, lookout, terms.cadence, saver, terms.environment)  # type: ignore[arg-type]
    found.courses = tuple(_courses(desk, terms))
    return found


def _courses(desk: Desk, terms: Terms) -> Iterator[Routine | Filling | Makeshift]:
    """Yield what is done beside incidents: what eases one first, then replicas, since people wait for those."""
    if any(service.model for service in desk.fleet.services) and any(book.eases for book in desk.playbooks):
        yield Makeshift(desk)
    if terms.foresight.scale:
        yield Routine(desk, terms.foresight)
    if terms.foresight.fill:
        yield Filling(desk, terms.foresight, terms.breaker.ceiling(desk.fleet.size))


def playable(verbs: frozenset[str], *, answers_rows: bool) -> tuple[Playbook, ...]:
    """Return the shipped playbooks all of whose steps there are hands for, and whose guards can be answered.

    ``answers_rows``: whether the registry says what versions make of rows that are handed in.
    """
    found = (book for book in shipped() if {step.action["verb"] for step in book.steps} <= verbs)
    return tuple(book for book in found if answers_rows or not _guards(book) & ON_ROWS)


def _guards(book: Playbook) -> set[str]:
    return {guard.kind for step in book.steps for guard in step.guards}


def _executor(desk: Desk, actuator: Actuator, terms: Terms, owner: str, leases: TargetLeases | None) -> Executor:
    """Return who carries plans out, through the one door; its hands do nothing where she only watches."""
    hands = Remembering(_gate(desk, actuator, terms), desk.authority)
    budget = Budget(terms.caps, terms.breaker, desk.fleet.size, desk.fleet.beside)
    limits = Limits(budget, desk.brake, terms.lease, leases)
    return Executor(hands, desk.journal, desk.clock, checker(desk.look), owner or f"prunella-{os.getpid()}", limits)


def _gate(desk: Desk, actuator: Actuator, terms: Terms) -> Gate:
    """Return the door: what is granted, and nothing else, and only while every check lets it through."""
    clock, journal, fleet = desk.clock, desk.journal, desk.fleet
    quick = (freeze_check(terms.freezes, clock), storm_check(journal, clock, fleet.size))
    slow = (
        still_needed(lambda: desk.scene),
        floor_check(fleet, ready_now(desk.senses.cluster), dead()),
        capacity_check(lambda: desk.scene),
        latches(journal, clock),
    )
    inner = DryRun(actuator, clock) if desk.autonomy == "watch" else actuator
    return Gate(inner, desk.authority, clock, terms.caps, quick, slow, desk.brake)
