"""Situating: what a plan would do to capacity, money and others, as the whole numbers that rules may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from agent.capacity import ready_of, use_lately, wanted_of
from agent.casebook import Case
from agent.headroom import headroom
from agent.moving import dead, useless
from agent.observe import Scene
from agent.spending import forecast
from agent.working import ready_beside
from config.fleet import Service, ServiceKind
from playbooks.plan import Plan
from policies.controls import KIND as PAUSE
from policies.controls import paused
from policies.decision import Situation
from policies.floor import Ready
from policies.storm import openings, storming
from tools.action import (
    ConvertInputs,
    EvictReplica,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
    TrainModel,
)
from tools.journal import Entry, Journal
from tools.ports import Cluster

STORM = 0.6  # share of the services with an incident of their own at one time
# Actions that write nothing of a deployment.
OUTSIDE: Final = frozenset((SetAlias, SetSplit, TrainModel, ConvertInputs))
SCALERS: Final = frozenset(("hpa", "keda"))  # own the replica count and nothing else
DAY = timedelta(
    days=1
)  # in which runs against one fault are counted: one that comes back after each cure is a person's
LATELY = timedelta(minutes=30)  # over which the pace of errors is looked at
DEFAULT_LOAD = 60  # per cent, where nothing measures the load of an outside service


@dataclass(frozen=True, slots=True)
class Effect:
    """What the worst step leaves of one service. ``gold_blast``: per cent of the gold service that it is worst for."""

    blast_percent: int
    floor_margin: int
    load_percent: int
    proven: bool = True
    proof: str = ""
    gold_blast: int = 0


def situate(case: Case, plan: Plan, scene: Scene, journal: Journal, open_cases: int, freeze: str) -> Situation:
    """Return the facts that the judge may see about one plan, now; ``freeze`` says which window is open, if any."""
    service = scene.fleet.service(plan.service)
    host = scene.fleet.host(service)  # whom people feel it at
    deployment = scene.observation.topology.deployment(service.name)
    effect, spends = _effect(plan, scene), forecast(plan, scene, journal)
    pauses = journal.entries(kinds=(PAUSE,))
    pause = paused(pauses, service.name, scene.now) or paused(pauses, host.name, scene.now)
    recent = [entry for entry in journal.entries(kinds=("STEP_INTENT",)) if entry.at > scene.now - timedelta(hours=1)]
    return Situation(
        incident=case.incident.id,
        at=scene.now,
        environment=service.environment,
        tier=host.tier,
        severity=case.incident.severity,
        confidence_percent=round(100 * _confidence(case, plan)),
        data_fresh=_fresh(scene, plan, host),
        storm=open_cases >= max(3, round(STORM * scene.fleet.size)) or _storming(journal, scene),
        frozen=bool(freeze),
        freeze=freeze,
        paused=pause is not None,
        pause=pause.words() if pause else "",
        opted_out=bool(deployment and deployment.opted_out),
        other_owner=bool(deployment and _owned(deployment.owners, plan)) or _claimed(plan, scene),
        attempts=len(_runs(case, plan, scene.now, journal)),
        service_actions_last_hour=_count(recent, service.name),
        fleet_actions_last_hour=len(recent),
        blast_percent=effect.blast_percent,
        gold_blast_percent=effect.gold_blast,
        floor_margin=effect.floor_margin,
        load_percent=effect.load_percent,
        capacity_proven=effect.proven,
        capacity=effect.proof,
        budget_burn_percent=_burn(host, scene),
        budget_cost_percent=spends.cost_percent,
        budget_left_percent=spends.left_percent,
        budget_cost=spends.text,
        money_per_hour=_money(plan, scene),
        features_compared=_compared(case, plan),
        reversible=plan.undo == "inverse",
    )


def ready_now(cluster: Cluster) -> Ready:
    """Return what counts a service's ready replicas, all and beside one, as the cluster has them right then."""
    return lambda service, replica: ready_beside(cluster.topology(), service, replica)


def _storming(journal: Journal, scene: Scene) -> bool:
    began = openings(journal.entries(kinds=("INCIDENT",)))
    return storming(((at, subject) for subject, at in began.items()), scene.fleet.size, scene.now)


def _confidence(case: Case, plan: Plan) -> float:
    ranked = case.diagnosis.hypotheses if case.diagnosis else ()
    alike = case.diagnosis.alike if case.diagnosis else ()
    if ranked and plan.fault in alike:
        return min(
            1.0, sum(item.probability for item in ranked if item.fault in alike and item.entity == ranked[0].entity)
        )
    return max((item.probability for item in ranked if item.fault == plan.fault), default=0.0)


def _fresh(scene: Scene, plan: Plan, host: Service) -> bool:
    """Whether what the plan rests on is known: a promise is measured, or a release left nothing that could be.

    The second the cluster itself says; it is ground enough to go back to the release before, and for nothing else.
    """
    wanted = [objective.signal for objective in host.objectives]
    known = [scene.observation.value(name, f"service/{host.name}") for name in wanted]
    stuck = scene.observation.rollouts.get(plan.service)
    silent = (
        stuck is not None and not stuck.serving and all(type(step.action) is RestoreRevision for step in plan.steps)
    )
    return (silent or any(value is not None for value in known)) and not scene.observation.problems


def _owned(owners: Sequence[str], plan: Plan) -> bool:
    """Whether another controller of the deployment writes what the plan would write; an alias is none of it."""
    verbs = {type(step.action) for step in plan.steps}
    return any(SetReplicas in verbs or (owner not in SCALERS and bool(verbs - OUTSIDE)) for owner in owners)


def _claimed(plan: Plan, scene: Scene) -> bool:
    """Whether somebody else mends or removes a node that the plan would write."""
    claimed = {node.name for node in scene.observation.topology.nodes if node.owners}
    return any(isinstance(step.action, SetSchedulable) and step.action.node in claimed for step in plan.steps)


def _runs(case: Case, plan: Plan, now: datetime, journal: Journal) -> set[str]:
    """Return the earlier plans of this incident, and those that were run lately against the same fault elsewhere."""
    entries = journal.entries(kinds=("PLAN", "RUN_PLANNED", "EXECUTION"))
    barred = {entry.body["plan"] for entry in entries if entry.kind == "EXECUTION" and entry.body.get("barred")}
    run = {entry.body["plan"] for entry in entries if entry.kind == "RUN_PLANNED" and entry.at > now - DAY}
    made = [entry.body for entry in entries if entry.kind == "PLAN"]
    again = {body["id"] for body in made if (body["service"], body["fault"]) == (plan.service, plan.fault)}
    # What a person changed was never run under its old name: it is the same attempt.
    here = {each.id for each in case.plans if each.attempt != plan.attempt}
    return (here | (again & run)) - {plan.id} - barred


def _count(recent: Sequence[Entry], service: str) -> int:
    """Return how many steps wrote to the service, whatever incident they belonged to."""
    return sum(1 for entry in recent if entry.body["action"].get("service") == service)


def _compared(case: Case, plan: Plan) -> bool:
    """Whether what a plan would learn is known to be served as training computes it, or gives no ground for doubt."""
    if not any(isinstance(step.action, TrainModel) for step in plan.steps):
        return True
    seen = {item.finding: item.weight for item in case.evidence}
    doubt = max(seen.get(finding, 0.0) for finding in ("inputs_moved", "joint_moved")) > 0
    return seen.get("features_skewed", 0.0) < 0 or not doubt


def _effect(plan: Plan, scene: Scene) -> Effect:
    """Return the worst of the steps. Each is held and guarded, so what it takes away counts from the step before."""
    worst = Effect(0, *_unchanged(plan.service, scene))
    ready: dict[str, int] = {}
    fault = (plan.fault, plan.service)
    for step in plan.steps:
        match step.action:
            case EvictReplica(service=name, replica=replica) if not useless((name, replica), fault, scene):
                # It is held for a moment, not for as long as a replica loads: those that went before are still away.
                there = ready.get(name, ready_of(scene.observation, name))
                found = _after(name, there, there - 1, scene, plan)
                ready[name] = there - 1
            case SetReplicas(service=name, replicas=count):
                found = _after(name, ready.get(name, ready_of(scene.observation, name)), count, scene, plan)
                ready[name] = count
            case _:
                continue
        worst = _worse(worst, found, counts=bool(found.blast_percent) or isinstance(step.action, SetReplicas))
    return worst


def _worse(worst: Effect, found: Effect, *, counts: bool) -> Effect:
    """Return the worst so far with one more step; one that takes nothing away ``counts`` where it sets the replicas."""
    gold = max(worst.gold_blast, found.gold_blast)
    if counts and found.blast_percent >= worst.blast_percent:
        proof = found.proof or worst.proof
        return replace(found, proven=worst.proven and found.proven, proof=proof, gold_blast=gold)
    if not found.proven:
        return replace(worst, proven=False, proof=found.proof, gold_blast=gold)
    return replace(worst, gold_blast=gold)


def _unchanged(name: str, scene: Scene) -> tuple[int, int]:
    service = scene.fleet.service(name)
    use = use_lately(scene.history, service)
    margin = max(ready_of(scene.observation, name), wanted_of(scene.observation, name)) - service.min_replicas
    if service.kind is ServiceKind.VENDOR:
        margin = 0  # no replicas of ours, and so no floor
    return margin, DEFAULT_LOAD if use is None else round(100 * use)


def _after(name: str, before: int, left: int, scene: Scene, plan: Plan) -> Effect:
    service = scene.fleet.service(name)
    if service.kind is ServiceKind.BATCH:  # nobody waits for what goes
        return Effect(0, left - service.min_replicas, 0)
    ready = ready_of(scene.observation, name)
    use = use_lately(scene.history, service)
    load = 100 if use is None else round(100 * use * ready / max(left, 1))
    blast = round(100 * max(before - left, 0) / before) if before else 0
    if not blast:
        return Effect(0, left - service.min_replicas, load)
    shown, blast = headroom(scene, service, left, moving=plan.fault in dead()), min(blast, 100)
    gold = blast if service.tier == "gold" else 0  # whoever the patient is, a service counts by its own tier
    return Effect(blast, left - service.min_replicas, load, shown.proven, shown.text, gold)


def _burn(service: Service, scene: Scene) -> int:
    """Return the pace at which errors lately spent their budget, per cent: of the worst objective; unknown is 0."""
    paces = [
        sum(known) / len(known) / objective.target
        for objective in service.objectives
        if objective.signal == "error_ratio" and objective.bound == "below" and objective.target > 0
        if (known := _lately(scene, objective.signal, service.name))
    ]
    return round(100 * max(paces, default=0.0))


def _lately(scene: Scene, signal: str, service: str) -> list[float]:
    recent = [seen for seen in scene.history if seen.at > scene.now - LATELY]
    return [value for seen in recent if (value := seen.value(signal, f"service/{service}")) is not None]


def _money(plan: Plan, scene: Scene) -> float:
    spend = scene.observation.value("spend", f"service/{plan.service}")
    wanted = wanted_of(scene.observation, plan.service)
    targets = [step.action.replicas for step in plan.steps if isinstance(step.action, SetReplicas)]
    if not targets or not wanted or spend is None:
        return 0.0
    return round(spend / wanted * (targets[-1] - wanted), 2)
