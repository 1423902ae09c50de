"""Facts: a plan and its situation in the words and whole numbers of the rule language."""

import math
from collections.abc import Mapping
from datetime import UTC

from playbooks.plan import Plan
from policies.decision import Situation
from tools.action import Action, SetSchedulable

Fact = bool | int | str | tuple[str, ...]
Facts = Mapping[str, Mapping[str, Fact]]  # {"context": {...}, "resource": {...}}, as rules name them


def facts_of(plan: Plan, situation: Situation) -> Facts:
    """Return everything that a rule may see. Money is in cents, rounded against the plan."""
    return {
        "context": {
            **_of_plan(plan),
            **_of_moment(situation),
            **_of_effect(situation),
            "attempt": _attempt(plan, situation),
        },
        "resource": {"tier": situation.tier, "environment": situation.environment},
    }


def targets_of(action: Action) -> frozenset[str]:
    """Return the service or node that an action writes, e.g. ``{"service/chat"}``."""
    return frozenset([_target(action)])


def targets_in(plan: Plan) -> int:
    """Return how many distinct services and nodes a plan writes."""
    return len({_target(step.action) for step in plan.steps})


def _target(action: Action) -> str:
    return f"node/{action.node}" if isinstance(action, SetSchedulable) else f"service/{action.service}"


def _attempt(plan: Plan, situation: Situation) -> int:
    return max(plan.attempt, situation.attempts + 1)


def _of_plan(plan: Plan) -> Mapping[str, Fact]:
    return {
        "playbook": plan.playbook,
        "class": plan.class_,
        "fault": plan.fault,
        "verbs": tuple(sorted({step.action.verb for step in plan.steps})),
        "steps": len(plan.steps),
        "targets": targets_in(plan),
        "undoable": plan.undo != "none",
        "money_bound_cents": math.floor(round(plan.bounds.money * 100, 6)),
    }


def _of_moment(situation: Situation) -> Mapping[str, Fact]:
    at = situation.at.astimezone(UTC)
    return {
        "incident": situation.incident,
        "severity": situation.severity,
        "confidence_percent": situation.confidence_percent,
        "hour": at.hour,
        "weekday": at.isoweekday(),
        "data_fresh": situation.data_fresh,
        "storm": situation.storm,
        "frozen": situation.frozen,
        "paused": situation.paused,
        "opted_out": situation.opted_out,
        "other_owner": situation.other_owner,
        "service_actions_last_hour": situation.service_actions_last_hour,
        "fleet_actions_last_hour": situation.fleet_actions_last_hour,
    }


def _of_effect(situation: Situation) -> Mapping[str, Fact]:
    return {
        "blast_percent": situation.blast_percent,
        "gold_blast_percent": situation.gold_blast_percent,
        "floor_margin": situation.floor_margin,
        "load_percent": situation.load_percent,
        "capacity_proven": situation.capacity_proven,
        "budget_burn_percent": situation.budget_burn_percent,
        "budget_cost_percent": situation.budget_cost_percent,
        "budget_left_percent": situation.budget_left_percent,
        "money_cents": math.ceil(round(situation.money_per_hour * 100, 6)),
        "features_compared": situation.features_compared,
        "reversible": situation.reversible,
    }
