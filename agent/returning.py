"""Returning: trouble of one kind that goes by itself, again and again. One such time is luck; several say something."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from agent.case import OFTEN, Incident
from agent.casebook import Case
from config.frozen import Frozen

DAY = timedelta(days=1)


class Returning(Frozen):
    """One kind of trouble of one service, and how often it went by itself."""

    service: str
    signal: str  # the strongest sign of the newest time
    times: int
    last_at: datetime


def counted(incident: Incident, cases: Iterable[Case]) -> Incident:
    """Return a new incident with how often its like went by itself within the day before, and since when."""
    kin = [case.incident for case in cases if case.incident.fingerprint == incident.fingerprint and _passed(case)]
    before = [anomaly.onset_at for each in kin if incident.at - each.at < DAY for anomaly in each.anomalies[:1]]
    return incident.model_copy(update={"again": len(before), "first_at": min(before)}) if before else incident


def returning(cases: Iterable[Case], since: datetime, until: datetime) -> tuple[Returning, ...]:
    """Return what went by itself at least ``OFTEN`` times in [since, until), most often first."""
    kinds: dict[str, list[Incident]] = {}
    for case in cases:
        if _passed(case) and since <= case.incident.at < until:
            kinds.setdefault(case.incident.fingerprint, []).append(case.incident)
    found = [_told(group) for group in kinds.values() if len(group) >= OFTEN]
    return tuple(sorted(found, key=lambda each: (-each.times, each.service, each.signal)))


def _told(group: list[Incident]) -> Returning:
    last = max(group, key=lambda incident: incident.at)
    return Returning(service=last.service, signal=last.anomalies[0].signal, times=len(group), last_at=last.at)


def _passed(case: Case) -> bool:
    return case.outcome is not None and case.outcome.verdict == "self_recovered"
