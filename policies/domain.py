"""Which facts can occur at all: the bounds of a situation, the verbs and the words that exist.

Without them a proof would trip over requests that nobody can make, such as a tier called "" or hour 99.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from policies.decision import Situation
from tools.action import VERBS

Bounds = tuple[int | None, int | None]
_OWN: Mapping[str, Bounds] = {
    "steps": (1, None),
    "targets": (1, None),
    "attempt": (1, None),
    "hour": (0, 23),
    "weekday": (1, 7),
    "money_bound_cents": (0, None),
}
SETS: Mapping[str, tuple[str, ...]] = {"verbs": VERBS}  # each is a part of these, and never empty

_PLAYBOOKS = {
    "rollback": ("rollback_release", "restore_revision", "bad_rollout_errors"),
    "scale": ("scale_out", "set_replicas", "kv_cache_saturation"),
    "retrain": ("retrain", "train_model", "concept_drift"),
    "failover": ("failover_replica", "evict_replica", "engine_hang_200"),
}
_CALM: Mapping[str, Any] = {
    "steps": 1,
    "targets": 1,
    "attempt": 1,
    "undoable": True,
    "money_bound_cents": 500,
    "incident": "inc-1",
    "severity": "high",
    "confidence_percent": 90,
    "hour": 12,
    "weekday": 2,
    "data_fresh": True,
    "floor_margin": 1,
    "load_percent": 50,
    "capacity_proven": True,
    "features_compared": True,
    "budget_left_percent": 100,
    "money_cents": 0,
    "reversible": True,
    "tier": "silver",
    "environment": "production",
}


def bounds() -> Mapping[str, Bounds]:
    """Return the least and the most of each whole number; None where nothing bounds it."""
    found = {name: _bounds(field.metadata) for name, field in Situation.model_fields.items() if field.annotation is int}
    return {**found, **_OWN}


def choices() -> Mapping[str, tuple[str, ...]]:
    """Return the words that a fact can be, for those of which all are known."""
    fields = {name: field.annotation for name, field in Situation.model_fields.items()}
    return {name: get_args(kind) for name, kind in fields.items() if get_origin(kind) is Literal}


def usual(class_: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return an ordinary value of each fact, so that what is not ordinary about a request stands out."""
    playbook, verb, fault = _PLAYBOOKS.get(class_, (class_, VERBS[0], "a fault"))
    known = {**_CALM, "class": class_, "playbook": playbook, "verbs": (verb,), "fault": fault}
    blank: Mapping[str, Any] = {"Long": 0, "Bool": False, "String": "", "Set<String>": ()}
    return {name: known.get(name, blank[kind]) for name, kind in kinds.items()}


def _bounds(metadata: list[Any]) -> Bounds:
    least = next((each.ge for each in metadata if getattr(each, "ge", None) is not None), None)
    most = next((each.le for each in metadata if getattr(each, "le", None) is not None), None)
    return least, most
