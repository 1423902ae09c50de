"""People's answers: find the open questions in the journal, and answer one, once."""

from collections.abc import Iterable
from datetime import datetime

from agent.casebook import Case, read_cases
from policies.decision import Approval
from tools.errors import Refused
from tools.journal import Journal

KIND = "APPROVAL"


def pending(cases: Iterable[Case], now: datetime) -> tuple[tuple[Case, Approval], ...]:
    """Return the questions that still stand, oldest first, each with its case."""
    found = [
        (case, case.approval)
        for case in cases
        if case.approval is not None and case.approval.state == "pending" and now < case.approval.expires_at
    ]
    return tuple(sorted(found, key=lambda pair: (pair[1].asked_at, pair[1].id)))


def answer(journal: Journal, question: str, *, yes: bool, by: str, note: str, now: datetime) -> Approval:
    """Write a person's answer. ``Refused`` when there is no such question, it has lapsed or was answered before."""
    approval = _asked(journal, question)
    if approval.state != "pending":
        raise Refused(f"{question} was {approval.state} already" + (f" by {approval.by}" if approval.by else ""))
    if now >= approval.expires_at:
        raise Refused(f"{question} lapsed at {approval.expires_at:%Y-%m-%d %H:%M:%S}Z; it is asked anew if it matters")
    if not journal.claim(f"approval/{question}", by, now):
        raise Refused(f"{question} was answered by somebody else just now")
    update = {"state": "approved" if yes else "rejected", "by": by, "note": note, "answered_at": now}
    answered = approval.model_copy(update=update)
    journal.append(approval.incident, KIND, answered.model_dump(mode="json"), now)
    return answered


def _asked(journal: Journal, question: str) -> Approval:
    for case in read_cases(journal):
        if case.approval is not None and case.approval.id == question:
            return case.approval
    raise Refused(f"no question {question} in this journal; prunella approvals lists them")
