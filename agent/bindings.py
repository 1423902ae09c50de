"""Bindings: what a playbook needs to know of the world, for one hypothesis. Where it is not known, it is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent import converting
from agent.capacity import fewer, more
from agent.case import Hypothesis
from agent.casebook import Case
from agent.hardware import MACHINE
from agent.headroom import staged
from agent.lessons import lessons
from agent.moving import spared
from agent.observe import Scene
from config.fleet import Service, ServiceKind
from tools.errors import ToolError

Bindings = dict[str, str | tuple[str, ...]]
MOST_MOVED = 8  # replicas off one node in one plan
LATELY = timedelta(minutes=5)  # over which the most that was used says what a load wants
WIDER, AGAIN = "scale_out", timedelta(hours=1)  # what a load that outgrows a service twice in so long asks for
TRAIN_SECONDS = 600.0  # that a training may take, where its service names no deadline
STEPS_IN = 4  # replicas given back in one plan


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a hypothesis is about."""

    service: Service
    kind: str  # "service", "replica", "node", "gpu", "vendor", "model"
    rest: tuple[str, ...]  # of the entity's name


def subject_of(case: Case, hypothesis: Hypothesis, scene: Scene) -> Subject:
    """Return the service that a remedy would heal, and the thing that is sick."""
    kind, *rest = hypothesis.entity.split("/")
    names = {service.name: service for service in scene.fleet.services}
    patient = names.get(rest[0]) if rest and kind in ("service", "replica", "vendor") else None
    if kind == "model" and rest:
        patient = next((service for service in scene.fleet.services if service.model == rest[0]), None)
    return Subject(patient or scene.fleet.service(case.incident.service), kind, tuple(rest))


def bindings_for(case: Case, scene: Scene, hypothesis: Hypothesis, past: Sequence[Case] = ()) -> Bindings:
    """Return every value that is known for a remedy of this hypothesis; ``past`` are cases of before."""
    subject = subject_of(case, hypothesis, scene)
    found: Bindings = {"service": subject.service.name}
    for evidence in case.evidence:
        if evidence.weight > 0 and _about(evidence.entity, hypothesis, subject):
            found |= evidence.bindings
    found["service"] = subject.service.name
    machine = _machine(subject, scene, found)
    found["unfelt"] = _unfelt(case, machine)
    if replicas := machine.get("replicas"):
        machine["replicas"] = spared(tuple(replicas), (hypothesis.fault, subject.service.name), scene)
    for part in (_release(subject, scene), machine, _vendor(subject, scene)):
        found |= {key: value for key, value in part.items() if value and key not in found}
    conversion = converting.bindings(subject.service, case, scene, past)
    for part in (_model(subject, scene, case, past), _scale(subject, scene, past), conversion):
        found |= {key: value for key, value in part.items() if value and key not in found}
    return {key: value for key, value in found.items() if value}


def _unfelt(case: Case, machine: Bindings) -> str:
    """Return why a sick machine hurts nobody now; empty where it does, or may."""
    if all(anomaly.detector == MACHINE for anomaly in case.incident.anomalies):
        return "no service shows a sign"
    return "nothing guarded runs there" if machine["node"] and not machine["replicas"] else ""


def _about(entity: str, hypothesis: Hypothesis, subject: Subject) -> bool:
    """Whether evidence about an entity may speak for the hypothesis's remedy."""
    names = {hypothesis.entity, f"service/{subject.service.name}", f"model/{subject.service.model}"}
    return entity in names or entity.startswith((f"replica/{subject.service.name}/", f"vendor/{subject.service.name}/"))


def _release(subject: Subject, scene: Scene) -> Bindings:
    """The revision before the current one."""
    deployment = scene.observation.topology.deployment(subject.service.name)
    if deployment is None:
        return {}
    numbers = [revision.number for revision in deployment.revisions]
    place = numbers.index(deployment.current) if deployment.current in numbers else 0
    return {"good_revision": numbers[place - 1] if place > 0 else "", "current_revision": deployment.current}


def _machine(subject: Subject, scene: Scene, known: Bindings) -> Bindings:
    topology = scene.observation.topology
    replica = subject.rest[1] if subject.kind == "replica" and len(subject.rest) > 1 else str(known.get("replica", ""))
    node = subject.rest[0] if subject.kind in ("node", "gpu") and subject.rest else str(known.get("node", ""))
    if not node and replica:
        node = next((each.node for each in topology.replicas if each.name == replica), "")
    guarded = {service.name for service in scene.fleet.services} - {each.name for each in scene.fleet.batches}
    there = [f"{each.service}/{each.name}" for each in topology.on(node) if each.service in guarded] if node else []
    return {"replica": replica, "node": node, "replicas": tuple(sorted(there))[:MOST_MOVED]}


def _vendor(subject: Subject, scene: Scene) -> Bindings:
    service = subject.service
    if service.kind is not ServiceKind.VENDOR:
        return {}
    named = subject.rest[1] if subject.kind == "vendor" and len(subject.rest) > 1 else ""
    sick = named or service.vendors[0]
    others = [vendor for vendor in service.vendors if vendor != sick]
    errors = {vendor: _errors(scene, service.name, vendor) for vendor in others}
    best = min(others, key=lambda vendor: (errors[vendor], others.index(vendor)), default="")
    return {"from_vendor": sick, "to_vendor": best}


def _errors(scene: Scene, service: str, vendor: str) -> float:
    value = scene.observation.value("vendor_error_ratio", f"vendor/{service}/{vendor}")
    return 1.0 if value is None else value


def _scale(subject: Subject, scene: Scene, past: Sequence[Case]) -> Bindings:
    if subject.service.kind is ServiceKind.VENDOR:
        return {}
    recent = [seen for seen in scene.history if seen.at > scene.now - LATELY]
    wider = more(scene.observation, subject.service, recent, 2 ** _widened(subject.service.name, scene.now, past))
    narrower = staged(scene, subject.service, fewer(scene.observation, subject.service)[:STEPS_IN])
    return {"more_replicas": str(wider or ""), "fewer_replicas": tuple(map(str, narrower))}


def _widened(service: str, now: datetime, past: Sequence[Case]) -> int:
    """Return how often lately replicas were added and did not suffice for long: then twice as many are, each time."""
    ends = [
        case.outcome.at
        for case in past
        if case.plan
        and (case.plan.playbook, case.plan.service) == (WIDER, service)
        and case.outcome
        and case.outcome.verdict == "recovered"
    ]
    return sum(now - at < AGAIN for at in ends)


def _model(subject: Subject, scene: Scene, case: Case, past: Sequence[Case]) -> Bindings:
    service = subject.service
    if not service.model:
        return {}
    try:
        state = scene.senses.registry.model(service.model)
    except ToolError:
        return {}
    champion = state.aliases.get("champion", "")
    versions = [version.version for version in state.versions]
    place = versions.index(champion) if champion in versions else 0
    window = lessons(service.name, champion, scene, case, past)
    return {
        "model": service.model,
        "champion": champion,
        "good_version": versions[place - 1] if place > 0 else "",
        "candidate": _fresh_name(case, versions),
        "train_seconds": str(service.training.deadline.total_seconds() if service.training else TRAIN_SECONDS),
        **({"train_start": window[0].isoformat(), "train_end": window[1].isoformat()} if window else {}),
    }


def _fresh_name(case: Case, taken: list[str]) -> str:
    """Return a version name that is this incident's alone."""
    base = f"p-{case.incident.id.removeprefix('inc-')}"
    numbered = [base, *(f"{base}-{number}" for number in range(2, 10))]
    return next((name for name in numbered if name not in taken), "")
