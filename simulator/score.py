"""Scores one episode from the truth and the journal. Pure: the record says all; no controller writes the truth.

Nothing the controller measures or claims counts as health: only the world's ledger does, with the objectives of the
fleet that the world was built from. The same seed without a controller (``idle``) tells what would have been anyway.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from agent.case import Diagnosis, Hypothesis, Incident
from simulator.harm import LEAST_WORSE, collateral, duplicates, unsafe
from simulator.nearness import steps
from simulator.record import FLOWS, Effect, Flags, Record, Track
from tools.journal import Entry

HOLD = timedelta(minutes=15)  # of unbroken truth before a fault counts as healed
LEAST_SERVED = 0.5  # of the requests that users make with nobody there: who answers fewer has shut its door
LATELY = timedelta(minutes=5)  # before an incident, in which its objectives must really have been missed


def score(record: Record) -> dict[str, Any]:
    """Return the episode as one flat JSON object. None: the question does not arise in this episode."""
    ill = bool(record.happened.truth.fault)
    incidents = opened(record.entries)
    true = [item for item in incidents if matches(record, item)]
    healed_at = healed(record)
    onset = record.happened.onset_at
    questions, calls = asked(record.entries), called(record.entries)
    curable = ill and not for_person(record) and felt(record)
    own = {item.id for item in true if item.service == record.happened.service}  # where two fall ill, the scenario's
    named = ranked(record, own) or ranked(record, {item.id for item in true})
    top = guessed(record.entries, own) or guessed(record.entries, {item.id for item in true})
    breaches = unsafe(record)
    acted = {effect.incident for effect in record.effects}
    false = [item for item in incidents if not tolerable(record, item)]
    return {
        "scenario": record.scenario,
        "seed": record.seed,
        "detected": bool(true) if ill else None,
        "detect_s": since(onset, true[0].at) if true else None,
        "named": top.fault if top is not None else None,
        "steps_off": steps(top.entity, record.happened, record.fleet) if ill and top is not None else None,
        "top1": (named == 1) if ill else None,
        "top3": (1 <= named <= 3) if ill else None,
        "felt": felt(record) if ill and not for_person(record) else None,
        "healed": (healed_at is not None) if curable else None,
        "told": told(record, {item.id for item in true}) if ill and for_person(record) else None,
        "alone": (healed_at is not None and not questions and not calls) if curable else None,
        "heal_s": since(onset, healed_at),
        "asked": questions,
        "called": calls,
        "unsafe": len(breaches),
        "breaches": breaches,
        "duplicates": len(duplicates(record.effects)),
        "collateral": len(collateral(record)),
        "harmed": collateral(record),
        "false_incidents": len(false),
        "false_acted": len([item for item in false if item.id in acted]) + len(groundless(record, incidents)),
        "actions": len(record.effects),
        "tried": [str(e.body["playbook"]) for e in record.entries if e.kind == "RUN_PLANNED"],
        **record.totals,
    }


def for_person(record: Record) -> bool:
    """Whether no machine should act on this fault: the honest thing is to tell a person what it is."""
    return bool(record.happened.truth.fault) and not record.happened.truth.acceptable_playbooks


def told(record: Record, incidents: set[str]) -> bool:
    """Whether a person was given a true incident, and nothing was done about it."""
    incidents = {item.id for item in opened(record.entries) if item.service == record.happened.service} & incidents
    ends = [e for e in record.entries if e.kind == "OUTCOME" and e.subject in incidents]
    acted = any(effect.incident in incidents for effect in record.effects)
    return not acted and any(entry.body["verdict"] == "escalated" for entry in ends)


def since(onset: datetime | None, at: datetime | None) -> float | None:
    """Return seconds from the onset; None where either is unknown."""
    return (at - onset).total_seconds() if onset is not None and at is not None else None


# -- what the controller saw -----------------------------------------------------------------------------------------
def opened(entries: Iterable[Entry]) -> list[Incident]:
    """Return every incident as it finally stood, with the instant at which it was opened, oldest first."""
    first: dict[str, datetime] = {}
    last: dict[str, Incident] = {}
    for entry in entries:
        if entry.kind == "INCIDENT":
            first.setdefault(entry.subject, entry.at)
            last[entry.subject] = Incident.model_validate(entry.body)
    return [last[id].model_copy(update={"at": at}) for id, at in first.items()]  # noqa: A001 - the noun's own word


def matches(record: Record, incident: Incident) -> bool:
    """Whether an incident is about the true patient, and not from before it fell ill."""
    onset = record.happened.onset_at
    if onset is None or incident.at < onset:
        return False
    entities = {anomaly.entity for anomaly in incident.anomalies}
    carried = {record.happened.service, *record.happened.beside}  # a sick machine makes everybody on it a patient
    return incident.service in carried or record.happened.entity in entities


def tolerable(record: Record, incident: Incident) -> bool:
    """Whether an incident is not a false one: it matches, is about somebody who really feels the fault, or was due."""
    onset = record.happened.onset_at
    felt = onset is not None and incident.at >= onset and incident.service in record.patients
    return felt or matches(record, incident) or due(record, incident)


def due(record: Record, incident: Incident) -> bool:
    """Whether nothing is broken and something is to be done all the same: honest growth asks for one more replica.

    The service at issue really misses its objectives, and every plan made is one that the truth accepts. Where a fault
    passed by itself, whoever it hit and who really misses a promise for it may say so, and a second one may be healed.
    """
    truth, happened = record.happened.truth, record.happened
    accepted = set(truth.acceptable_playbooks)
    plans = {str(e.body["playbook"]) for e in record.entries if e.kind == "PLAN" and e.subject == incident.id}
    own = incident.service == happened.service and plans <= accepted and (truth.passes or bool(accepted))
    if truth.fault or not (own or (truth.passes and incident.service in happened.beside)):
        return False
    return missed(record, incident.service, incident.at)


def missed(record: Record, service: str, at: datetime) -> bool:
    """Whether a service, or anybody where it is empty or nobody's, has really missed an objective lately."""
    columns = [i for i, each in enumerate(record.fleet.services) if each.name == service] or slice(None)
    times = record.acting.times
    lately = (times > at.timestamp() - LATELY.total_seconds()) & (times <= at.timestamp())
    return not record.acting.held[lately][:, columns].all()


def groundless(record: Record, incidents: Iterable[Incident]) -> list[Effect]:
    """Return what was done for no incident, while nothing was wrong and nobody missed an objective."""
    onset, known = record.happened.onset_at, {item.id for item in incidents}
    early = [e for e in record.effects if not record.happened.truth.fault or onset is None or e.at < onset]
    return [e for e in early if e.incident not in known and not missed(record, e.service, e.at)]


def ranked(record: Record, incidents: set[str]) -> int:
    """Return the rank of the truth in the first resolved diagnosis of a true incident; 0: not named, or none."""
    for entry in record.entries:
        if entry.kind != "DIAGNOSIS" or entry.subject not in incidents:
            continue
        diagnosis = Diagnosis.model_validate(entry.body)
        if diagnosis.resolved:
            truth = (record.happened.truth.fault, record.happened.entity)
            named = [(h.fault, h.entity) for h in diagnosis.hypotheses]
            return named.index(truth) + 1 if truth in named else 0
    return 0


def guessed(entries: Iterable[Entry], incidents: set[str]) -> Hypothesis | None:
    """Return what the first resolved diagnosis of a true incident put first; None where there is none."""
    for entry in entries:
        if entry.kind == "DIAGNOSIS" and entry.subject in incidents:
            diagnosis = Diagnosis.model_validate(entry.body)
            if diagnosis.resolved and diagnosis.top is not None:
                return diagnosis.top
    return None


def asked(entries: Iterable[Entry]) -> int:
    """Return how many questions were put to a person."""
    return len({str(e.body["id"]) for e in entries if e.kind == "APPROVAL" and e.body.get("state") == "pending"})


def called(entries: Iterable[Entry]) -> int:
    """Return how many incidents were handed to a person, those beside the true one too: each wakes somebody."""
    return len({e.subject for e in entries if e.kind == "OUTCOME" and e.body["verdict"] == "escalated"})


# -- what became of the world ----------------------------------------------------------------------------------------
def well(record: Record, track: Track) -> Flags:
    """Return, per tick, whether every patient is truly well; where money is the fault, within its budget too."""
    columns = [i for i, s in enumerate(record.fleet.services) if s.name in record.patients]
    held = track.held[:, columns].all(axis=1)
    return np.asarray(held & track.within[:, columns].all(axis=1) if record.layer == "cost" else held)


def felt(record: Record) -> bool:
    """Whether any patient was unwell after the onset, guarded or not: else there is nothing to heal."""
    onset = record.happened.onset_at
    after = record.acting.times >= (onset.timestamp() if onset is not None else np.inf)
    return any(bool((after & ~well(record, track)).any()) for track in (record.acting, record.idle))


def served(record: Record, since_tick: int) -> bool:
    """Whether users of every patient are let in as without us: a service that nobody reaches breaks no promise."""
    columns = [i for i, s in enumerate(record.fleet.services) if s.name in record.patients]
    asked = [t.flow[:, FLOWS.index("requests"), columns] for t in (record.acting, record.idle)]
    ours, theirs = (flow[-1] - flow[since_tick] for flow in asked)
    return bool((ours >= LEAST_SERVED * theirs).all())


def healed(record: Record) -> datetime | None:
    """Return when health came back for good: harm was felt, then nothing but health, for at least ``HOLD``.

    Health is every objective, and what the truth wants beside them, such as that no bad revision is current.
    """
    onset = record.happened.onset_at
    if onset is None or collateral(record):
        return None
    times = record.acting.times
    after = times >= onset.timestamp()
    unwell = ~well(record, record.acting)
    ill = np.flatnonzero(after & (unwell | ~record.acting.restored if (after & unwell).any() else unwell))
    if not len(ill):  # nobody felt it here; a cure only if it would have been felt without us
        spared = record.effects and (after & ~well(record, record.idle)).sum() > LEAST_WORSE
        return onset if spared else None
    back = ill[-1] + 1
    if back >= len(times) or times[-1] - times[back] < HOLD.total_seconds() or not served(record, int(back)):
        return None
    return datetime.fromtimestamp(float(times[back]), onset.tzinfo)
