"""Changes that came by chance: one that stood when a person was told of another cause is not it while that shows."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from agent.analysts.changes import FINDINGS, ROLLED
from agent.case import Evidence
from agent.casebook import Case
from playbooks.faults import FaultProfile

CHANGED = frozenset(FINDINGS[kind] for kind in ROLLED)  # what acts at once; a promotion shows itself by late labels
TOLD = timedelta(hours=6)  # after which what a person was told of is an old story
CHANCE = -2.0  # weight of a change that came by chance: as of one that was looked for in vain


def acquitted(
    service: str, evidence: Sequence[Evidence], cases: Iterable[Case], faults: Sequence[FaultProfile], now: datetime
) -> tuple[Evidence, ...]:
    """Return the evidence on a service, with every change that came by chance as speaking against its being the cause.

    Such a change was weighed when a person was told of another cause, and was not named. That cause still shows, and
    was not treated in vain: what else the service shows since is its doing, or that of something newer.
    """
    if not any(_blames(item) for item in evidence):
        return tuple(evidence)
    known = {fault.id: fault for fault in faults}
    chance: dict[tuple[str, datetime], str] = {}
    for case in cases:
        if case.incident.service == service and (cause := _cause(case, known, now)) and _shows(cause, evidence):
            chance |= dict.fromkeys(_weighed(case.evidence), cause.id)
    return tuple(_spoken(item, chance) for item in evidence)


def _blames(item: Evidence) -> bool:
    return item.finding in CHANGED and item.weight > 0 and item.happened_at is not None


def _weighed(evidence: Iterable[Evidence]) -> Iterator[tuple[str, datetime]]:
    yield from ((item.finding, item.happened_at) for item in evidence if _blames(item) and item.happened_at)


def _cause(case: Case, faults: dict[str, FaultProfile], now: datetime) -> FaultProfile | None:
    """Return what a person was told lately, where that is no change's doing and no remedy has refuted it."""
    if case.phase != "escalated" or case.outcome is None or now - case.outcome.at > TOLD or case.execution is not None:
        return None
    diagnosis = case.diagnosis
    if diagnosis is None or not diagnosis.resolved or diagnosis.top is None:
        return None
    cause = faults.get(diagnosis.top.fault)
    return cause if cause is not None and not CHANGED & set(cause.needs) else None


def _shows(cause: FaultProfile, evidence: Iterable[Evidence]) -> bool:
    return set(cause.needs) <= {item.finding for item in evidence if item.weight > 0}


def _spoken(item: Evidence, chance: dict[tuple[str, datetime], str]) -> Evidence:
    cause = chance.get((item.finding, item.happened_at)) if _blames(item) and item.happened_at else None
    if cause is None:
        return item
    text = f"{item.text}; it stood when a person was told of {cause}, which still shows"
    return item.model_copy(update={"weight": CHANCE, "text": text})
