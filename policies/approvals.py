"""The life of an approval: asked, answered once, or expired. Its state is a fold over the journal.

An answer is first claimed (compare-and-swap), then written: of two answers at once exactly one counts. A claim whose
writer died leaves the question unanswered until it expires, and expiry never means yes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from policies.decision import DEFAULT_APPROVAL_LIFE, Approval, Decision, Verdict
from tools.errors import Absent, Malformed, Refused
from tools.journal import Entry, Journal

KIND = "APPROVAL"


def approval_id(incident: str, plan_digest: str) -> str:
    """Return the name of the one question about one plan of one incident."""
    return "apr-" + hashlib.sha256(f"{incident}\n{plan_digest}".encode()).hexdigest()[:10]


def ask(journal: Journal, decision: Decision, now: datetime, life: timedelta = DEFAULT_APPROVAL_LIFE) -> Approval:
    """Put a question to people, durably. Asking again about the same plan returns the same question as it stands.

    ``Refused`` when the decision does not ask, or the life is not positive.
    """
    if decision.verdict is not Verdict.ASK:
        raise Refused(f"the decision is {decision.verdict}, there is nothing to approve")
    if life <= timedelta(0):
        raise Refused("an approval lives for more than no time")
    name = approval_id(decision.incident, decision.plan_digest)
    standing = fold(journal.entries(subject=decision.incident, kinds=(KIND,))).get(name)
    if standing is not None:
        return as_of(standing, now)
    question = Approval(
        id=name,
        incident=decision.incident,
        plan_digest=decision.plan_digest,
        asked_at=now,
        expires_at=now + life,
        state="pending",
    )
    return _write(journal, question, now)


def answer(journal: Journal, name: str, by: str, *, yes: bool, now: datetime, note: str = "") -> Approval:
    """Answer a question, once. ``Absent``: no such question. ``Refused``: expired, answered already, or by nobody."""
    if not by.strip():
        raise Refused("an answer needs a name")
    question = as_of(_find(journal, name), now)
    if question.state != "pending":
        raise Refused(f"{name} is {question.state}" + (f" by {question.by}" if question.by else ""))
    if not journal.claim(_claim(name), by, now):
        raise Refused(f"{name} was answered at the same time by somebody else")
    state = "approved" if yes else "rejected"
    return _write(journal, _answered(question, state=state, by=by, answered_at=now, note=note), now)


def expire(journal: Journal, now: datetime) -> tuple[Approval, ...]:
    """Record, once, every question that nobody answered in time; returns those recorded now."""
    entries = journal.entries(kinds=(KIND,))
    late = [item for item in fold(entries).values() if item.state == "pending" and as_of(item, now).state == "expired"]
    won = [item for item in late if journal.claim(_claim(item.id), "expiry", now)]
    return tuple(_write(journal, as_of(item, now), now) for item in won)


def pending(entries: Iterable[Entry], now: datetime) -> tuple[Approval, ...]:
    """Return the questions that may still be answered, oldest first."""
    open_ones = (item for item in fold(entries).values() if as_of(item, now).state == "pending")
    return tuple(sorted(open_ones, key=lambda item: (item.asked_at, item.id)))


def fold(entries: Iterable[Entry]) -> Mapping[str, Approval]:
    """Return every approval by id. The first answer stands; ``Malformed`` where an entry cannot be read."""
    found: dict[str, Approval] = {}
    for entry in entries:
        if entry.kind != KIND:
            continue
        item = _read(entry)
        if item.id not in found or found[item.id].state == "pending":
            found[item.id] = item
    return found


def as_of(approval: Approval, now: datetime) -> Approval:
    """Return the approval as it stands at an instant: a question past its expiry is expired, recorded or not."""
    if approval.state == "pending" and now >= approval.expires_at:
        return approval.model_copy(update={"state": "expired"})
    return approval


def _find(journal: Journal, name: str) -> Approval:
    found = fold(journal.entries(kinds=(KIND,))).get(name)
    if found is None:
        raise Absent(f"no approval is called {name}")
    return found


def _answered(question: Approval, **update: object) -> Approval:
    return Approval.model_validate({**question.model_dump(), **update})


def _write(journal: Journal, approval: Approval, now: datetime) -> Approval:
    journal.append(approval.incident, KIND, approval.model_dump(mode="json"), now)
    return approval


def _read(entry: Entry) -> Approval:
    try:
        return Approval.model_validate(entry.body)
    except ValidationError as error:
        raise Malformed(f"journal entry {entry.seq} is no approval: {error.error_count()} faults") from error


def _claim(name: str) -> str:
    return f"approval/{name}"
