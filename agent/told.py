"""What a person was told of lately: the same cause again, no graver than it was, calls nobody a second time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import get_args

from agent.case import Hypothesis, Incident, Outcome, Severity
from agent.casebook import Case

SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # from the mildest on
LATELY = timedelta(hours=1)  # for which whoever was told is taken to be at work on it


def told_lately(case: Case, cases: Iterable[Case], now: datetime) -> Outcome | None:
    """Return how another case of the service ended that was handed to a person, if it had the cause that this one has.

    New signs of one cause come one after the other: errors, then a queue, then time-outs. What is graver than it was is
    told again, and so is what nobody resolved.
    """
    cause = _cause(case)
    known = (
        each.outcome for each in cases if cause and _cause(each) == cause and _covers(each.incident, case.incident)
    )
    return next((each for each in known if each and each.verdict == "escalated" and now - each.at <= LATELY), None)


def _cause(case: Case) -> tuple[str, str] | None:
    diagnosis = case.diagnosis
    top: Hypothesis | None = diagnosis.top if diagnosis is not None and diagnosis.resolved else None
    return None if top is None else (top.fault, top.entity)


def _covers(told: Incident, now: Incident) -> bool:
    """Whether who was told of one incident knows of the other: it is of the same service, and no graver."""
    graver = SEVERITIES.index(now.severity) > SEVERITIES.index(told.severity)
    woken = told.tier == "immediate" or now.tier == "daily"
    return told.id != now.id and told.service == now.service and woken and not graver
