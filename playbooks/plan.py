"""Playbooks as data, and plans: one playbook bound to frozen targets."""

import hashlib
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from config.frozen import Frozen
from tools.action import Action

PlaybookClass = Literal["rollback", "scale", "retrain", "failover"]


class Guard(Frozen):
    """A reading that must hold before a plan goes on to the next step, and after the last one.

    ``objectives``: every objective of the service holds. ``not_worse``: the bad signals are not worse than when the
    plan was made. ``better_model``: offline, version ``args.version`` is better than ``args.than``, on rows since
    ``args.after`` or, without it, since what a training of the plan saw.
    ``live_split``: the rows answered by ``args.version`` are not worse than those of ``args.than``; with ``args.share``
    and ``args.next``, per cent of traffic now and at the next step, it may be sure before the hold is over.
    ``better_as_shown``: offline, on rows until ``args.until`` that are spoiled as those of now are
    (``args.spoiled``), version ``args.version`` is surely and by far more often right than ``args.than``.
    ``converted_exactly``: offline, on the rows that ``args.than`` was accepted on, spoiled likewise, ``args.version``
    answers as that did on them as they were. ``answers_as_before``: live, its answers are spread as those of
    ``args.than`` were from ``args.start`` to ``args.end``.
    """

    kind: Literal[
        "objectives",
        "not_worse",
        "better_model",
        "live_split",
        "better_as_shown",
        "converted_exactly",
        "answers_as_before",
    ]
    args: dict[str, str] = Field(default_factory=dict)


class Bounds(Frozen):
    """What a run may touch and spend."""

    targets: int = Field(default=1, ge=1, description="distinct services or nodes")
    steps: int = Field(ge=1)
    time: timedelta
    money: float = Field(default=0.0, ge=0, description="extra money per hour that the plan may cause")


class Verification(Frozen):
    """How recovery is proven."""

    hold: timedelta = Field(description="every objective holds for so long without a break")
    deadline: timedelta = Field(description="after the last step; then it has not recovered")
    guards: tuple[Guard, ...] = (Guard(kind="objectives"),)


class StepTemplate(Frozen):
    """A step as a playbook file says it: values such as ``$service`` are bound by the planner.

    ``each`` repeats the step for every value of a list binding, e.g. ``each: replicas`` binds ``$each``.
    """

    id: str
    action: dict[str, Any]
    each: str = ""
    hold: timedelta = timedelta(0)
    least: timedelta | None = Field(default=None, description="of the hold, where every guard is sure; None: all of it")
    guards: tuple[Guard, ...] = ()


class Playbook(Frozen):
    """A bounded remedy, loaded from one YAML file of the library."""

    id: str
    class_: PlaybookClass = Field(alias="class")
    about: str
    cures: tuple[str, ...] = Field(default=(), description="fault ids (playbooks/faults.yaml)")
    eases: tuple[str, ...] = Field(
        default=(), description="fault ids that are a person's: what users feel is softened until that person is done"
    )
    requires: tuple[str, ...] = Field(min_length=1, description="bindings without which it does not apply")
    preconditions: tuple[str, ...] = Field(default=(), description="named facts that the planner must find true")
    bounds: Bounds
    steps: tuple[StepTemplate, ...] = Field(min_length=1)
    verification: Verification
    undo: Literal["inverse", "none"] = "inverse"
    escalation: tuple[str, ...] = Field(min_length=1, description="rungs; the last is a person")


class Step(Frozen):
    """One action in a plan."""

    id: str
    action: Action
    hold: timedelta = timedelta(0)
    least: timedelta | None = None  # of the hold, where every guard is sure before it is over
    guards: tuple[Guard, ...] = ()


class Plan(Frozen):
    """One playbook bound to frozen targets."""

    id: str
    incident: str
    at: datetime
    playbook: str
    class_: PlaybookClass
    service: str  # the patient
    fault: str
    steps: tuple[Step, ...] = Field(min_length=1)
    bounds: Bounds
    verification: Verification
    undo: Literal["inverse", "none"] = "inverse"
    predicted: str  # the effect that is expected, in words and numbers
    attempt: int = Field(default=1, ge=1)

    def digest(self) -> str:
        """Return the plan's hash: an approval is bound to it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class StepRecord(Frozen):
    """What happened to one step so far: a fold over its journal entries."""

    step: str
    operation: str
    state: Literal["intended", "running", "done", "failed", "undone"]
    at: datetime
    detail: str = ""


class Execution(Frozen):
    """Intents and receipts of a plan; where it stopped and why."""

    plan: str
    incident: str
    at: datetime
    state: Literal["running", "holding", "done", "failed", "undone", "escalated"]
    steps: tuple[StepRecord, ...] = ()
    resume_at: datetime | None = None
    reason: str = ""
    barred: bool = False  # it ended at a refused first look: nothing was done, and it says nothing of the playbook
    held: bool = False  # broken off by what passes by itself: it was not carried out, and says nothing of the playbook
