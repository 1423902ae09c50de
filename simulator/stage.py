"""The demo's stage: ticks a pretend fleet at the pace of a person's eyes, asks its questions, and says how it went."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import typer
from rich.console import Console

from agent.casebook import Case, Snapshot
from agent.report import verdict
from agent.view.plain import plain
from agent.view.screen import Screen, screen
from policies.decision import Approval
from tools.journal import Journal

_LINGER = timedelta(minutes=2)  # simulated, after the last case closed: the eye needs the picture of health
_HASTE = 10  # times faster while nothing happens
_PATIENCE = timedelta(hours=6)  # simulated, after which an open-ended demo ends whatever happened


class Play(Protocol):
    """What ``simulator.demo.Demo`` is."""

    @property
    def journal(self) -> Journal:
        """The journal of the fleet on show."""
        ...

    @property
    def pending_approvals(self) -> tuple[Approval, ...]:
        """Questions that wait for a person."""
        ...

    def tick(self) -> Snapshot:
        """Let one tick of simulated time pass."""
        ...

    def answer(self, id: str, yes: bool, by: str) -> None:  # noqa: A002 - the port's word
        """Answer a question."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """``speed`` is simulated seconds per second while a case is open, ten times that while none is, 0 as fast as it
    goes; ``length`` None is until healed.
    """

    speed: float
    length: timedelta | None
    headless: bool = False


class Onward(Console):
    """A console whose listener may leave (``| head``): the demo goes on unheard, in haste, for its journal's sake."""

    unheard = False

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        self.unheard = self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


Ask = Callable[[Case | None, Approval], bool]


def perform(play: Play, pace: Pace, keep: Journal | None = None, ask: Ask | None = None) -> Snapshot:
    """Run the demo to its end and return the last snapshot. ``keep`` receives a copy of every journal entry."""
    console = Onward()
    plain_lines = pace.headless or not console.is_terminal
    questions = ask or (None if plain_lines else _ask)
    copied = 0
    with screen(console, headless=plain_lines) as shown:
        first = seen = play.tick()
        quiet_since: datetime | None = None
        while True:
            copied = mirror(play.journal, keep, copied) if keep is not None else 0
            shown.show(seen)
            quiet_since = (quiet_since or seen.at) if _settled(seen) else None
            if _over(seen.at - first.at, pace.length, seen.at - quiet_since if quiet_since else None):
                return seen
            if questions and play.pending_approvals:
                _interview(play, seen, shown, questions)
            seen = _next(play, seen, 0.0 if console.unheard else pace.speed)


def _next(play: Play, seen: Snapshot, speed: float) -> Snapshot:
    """Tick, and take as long as the eye should have for it."""
    began = time.monotonic()
    after = play.tick()
    if speed > 0:
        time.sleep(max(0.0, wait(seen, after, speed) - (time.monotonic() - began)))
    return after


def wait(seen: Snapshot, after: Snapshot, speed: float) -> float:
    """Return the seconds that the time between two snapshots should take."""
    busy = any(case.is_open for case in after.cases)
    return (after.at - seen.at).total_seconds() / (speed if busy else speed * _HASTE)


def _settled(seen: Snapshot) -> bool:
    return bool(seen.cases) and not any(case.is_open for case in seen.cases)


def _over(passed: timedelta, length: timedelta | None, quiet: timedelta | None) -> bool:
    if length is not None:
        return passed >= length
    return passed >= _PATIENCE or (quiet is not None and quiet >= _LINGER)


def mirror(source: Journal, target: Journal, after: int) -> int:
    """Copy the entries that came after a place; returns the new place."""
    for entry in source.entries(after=after):
        target.append(entry.subject, entry.kind, entry.body, entry.at)
        after = entry.seq
    return after


def _interview(play: Play, seen: Snapshot, shown: Screen, ask: Ask) -> None:
    """Put every open question to the person at the keyboard; simulated time stands still meanwhile."""
    cases = {case.approval.id: case for case in seen.cases if case.approval is not None}
    with shown.aside():
        for question in play.pending_approvals:
            play.answer(question.id, ask(cases.get(question.id), question), "you")


def _ask(case: Case | None, question: Approval) -> bool:
    what = f" {plain(case.plan.playbook, 60)} on {plain(case.incident.service, 63)}" if case and case.plan else ""
    return typer.confirm(f"Approve{what} ({plain(question.id, 60)})?")


def closing(seen: Snapshot) -> tuple[str, bool]:
    """Return the last words of a demo, and whether it went well."""
    cases = sorted(seen.cases, key=lambda case: case.incident.at)
    if not cases:
        return "No incident: a healthy fleet stays silent.", all(row.state != "bad" for row in seen.services)
    lines = [verdict(case) for case in cases]
    lines.append(f"The whole story:  prunella explain {plain(cases[-1].incident.id, 40)}")
    return "\n".join(lines), all(case.phase in ("recovered", "closed") for case in cases)
