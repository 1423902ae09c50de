"""What a run does next: a pure function of the plan, what happened so far, and the time."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.frozen import Frozen
from playbooks.plan import Guard, Plan, Step
from playbooks.run import PENDING, EndState, Leg, RunState


class GuardVerdict(Frozen):
    """What a guard says now, with its arithmetic; inconclusive means ask again until the deadline.

    ``sure``: it holds by a test with a stated error, and there is nothing to wait for.
    """

    verdict: Literal["holds", "broken", "inconclusive"]
    text: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """Do a step for the first time."""

    index: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask what became of an operation, before anything else is done about it."""

    operation: str
    index: int
    undo: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing before ``until``."""

    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the guards of a step."""

    guards: tuple[Guard, ...]
    index: int


@dataclass(frozen=True, slots=True)
class Glance:
    """Ask the guards of a step that still holds: whether all are sure already. ``since``: it was done."""

    index: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """The run has failed: from here on it goes backwards."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo a step that was done."""

    index: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Every step is done and its guards hold."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It is over: nothing is left to do, or nothing that may be done without a person."""

    reason: str
    state: EndState


Move = Begin | Probe | Hold | Check | Glance | Turn | Undo | Finished | Failed


def operation_id(plan: Plan, step: str, *, undo: bool = False) -> str:
    """Return the id of an operation: the same after every crash and for every retry of this attempt."""
    text = json.dumps([plan.id, step, plan.attempt, "undo" if undo else "do"])
    return "op-" + hashlib.sha256(text.encode()).hexdigest()[:20]


def next_move(plan: Plan, run: RunState, now: datetime) -> Move:
    """Return the next move of a run that was planned."""
    if run.end is not None:
        return Finished() if run.end == "done" else Failed(run.reason, run.end)
    if run.stuck:
        return Failed(run.stuck, "escalated")
    if run.failed_at is not None:
        return _back(plan, run, run.failed_at, now)
    move = _forward(plan, run, now)
    if not isinstance(move, Finished | Turn) and run.planned_at is not None and now > run.planned_at + plan.bounds.time:
        return Turn(f"not finished within {plan.bounds.time}")
    return move


def _forward(plan: Plan, run: RunState, now: datetime) -> Move:
    for index, step in enumerate(plan.steps):
        leg = run.steps.get(step.id)
        if leg is None:
            return Begin(index)
        if leg.state in ("failed", "unknown"):  # nothing goes on from what nobody knows
            return Turn(f"step {step.id} failed: {leg.detail}")
        if leg.state in PENDING:
            return _pending(leg, index, now)
        judged = run.guards.get(step.id)
        passed = judged is not None and judged.verdict == "holds"
        if now < leg.at + step.hold and not (passed and step.least is not None):
            return _holding(step, index, leg.at, now)
        if step.guards and not passed:
            return Check(step.guards, index)
    return Finished()


def _holding(step: Step, index: int, since: datetime, now: datetime) -> Move:
    """Return the wait after a step; from its least on, a look at whether it must be waited for at all."""
    until = since + step.hold
    if step.least is None or not step.guards:
        return Hold(until, f"after step {step.id}")
    first = since + step.least
    return Glance(index, since, until) if now >= first else Hold(min(first, until), f"after step {step.id}")


def _back(plan: Plan, run: RunState, since: datetime, now: datetime) -> Move:
    for index in range(len(plan.steps) - 1, -1, -1):
        move = _undoing(plan, run, index, now)
        if move is None:
            continue
        if now > since + plan.bounds.time:
            return Failed(f"{run.why}; could not be undone within {plan.bounds.time}", "escalated")
        return move
    return Failed(run.why, "undone" if run.undone else "failed")


def _undoing(plan: Plan, run: RunState, index: int, now: datetime) -> Move | None:
    """Return what undoing one step still asks for; None when it is as it should be."""
    step = plan.steps[index].id
    leg, undo = run.steps.get(step), run.undone.get(step)
    if leg is not None and leg.state in PENDING:
        return _pending(leg, index, now)
    if leg is None or leg.state != "done" or leg.inverse is None or plan.undo == "none":
        return None
    if undo is None:
        return Undo(index)
    return _pending(undo, index, now, undo=True) if undo.state in PENDING else None


def _pending(leg: Leg, index: int, now: datetime, *, undo: bool = False) -> Move:
    if leg.retry_at is not None and now < leg.retry_at:
        return Hold(leg.retry_at, leg.detail)
    return Probe(leg.operation, index, undo)
