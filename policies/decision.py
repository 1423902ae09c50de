"""What a rule may see, what a judge says, and what a person answers."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from config.frozen import Frozen


class Situation(Frozen):
    """The facts that a rule may see. Whole numbers: the rule language has no fractions."""

    incident: str
    at: datetime
    environment: Literal["production", "staging"]
    tier: Literal["gold", "silver", "bronze"]
    severity: Literal["low", "medium", "high", "critical"]
    confidence_percent: int = Field(ge=0, le=100)
    data_fresh: bool  # the readings that the plan rests on are present and recent
    storm: bool  # many services at once, or the observers themselves are blind
    frozen: bool  # a freeze window is open
    freeze: str = Field(default="", description="which window that is, for people; no rule sees it")
    paused: bool  # somebody switched Prunella off for this service or fleet
    pause: str = Field(default="", description="whose pause holds, and until when, for people; no rule sees it")
    opted_out: bool
    other_owner: bool  # another controller owns what the plan would write
    attempts: int = Field(ge=0, description="earlier runs in this incident, and of the last day against the same fault")
    service_actions_last_hour: int = Field(ge=0)
    fleet_actions_last_hour: int = Field(ge=0)
    blast_percent: int = Field(ge=0, le=100, description="share of the service's ready replicas that a step takes away")
    gold_blast_percent: int = Field(
        default=0, ge=0, le=100, description="the same of the worst touched service that is gold, patient or neighbour"
    )
    floor_margin: int = Field(description="ready replicas after the worst step, less the service's floor")
    load_percent: int = Field(ge=0, description="load of what remains after the worst step, per cent of its capacity")
    capacity_proven: bool = Field(
        default=False, description="what remains is shown to hold every objective, or nothing is taken away"
    )
    capacity: str = Field(default="", description="the arithmetic of that, for people; no rule sees it")
    budget_burn_percent: int = Field(
        default=0, ge=0, description="pace at which the service spends its error budget lately; 100: exactly on budget"
    )
    budget_cost_percent: int = Field(
        default=0, ge=0, description="of a day's error budget, that the plan is forecast to spend beyond the incident"
    )
    budget_left_percent: int = Field(
        default=100, ge=0, le=100, description="of that budget, that are left before; 100 where nothing is spent"
    )
    budget_cost: str = Field(default="", description="the arithmetic of both, for people; no rule sees it")
    features_compared: bool = Field(
        default=True,
        description="what would be learnt is served as it is computed anew, or did not move, or nothing is trained",
    )
    money_per_hour: float = Field(description="extra cost; negative when it saves")
    reversible: bool


class Verdict(StrEnum):
    """What the judge says."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Reason(Frozen):
    """One named reason with its arithmetic, e.g. ``load 64 % <= 85 %``."""

    rule: str
    text: str


class Decision(Frozen):
    """Allow, Ask or Deny; every reason named. Bound to the plan's hash."""

    plan_digest: str
    policy_digest: str
    incident: str
    at: datetime
    verdict: Verdict
    reasons: tuple[Reason, ...] = Field(min_length=1)


class Rung(Frozen):
    """One rung of the ladder of people: who is asked until when, before the next one is."""

    role: str
    until: datetime


class Approval(Frozen):
    """A question to people, and their answer. Bound to the plan, the rules and the age of what was seen."""

    id: str
    incident: str
    plan_digest: str
    asked_at: datetime
    expires_at: datetime
    state: Literal["pending", "approved", "rejected", "expired", "modified"]
    by: str = ""
    answered_at: datetime | None = None
    note: str = ""
    policy_digest: str = ""
    evidence_at: datetime | None = None  # when the facts were read that the decision rests on
    quorum: int = Field(default=1, ge=1, description="so many different people must say yes")
    votes: tuple[str, ...] = ()  # who said yes so far
    ladder: tuple[Rung, ...] = ()  # empty: anybody may answer
    rung: int = Field(default=0, ge=0, description="how far up the ladder it has come")
    changes: dict[str, str] = Field(default_factory=dict, description="what is wanted instead: step.field -> value")


DEFAULT_APPROVAL_LIFE = timedelta(minutes=30)
EVIDENCE_LIFE = timedelta(hours=1)  # what was seen longer ago entitles nobody to begin
