"""Hard caps: bounds in code that no rule file can raise. A breach is a denial, whatever the rules say."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from pydantic import Field

from config.frozen import Frozen
from playbooks.plan import Plan, PlaybookClass
from policies.decision import Reason, Situation
from policies.facts import targets_in
from tools.action import (
    Action,
    ConvertInputs,
    EvictReplica,
    RestoreRevision,
    SetAlias,
    SetReplicas,
    SetSchedulable,
    SetSplit,
    TrainModel,
)

_VERBS: Mapping[PlaybookClass, frozenset[str]] = {
    "rollback": frozenset({"restore_revision", "set_alias", "set_split"}),
    "scale": frozenset({"set_replicas"}),
    "retrain": frozenset({"train_model", "convert_inputs", "set_alias", "set_split"}),
    "failover": frozenset({"evict_replica", "set_schedulable", "set_split"}),
}


class Caps(Frozen):
    """The caps. Every one may be tightened in the settings, and none loosened beyond its ceiling here."""

    service_actions_per_hour: int = Field(
        default=12, ge=0, le=30, description="steps on one service, this plan included"
    )
    fleet_actions_per_hour: int = Field(
        default=60, ge=0, le=200, description="steps on all services, this plan included"
    )
    class_actions_per_hour: int = Field(default=40, ge=0, le=200, description="steps of one class of playbooks")
    service_runs: int = Field(default=1, ge=0, le=2, description="runs on one service at once")
    class_runs: int = Field(default=3, ge=0, le=10, description="runs of one class of playbooks at once")
    fleet_runs: int = Field(default=4, ge=0, le=20, description="runs in the fleet at once")
    money_per_day: float = Field(default=500.0, ge=0, description="sum of the money bounds of a day's runs")
    blast_percent: int = Field(default=75, ge=0, le=90, description="share of a service's ready replicas away at once")
    budget_cost_percent: int = Field(
        default=100, ge=0, le=100, description="share of a day's error budget that a plan may be forecast to spend"
    )
    floor_margin: int = Field(default=0, ge=0, description="ready replicas above the floor after the worst step")
    steps: int = Field(default=12, ge=1, le=30, description="steps of one plan")
    replicas: int = Field(default=200, ge=1, le=1000, description="replicas that may be asked for")
    replicas_multiple: int = Field(default=3, ge=1, le=10, description="times the present replicas, at one step")
    attempts: int = Field(
        default=3, ge=1, le=10, description="runs against one fault of one service in a day, this plan included"
    )
    train_seconds: float = Field(default=3600, gt=0, le=6 * 3600, description="length of one training")
    verbs: Mapping[PlaybookClass, frozenset[str]] = Field(
        default_factory=lambda: _VERBS,  # a plain default would be copied, deep, for every Caps made
        description="verbs of every playbook class",
    )


def breaches(plan: Plan, situation: Situation, caps: Caps) -> tuple[Reason, ...]:
    """Return every cap that a plan would break; none: the caps do not object."""
    return (
        *_of_rate(plan, situation, caps),
        *_of_attempts(plan, situation, caps),
        *_of_effect(situation, caps),
        *_of_shape(plan, caps),
    )


def action_breach(action: Action, caps: Caps) -> Reason | None:
    """Return the cap that an action breaks by itself, whatever plan it is part of."""
    match action:
        case SetReplicas(replicas=0):
            return Reason(rule="cap-never-zero", text="set_replicas to 0 is never done")
        case SetReplicas(replicas=wanted):
            return _above("cap-replicas", "replicas", wanted, caps.replicas)
        case TrainModel(max_seconds=seconds):
            return _above("cap-train-seconds", "training seconds", seconds, caps.train_seconds)
        case RestoreRevision() | EvictReplica() | SetSchedulable() | SetAlias() | SetSplit() | ConvertInputs():
            return None
        case _:
            assert_never(action)


def multiple_breach(action: SetReplicas, present: int, caps: Caps) -> Reason | None:
    """Return the breach when a step asks for too many times the ``present`` replicas."""
    ceiling = caps.replicas_multiple * max(present, 1)
    return _above("cap-replicas-multiple", "replicas", action.replicas, ceiling)


def _of_rate(plan: Plan, situation: Situation, caps: Caps) -> Iterable[Reason]:
    steps = len(plan.steps)
    for rule, words, before, ceiling in (
        ("cap-service-hour", "actions", situation.service_actions_last_hour, caps.service_actions_per_hour),
        ("cap-fleet-hour", "fleet actions", situation.fleet_actions_last_hour, caps.fleet_actions_per_hour),
    ):
        if before + steps > ceiling:
            yield Reason(rule=rule, text=f"{words} this hour {before} + {steps} = {before + steps} > {ceiling}")


def _of_attempts(plan: Plan, situation: Situation, caps: Caps) -> Iterable[Reason]:
    run = max(plan.attempt, situation.attempts + 1)
    if run > caps.attempts:
        text = f"runs against {plan.fault} of {plan.service} in a day {run} > {caps.attempts}"
        yield Reason(rule="cap-attempts", text=text)


def _of_effect(situation: Situation, caps: Caps) -> Iterable[Reason]:
    if over := _above("cap-blast", "blast per cent", situation.blast_percent, caps.blast_percent):
        yield over
    spends = "per cent of a day's error budget"
    if over := _above("cap-error-budget", spends, situation.budget_cost_percent, caps.budget_cost_percent):
        yield over
    # Below the floor with nothing taken away, the service was below it before: healing it is not forbidden.
    if situation.blast_percent > 0 and situation.floor_margin < caps.floor_margin:
        yield Reason(rule="cap-floor", text=f"replicas above the floor {situation.floor_margin} < {caps.floor_margin}")


def _of_shape(plan: Plan, caps: Caps) -> Iterable[Reason]:
    if over := _above("cap-steps", "steps", len(plan.steps), min(caps.steps, plan.bounds.steps)):
        yield over
    if over := _above("cap-targets", "targets", targets_in(plan), plan.bounds.targets):
        yield over
    for step in plan.steps:
        if over := action_breach(step.action, caps):
            yield over
    allowed = caps.verbs.get(plan.class_, frozenset()) & _VERBS[plan.class_]
    if strange := {step.action.verb for step in plan.steps} - allowed:
        for verb in sorted(strange):
            yield Reason(rule="cap-verbs", text=f"{verb} is no verb of a {plan.class_} playbook")


def _above(rule: str, words: str, value: float, ceiling: float) -> Reason | None:
    return Reason(rule=rule, text=f"{words} {value:g} > {ceiling:g}") if value > ceiling else None
