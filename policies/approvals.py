"""The life of an approval: asked, answered once, or expired. Its state is a fold over the journal.

Every word is added only if nobody has spoken since the question was read (compare-and-swap): of two answers at once
exactly one counts. Nobody answering climbs a ladder of people, ends in expiry, and never means yes.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from policies.decision import DEFAULT_APPROVAL_LIFE, Approval, Decision, Rung, Verdict
from tools.errors import Absent, Malformed, Refused, Transient
from tools.journal import Entry, Journal, Unless

KIND = "APPROVAL"
Roles = Mapping[str, Sequence[str]]
"""The roles of people, by name."""
_TRIES = 64  # when others answer at the same time: one of them gets through each time


def approval_id(incident: str, plan_digest: str) -> str:
    """Return the name of the one question about one plan of one incident."""
    return "apr-" + hashlib.sha256(f"{incident}\n{plan_digest}".encode()).hexdigest()[:10]


def ask(
    journal: Journal,
    decision: Decision,
    now: datetime,
    life: timedelta = DEFAULT_APPROVAL_LIFE,
    *,
    quorum: int = 1,
    ladder: Sequence[tuple[str, timedelta]] = (),
) -> Approval:
    """Put a question to people, durably. Asking again about the same plan returns the same question as it stands.

    ``ladder``: roles, and how long each is asked before the next one is; then it expires. Without one, anybody may
    answer within ``life``. ``Refused`` when the decision does not ask, or the life is not positive.
    """
    if decision.verdict is not Verdict.ASK:
        raise Refused(f"the decision is {decision.verdict}, there is nothing to approve")
    rungs, ends = [], now
    for role, wait in ladder:
        rungs.append(Rung(role=role, until=(ends := ends + wait)))
    if (ends if ladder else now + life) <= now:
        raise Refused("an approval lives for more than no time")
    question = Approval(
        id=approval_id(decision.incident, decision.plan_digest),
        incident=decision.incident,
        plan_digest=decision.plan_digest,
        asked_at=now,
        expires_at=ends if ladder else now + life,
        state="pending",
        policy_digest=decision.policy_digest,
        evidence_at=decision.at,
        quorum=quorum,
        ladder=tuple(rungs),
    )
    for _ in range(_TRIES):
        found, seq = _read_all(journal, decision.incident)
        if question.id in found:
            return as_of(found[question.id], now)
        if _added(journal, question, seq, now):
            return question
    raise Transient(f"others write about {decision.incident} at the same time")


def answer(  # noqa: PLR0913 - everything a person says, by keyword
    journal: Journal, name: str, by: str, *, yes: bool, now: datetime, note: str = "", roles: Roles | None = None
) -> Approval:
    """Say yes or no to a question. One no settles it; a yes settles it once the quorum is reached.

    ``Absent``: no such question. ``Refused``: expired, answered already, by nobody, or by somebody without the role.
    """

    def said(question: Approval) -> Approval:
        if not yes:
            return _answered(question, state="rejected", by=by, answered_at=now, note=note)
        if by in question.votes:
            raise Refused(f"{by} said yes to {name} already; {question.quorum} different people must")
        votes = (*question.votes, by)
        if len(votes) < question.quorum:
            return _answered(question, votes=votes, note=note)
        return _answered(question, state="approved", by=", ".join(votes), answered_at=now, note=note, votes=votes)

    return _say(journal, name, by, said, now, roles)


def modify(
    journal: Journal, name: str, by: str, changes: Mapping[str, str], *, now: datetime, roles: Roles | None = None
) -> Approval:
    """Settle a question by wanting something else: a changed plan is another plan, and needs an approval of its own."""
    if not changes:
        raise Refused("what should be changed?")
    update = {"state": "modified", "by": by, "answered_at": now, "changes": dict(changes)}
    return _say(journal, name, by, lambda question: _answered(question, **update), now, roles)


def escalate(journal: Journal, name: str, by: str, *, now: datetime, note: str = "") -> Approval:
    """Hand a question to the next rung of its ladder now. ``Refused`` when there is nobody above."""

    def said(question: Approval) -> Approval:
        if question.rung + 1 >= len(question.ladder):
            raise Refused(f"nobody is above: {name} waits for {role_of(question) or 'anybody'}")
        return _answered(question, rung=question.rung + 1, note=note or f"escalated by {by}")

    return _say(journal, name, by, said, now, None)


def expire(journal: Journal, now: datetime) -> tuple[Approval, ...]:
    """Record, once, every question that nobody answered in time, and let the others climb; returns the expired."""
    late = [item for item in _read_all(journal)[0].values() if item.state == "pending"]
    for item in late:
        if now < item.expires_at and _climbed(item, now) > item.rung:
            _swap(journal, item.id, lambda q: _answered(q, rung=_climbed(q, now), note="nobody answered"), now)
    due = [item for item in late if now >= item.expires_at]
    ended = (_swap(journal, item.id, lambda q: _answered(q, state="expired"), now) for item in due)
    return tuple(item for item in ended if item is not None)


def role_of(question: Approval) -> str:
    """Return the role that is asked now; empty: anybody."""
    return question.ladder[question.rung].role if question.ladder else ""


def _climbed(question: Approval, now: datetime) -> int:
    """Return the rung that silence has brought a question to."""
    passed = sum(1 for rung in question.ladder if now >= rung.until)
    return max(question.rung, min(passed, len(question.ladder) - 1))


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


def _answered(question: Approval, **update: object) -> Approval:
    return Approval.model_validate({**question.model_dump(), **update})


def _say(
    journal: Journal, name: str, by: str, said: Callable[[Approval], Approval], now: datetime, roles: Roles | None
) -> Approval:
    """Add a person's word to an open question."""
    if not by.strip():
        raise Refused("an answer needs a name")

    def checked(question: Approval) -> Approval:
        wanted = {rung.role for rung in question.ladder}
        if roles is not None and wanted and not wanted & set(roles.get(by, ())):
            raise Refused(f"{by} is none of {', '.join(sorted(wanted))}")
        return said(question)

    settled = _swap(journal, name, checked, now)
    if settled is None:
        standing = as_of(_read_all(journal)[0][name], now)
        raise Refused(f"{name} is {standing.state}" + (f" by {standing.by}" if standing.by else ""))
    return settled


def _swap(journal: Journal, name: str, change: Callable[[Approval], Approval], now: datetime) -> Approval | None:
    """Change an open question if nobody does so at the same time; None where it is no longer open."""
    for _ in range(_TRIES):
        found, _ = _read_all(journal)
        if name not in found:
            raise Absent(f"no approval is called {name}")
        found, seq = _read_all(journal, found[name].incident)
        question = found[name]
        if question.state != "pending":
            return None
        changed = change(question)
        if now >= question.expires_at and changed.state != "expired":
            return None  # too late for anything else
        if _added(journal, changed, seq, now):
            return changed
    raise Transient(f"others answer {name} at the same time")


def _read_all(journal: Journal, incident: str | None = None) -> tuple[Mapping[str, Approval], int]:
    """Return every approval as it stands, and the entry up to which that is known."""
    entries = journal.entries(subject=incident, kinds=(KIND,))
    return fold(entries), entries[-1].seq if entries else 0


def _added(journal: Journal, approval: Approval, seq: int, now: datetime) -> bool:
    unless = (Unless(seq, (KIND,), approval.incident),)
    return journal.append_if(approval.incident, KIND, approval.model_dump(mode="json"), now, unless) is not None


def _read(entry: Entry) -> Approval:
    try:
        return Approval.model_validate(entry.body)
    except ValidationError as error:
        raise Malformed(f"journal entry {entry.seq} is no approval: {error.error_count()} faults") from error
