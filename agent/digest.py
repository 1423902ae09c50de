"""Digests: what a person should know of a day or a week, folded from the journal alone. Same journal, same digest."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from agent.bill import Bill, bill_of
from agent.case import Anomaly
from agent.casebook import Case, read_cases
from agent.converting import conversion_of, in_words
from agent.creeping import TREND
from agent.lookout import BESIDE, departures, remarks_of
from agent.makeshift import EASED
from agent.money import MONEY
from agent.remarks import Remark, widest
from agent.returning import Returning, returning
from config.frozen import Frozen
from policies.approvals import KIND, pending
from tools.journal import Journal

Period = Literal["daily", "weekly"]
LENGTH: dict[Period, timedelta] = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
TELLS: dict[Period, frozenset[str]] = {"daily": frozenset(("daily",)), "weekly": frozenset(("daily", "weekly"))}
SUBJECT, DIGEST = "digest", "DIGEST"
NOTES = {MONEY: "money", "inputs": "inputs", "rollout": "rollout"}  # by detector


class Told(Frozen):
    """One incident in brief."""

    id: str
    service: str
    tier: Literal["immediate", "daily", "weekly"]
    note: str = ""  # what it is about, where no promise is broken: money, inputs, rollout
    phase: str
    began_at: datetime
    over_at: datetime | None  # healed, or at least closed
    fault: str  # the best hypothesis; empty: none
    playbook: str  # what was done last; empty: nothing
    by_a_person: bool  # somebody had to decide or take over
    text: str  # how it ended

    def degraded(self, since: datetime, until: datetime) -> timedelta:
        """Return for how long the service was ill within a period."""
        return max(timedelta(0), min(self.over_at or until, until) - max(self.began_at, since))


class Question(Frozen):
    """Something that waits for a person."""

    id: str
    incident: str
    expires_at: datetime


class Unusual(Frozen):
    """One series that left its past, however often: the strangest time is shown."""

    signal: str
    entity: str
    times: int
    strangest: Anomaly


class Eased(Frozen):
    """What was done while a feed is not mended, for those who would feel it, or ended again."""

    service: str
    at: datetime
    text: str
    outcome: str = ""  # verdict and words; empty: under way


class Digest(Frozen):
    """What happened in [since, until), what waits, and what was unusual without breaking a promise."""

    period: Period
    since: datetime
    until: datetime
    questions: tuple[Question, ...]
    incidents: tuple[Told, ...]  # what a person must take over first, then by time
    before: int  # incidents of the period before
    unusual: tuple[Unusual, ...]  # strangest first; those of incidents apart
    beside_incidents: int  # departures of services while they were ill
    costs: Bill | None = None  # of the period; None: not known
    returning: tuple[Returning, ...] = ()  # what went by itself again and again, most often first
    eased: tuple[Eased, ...] = ()  # oldest first
    remarks: tuple[Remark, ...] = ()  # what inference logs show, the newest of each; what is upstream first

    @property
    def open_ones(self) -> tuple[Told, ...]:
        """Incidents that a person must look after."""
        return tuple(told for told in self.incidents if told.phase == "escalated" or told.over_at is None)

    @property
    def degraded(self) -> timedelta:
        """Time that services were ill, added up; money is no illness."""
        ill = [told for told in self.incidents if told.tier == "immediate" and told.note != NOTES[MONEY]]
        return sum((told.degraded(self.since, self.until) for told in ill), timedelta(0))


def digest(journal: Journal, period: Period, until: datetime) -> Digest:
    """Fold the journal into the digest of the period that ends at ``until``."""
    since = until - LENGTH[period]
    cases = tuple(read_cases(journal))
    known = [_told(case) for case in cases]
    here = [told for told in known if told.began_at < until and (told.over_at is None or told.over_at >= since)]
    before = [told for told in known if since - LENGTH[period] <= told.began_at < since]
    found = [each for each in departures(journal, since, until) if each.tier in TELLS[period]]
    alone = [each for each in found if not any(_belongs(each, told) for told in known)]
    asked = pending(journal.entries(kinds=(KIND,)), until)
    return Digest(
        period=period,
        since=since,
        until=until,
        questions=tuple(Question(id=q.id, incident=q.incident, expires_at=q.expires_at) for q in asked),
        incidents=tuple(sorted(here, key=lambda told: (told.phase != "escalated", told.over_at is not None, told.id))),
        before=len(before),
        unusual=_unusual(alone),
        beside_incidents=len(found) - len(alone),
        costs=bill_of(journal, until - since, until),
        returning=returning(cases, since, until),
        eased=_eased(journal, cases, since, until),
        remarks=widest(tuple({one.key: one for one in remarks_of(journal, since, until)}.values())),
    )


def _eased(journal: Journal, cases: Sequence[Case], since: datetime, until: datetime) -> tuple[Eased, ...]:
    found = (*_beside(journal, since, until), *_converted(cases, since, until))
    return tuple(sorted(found, key=lambda each: each.at))


def _converted(cases: Sequence[Case], since: datetime, until: datetime) -> Iterator[Eased]:
    """Yield the versions that serve since then because a feed changed: nobody was told of it otherwise."""
    for case in cases:
        made = conversion_of(case.plan) if case.plan else None
        if made is not None and case.outcome is not None and since <= case.outcome.at < until:
            outcome = f"{case.outcome.verdict}: {case.outcome.text}"
            yield Eased(service=made.service, at=case.outcome.at, text=in_words(made), outcome=outcome)


def _beside(journal: Journal, since: datetime, until: datetime) -> Iterator[Eased]:
    for entry in journal.entries(kinds=(EASED,)):
        if since <= entry.at < until:
            ends = journal.entries(subject=entry.subject, kinds=("OUTCOME",))
            outcome = f"{ends[-1].body['verdict']}: {ends[-1].body['text']}" if ends and ends[-1].at < until else ""
            yield Eased(service=str(entry.body["service"]), at=entry.at, text=str(entry.body["text"]), outcome=outcome)


def _told(case: Case) -> Told:
    incident, outcome = case.incident, case.outcome
    top = case.diagnosis.top if case.diagnosis and case.diagnosis.resolved else None
    first = incident.anomalies[0].detector
    over = None if case.is_open or outcome is None or case.phase == "escalated" else outcome.healed_at or outcome.at
    return Told(
        id=incident.id,
        service=incident.service,
        tier=incident.tier,
        note=NOTES.get(first, "") if incident.tier == "daily" or first == MONEY else "",
        phase=case.phase,
        began_at=min(anomaly.onset_at for anomaly in incident.anomalies),
        over_at=over,
        fault=top.fault if top else "",
        playbook=case.plan.playbook if case.plan and case.execution else "",
        by_a_person=case.phase == "escalated" or case.approval is not None,
        text=outcome.text if outcome else "",
    )


def _belongs(departure: Anomaly, told: Told) -> bool:
    """Whether a departure is a sign of an incident: of its service, while it was ill or shortly before or after."""
    if departure.detector == TREND or told.service not in departure.entity.split("/")[1:2]:
        return False
    end = told.over_at or datetime.max.replace(tzinfo=told.began_at.tzinfo) - BESIDE
    return told.began_at - BESIDE <= departure.at <= end + BESIDE


def _unusual(found: Sequence[Anomaly]) -> tuple[Unusual, ...]:
    series: dict[tuple[str, str], list[Anomaly]] = {}
    for each in found:
        series.setdefault((each.signal, each.entity), []).append(each)
    told = [
        Unusual(signal=key[0], entity=key[1], times=len(group), strangest=max(group, key=lambda each: each.score))
        for key, group in series.items()
    ]
    return tuple(sorted(told, key=lambda each: (-each.strangest.score, each.entity, each.signal)))
