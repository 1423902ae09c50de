"""The state of a run: a fold over the journal entries of its plan, and nothing else.

Entries that a superseded executor wrote (an epoch below the highest lease seen before them) are passed over: what they
tell of the world is learnt again by asking the actuator.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from playbooks.plan import Execution, Plan, StepRecord
from tools.action import ACTION, Action
from tools.errors import Malformed
from tools.journal import Entry

LegState = Literal["intended", "running", "transient", "ambiguous", "done", "failed", "unknown"]
EndState = Literal["done", "failed", "undone", "escalated"]
PENDING: frozenset[LegState] = frozenset(("intended", "running", "transient", "ambiguous"))
SETTLING = timedelta(minutes=1)  # by then a call whose reply was lost has arrived, or never will
KINDS = (
    "RUN_PLANNED",
    "LEASE",
    "STEP_INTENT",
    "STEP_OUTCOME",
    "GUARD",
    "COMPENSATE_INTENT",
    "COMPENSATE_OUTCOME",
    "RUN_END",
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One operation of a run: a step, or the undoing of one."""

    operation: str
    state: LegState
    at: datetime
    intended_at: datetime
    before: Mapping[str, str]
    inverse: Action | None
    after: Mapping[str, str] | None = None  # what we left behind; None: not known
    tries: int = 0  # that failed and may be repeated
    retry_at: datetime | None = None
    detail: str = ""
    barred: bool = False  # the first look at its target was refused
    held: bool = False  # refused for the moment only


@dataclass(frozen=True, slots=True)
class Judged:
    """The last word of a step's guards."""

    verdict: Literal["holds", "broken", "inconclusive"]
    since: datetime  # of the first time in a row that they said so


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands."""

    plan: str
    seq: int = 0  # of the last entry seen
    planned: int = 0  # seq of RUN_PLANNED; 0: not yet
    planned_at: datetime | None = None
    digest: str = ""
    epoch: int = 0
    owner: str = ""
    leased_at: datetime | None = None  # since when its present holder holds it
    lease_until: datetime | None = None
    steps: Mapping[str, Leg] = field(default_factory=dict)
    undone: Mapping[str, Leg] = field(default_factory=dict)
    guards: Mapping[str, Judged] = field(default_factory=dict)
    failed_at: datetime | None = None  # since when the run goes backwards
    why: str = ""  # it goes backwards
    stuck: str = ""  # why only a person can go on
    end: EndState | None = None
    reason: str = ""


def fold(entries: Iterable[Entry], plan: str, start: RunState | None = None) -> RunState:
    """Fold entries into the state of the run of ``plan``, going on from ``start``; ``Malformed`` names a bad entry."""
    run = start or RunState(plan)
    for entry in entries:
        run = replace(_step(run, entry), seq=entry.seq)
    return run


def _step(run: RunState, entry: Entry) -> RunState:
    body = entry.body
    if entry.kind not in KINDS or body.get("plan") != run.plan or body.get("epoch", run.epoch) < run.epoch:
        return run
    try:
        return _changed(run, entry, body)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise Malformed(f"journal entry {entry.seq} ({entry.kind}) cannot be read: {error}") from error


def _changed(run: RunState, entry: Entry, body: Mapping[str, Any]) -> RunState:
    match entry.kind:
        case "RUN_PLANNED":
            return (
                replace(run, planned=entry.seq, planned_at=entry.at, digest=body["digest"]) if not run.planned else run
            )
        case "LEASE":
            until, kept = datetime.fromisoformat(body["until"]), body["epoch"] == run.epoch
            since = run.leased_at if kept else entry.at
            return replace(run, epoch=body["epoch"], owner=body["owner"], leased_at=since, lease_until=until)
        case "STEP_INTENT":
            return replace(run, steps={**run.steps, body["step"]: _intended(entry, run.steps.get(body["step"]))})
        case "STEP_OUTCOME":
            leg = _settled(entry, run.steps.get(body["step"]))
            return replace(run, steps={**run.steps, body["step"]: leg}, stuck=_stuck(run, leg, undo=False))
        case "COMPENSATE_INTENT":
            return replace(run, undone={**run.undone, body["step"]: _intended(entry, run.undone.get(body["step"]))})
        case "COMPENSATE_OUTCOME":
            leg = _settled(entry, run.undone.get(body["step"]))
            return replace(run, undone={**run.undone, body["step"]: leg}, stuck=_stuck(run, leg, undo=True))
        case "GUARD":
            return _judged(run, entry)
        case _:
            return replace(run, end=body["state"], reason=body["reason"])


def _intended(entry: Entry, earlier: Leg | None) -> Leg:
    body = entry.body
    inverse = ACTION.validate_python(body["inverse"]) if body["inverse"] else None
    tries = earlier.tries if earlier else 0
    return Leg(body["operation"], "intended", entry.at, entry.at, body["preimage"], inverse, tries=tries)


def _settled(entry: Entry, leg: Leg | None) -> Leg:
    body = entry.body
    known = leg or Leg(body["operation"], body["state"], entry.at, entry.at, {}, None)
    retry_at = body.get("retry_at")
    return replace(
        known,
        state=body["state"],
        at=entry.at,
        after=body.get("postimage"),
        tries=body.get("tries", known.tries),
        retry_at=datetime.fromisoformat(retry_at) if retry_at else None,
        detail=body.get("detail", ""),
        barred=body.get("barred", False),
        held=body.get("held", False),
    )


def _stuck(run: RunState, leg: Leg, *, undo: bool) -> str:
    """Return why only a person can go on: nobody knows what happened, or what was done cannot be undone."""
    told = leg.detail or f"nobody knows what became of {leg.operation}"
    return told if leg.state == "unknown" or (undo and leg.state == "failed") else run.stuck


def _judged(run: RunState, entry: Entry) -> RunState:
    """Return the run after a guard spoke. A broken one turns it round, even when it had ended well."""
    body = entry.body
    earlier = run.guards.get(body["step"])
    same = earlier is not None and earlier.verdict == body["verdict"]
    judged = earlier if same and earlier else Judged(body["verdict"], entry.at)
    run = replace(run, guards={**run.guards, body["step"]: judged})
    if body["verdict"] != "broken" or run.failed_at is not None:
        return run
    return replace(run, failed_at=entry.at, why=body["text"], end=None, reason="")


def unsettled_until(run: RunState, leg: Leg) -> datetime:
    """Return until when a call of an operation may still arrive, or a look at its target show the past.

    Counted from the last that is known of it, and from the taking over: an earlier holder may have acted until then.
    """
    return max(leg.at, run.leased_at or leg.at) + SETTLING


def execution(
    plan: Plan, run: RunState, at: datetime, resume_at: datetime | None = None, reason: str = ""
) -> Execution:
    """Return the run as the noun that others read."""
    return Execution(
        plan=plan.id,
        incident=plan.incident,
        at=at,
        state=run.end or "holding",
        steps=tuple(_record(run, step.id) for step in plan.steps if step.id in run.steps),
        resume_at=None if run.end else resume_at,
        reason=run.reason if run.end else reason,
        barred=run.end == "failed" and bool(run.steps) and all(leg.barred for leg in run.steps.values()),
        held=run.end in ("failed", "undone") and any(leg.held for leg in run.steps.values()),
    )


def _record(run: RunState, step: str) -> StepRecord:
    leg, undo = run.steps[step], run.undone.get(step)
    if undo is not None and undo.state == "done":
        return StepRecord(step=step, operation=leg.operation, state="undone", at=undo.at, detail=undo.detail)
    state: Literal["intended", "running", "done", "failed"]
    match leg.state:
        case "intended" | "transient" | "ambiguous":
            state = "intended"
        case "failed" | "unknown":
            state = "failed"
        case "running" | "done":
            state = leg.state
    return StepRecord(step=step, operation=leg.operation, state=state, at=leg.at, detail=leg.detail)
