"""The nouns of a case: anomaly, incident, evidence, diagnosis, outcome."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from config.frozen import Frozen

Severity = Literal["low", "medium", "high", "critical"]
OFTEN = 3  # times within a day, from which on it is no chance that something came back
BLIND = "NO DATA"  # how the text of evidence begins that was looked for and did not come, but may yet
AnalystField = Literal["serving", "hardware", "quality", "cost", "changes", "marks", "rows"]


class Anomaly(Frozen):
    """A signal departed from expectation."""

    at: datetime
    onset_at: datetime
    signal: str
    entity: str
    value: float
    expected: float
    threshold: float
    score: float  # in units of the detector's statistic; >= 1 is an alarm
    detector: (
        str  # "objective", "burn", "stuck", "hardware", "quality", "inputs", "rollout", "cost", "departure", "machine"
    )
    tier: Literal["immediate", "daily", "weekly"] = "immediate"
    reason: str = ""  # in words, where the numbers do not say it
    patient: str = ""  # the service whose matter it is, where the entity does not say


class Incident(Frozen):
    """Anomalies of one cause-group."""

    id: str
    at: datetime
    service: str  # the patient
    severity: Severity
    tier: Literal["immediate", "daily", "weekly"]
    fingerprint: str  # for de-duplication
    anomalies: tuple[Anomaly, ...] = Field(min_length=1)
    related: tuple[str, ...] = ()  # other services that show signs of the same cause
    again: int = Field(default=0, ge=0)  # others of its kind that went by themselves within the day before
    first_at: datetime | None = None  # when the first of those showed itself

    @property
    def returns(self) -> bool:
        """Whether it keeps coming back, however often it goes by itself."""
        return self.again + 1 >= OFTEN


class Evidence(Frozen):
    """One finding of one analyst. ``weight`` > 0 means seen, < 0 means looked for and not seen."""

    id: str
    incident: str
    at: datetime
    analyst: AnalystField
    finding: str  # a word of the findings vocabulary (playbooks/library/faults.yaml speaks it)
    entity: str
    weight: float  # log-likelihood scale, clipped to [-3, 3]
    text: str  # one sentence with numbers, for people
    happened_at: datetime | None = None  # where what was found is an event: when that was
    query: str = ""
    bindings: dict[str, str] = Field(
        default_factory=dict
    )  # what a plan would need: {"good_revision": "4", "replica": "chat-7d9f-x"}


class Hypothesis(Frozen):
    """A fault that would explain the evidence."""

    fault: str
    entity: str
    probability: float = Field(ge=0, le=1)
    supporting: tuple[str, ...]  # evidence ids
    opposing: tuple[str, ...]


class Diagnosis(Frozen):
    """Ranked hypotheses; ``unresolved`` is a valid answer and goes to a person."""

    incident: str
    at: datetime
    hypotheses: tuple[Hypothesis, ...]
    resolved: bool
    wants: str = ""  # the one more reading that would decide
    alike: tuple[str, ...] = ()  # faults that time did not tell apart and one remedy cures: they count together

    @property
    def top(self) -> Hypothesis | None:
        """The best hypothesis, if there is any."""
        return self.hypotheses[0] if self.hypotheses else None


class Measured(Frozen):
    """One signal before and after."""

    signal: str
    entity: str
    before: float | None
    after: float | None
    target: float | None


class Outcome(Frozen):
    """What came of it, with numbers."""

    incident: str
    at: datetime
    verdict: Literal[
        "recovered", "not_recovered", "inconclusive", "error", "undone", "escalated", "self_recovered", "known"
    ]  # known: a person was told of the same cause already, by another case
    text: str
    measured: tuple[Measured, ...] = ()
    healed_at: datetime | None = None
