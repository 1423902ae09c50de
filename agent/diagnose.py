"""The diagnostician: evidence and fault profiles become ranked hypotheses."""

import math
from collections.abc import Mapping, Sequence

from agent.case import BLIND, Diagnosis, Evidence, Hypothesis, Incident
from playbooks.faults import FaultProfile

RESOLVED = 0.6  # probability of the best hypothesis
SEEN = 1.0  # score that must come from what was seen: what was looked for in vain proves no fault by itself
REFUTES = -1.0  # a sign at least so much against a fault would refute it
NONE_OF_THESE = 1.5  # score of "something that we do not know"


Cures = Mapping[str, frozenset[str]]  # fault -> the playbooks that cure it


def diagnose(
    incident: Incident, evidence: Sequence[Evidence], faults: Sequence[FaultProfile], cures: Cures | None = None
) -> Diagnosis:
    """Rank every (fault, entity) that the evidence allows. Unresolved is a valid answer.

    With ``cures``, faults of one entity that the same playbooks cure need not be told apart: they count together.
    """
    scored = [
        (fault, entity, *_score(fault, entity, evidence))
        for fault in faults
        for entity in _entities(fault, incident, evidence)
        if _has_needs(fault, entity, evidence)
    ]
    scored.sort(key=lambda item: (-item[2], item[0].id, item[1]))
    weights = [math.exp(min(score, 30.0)) for _, _, score, _, _ in scored]
    whole = sum(weights) + math.exp(NONE_OF_THESE)
    ranked = tuple(
        Hypothesis(
            fault=fault.id, entity=entity, probability=weight / whole, supporting=tuple(pro), opposing=tuple(contra)
        )
        for (fault, entity, _, pro, contra), weight in zip(scored, weights, strict=True)
    )
    alike = _alike(ranked, cures or {})
    sure = sum(item.probability for item in alike)
    resolved = bool(ranked) and sure >= RESOLVED and _seen(*scored[0][:2], evidence) >= SEEN
    resolved = resolved and not _unrefuted(scored[0][0], evidence)
    at = max((item.at for item in evidence), default=incident.at)
    wants = "" if resolved else _wanted(faults, evidence)
    names = tuple(item.fault for item in alike) if len(alike) > 1 else ()
    return Diagnosis(incident=incident.id, at=at, hypotheses=ranked[:6], resolved=resolved, wants=wants, alike=names)


def _alike(ranked: Sequence[Hypothesis], cures: Cures) -> tuple[Hypothesis, ...]:
    """Return the likeliest hypothesis, and those of the next ones whose remedy is the same."""
    if not ranked:
        return ()
    first, same = ranked[0], cures.get(ranked[0].fault)
    others = (item for item in ranked[1:6] if same and cures.get(item.fault) == same and item.entity == first.entity)
    return (first, *others)


def _entities(fault: FaultProfile, incident: Incident, evidence: Sequence[Evidence]) -> list[str]:
    if fault.scope == "service":
        return [f"service/{incident.service}"]
    return sorted({item.entity for item in evidence if item.entity.startswith(f"{fault.scope}/") and item.weight > 0})


def _speaks(item: Evidence, entity: str) -> bool:
    """Evidence of the patient speaks to every entity; evidence of one replica, GPU or vendor to that one and above."""
    return item.entity == entity or item.entity.startswith(("service/", "model/")) or entity.startswith("service/")


def _has_needs(fault: FaultProfile, entity: str, evidence: Sequence[Evidence]) -> bool:
    seen = {item.finding for item in evidence if item.weight > 0 and _speaks(item, entity)}
    return set(fault.needs) <= seen


def _score(fault: FaultProfile, entity: str, evidence: Sequence[Evidence]) -> tuple[float, list[str], list[str]]:
    score = fault.prior
    pro: list[str] = []
    contra: list[str] = []
    for finding, item in _strongest(fault, entity, evidence):
        part = fault.signs.get(finding, 0.0) * item.weight - fault.against.get(finding, 0.0) * max(item.weight, 0.0)
        score += part
        if part:
            (pro if part > 0 else contra).append(item.id)
    return score, pro, contra


def _strongest(fault: FaultProfile, entity: str, evidence: Sequence[Evidence]) -> list[tuple[str, Evidence]]:
    """Return, for every finding that the fault knows, what speaks most for it having been seen."""
    best: dict[str, Evidence] = {}
    for item in evidence:
        if (item.finding in fault.signs or item.finding in fault.against) and _speaks(item, entity):
            known = best.get(item.finding)
            if known is None or item.weight > known.weight:
                best[item.finding] = item
    return sorted(best.items())


def _seen(fault: FaultProfile, entity: str, evidence: Sequence[Evidence]) -> float:
    """Return the part of a score that comes from findings seen."""
    return sum(
        max(fault.signs.get(name, 0.0), 0.0) * max(item.weight, 0.0)
        for name, item in _strongest(fault, entity, evidence)
    )


def _unrefuted(fault: FaultProfile, evidence: Sequence[Evidence]) -> bool:
    """Whether a look that could refute a fault did not come: it is not known then, however well the rest fits."""
    lost = {item.finding for item in evidence if not item.weight and item.text.startswith(BLIND)}
    return any(fault.signs.get(finding, 0.0) <= REFUTES for finding in lost)


def _wanted(faults: Sequence[FaultProfile], evidence: Sequence[Evidence]) -> str:
    """Name the finding that is missing from the fault that lacks least."""
    seen = {item.finding for item in evidence if item.weight > 0}
    lacking = [(len(set(f.needs) - seen), f.id, sorted(set(f.needs) - seen)) for f in faults if set(f.needs) - seen]
    if not lacking:
        return "more of the same readings"
    _, fault, names = min(lacking)
    return f"{', '.join(names)} (would speak for {fault})"
