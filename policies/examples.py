"""Decisions by example: what the rules are meant to say, as data beside them, and whether they say it.

An example is a plan's class, what differs from a calm situation, the verdict, and words that its reasons must have.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from config.frozen import Frozen
from playbooks.plan import Bounds, Plan, PlaybookClass, Step, Verification
from policies.caps import Caps
from policies.decision import Decision, Situation, Verdict
from policies.judge import Rules, judge
from tools.action import Action

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CALM: Mapping[str, Any] = {
    "incident": "inc-1",
    "at": NOON,
    "environment": "production",
    "tier": "silver",
    "severity": "high",
    "confidence_percent": 82,
    "data_fresh": True,
    "storm": False,
    "frozen": False,
    "paused": False,
    "opted_out": False,
    "other_owner": False,
    "attempts": 0,
    "service_actions_last_hour": 0,
    "fleet_actions_last_hour": 0,
    "blast_percent": 33,
    "floor_margin": 1,
    "load_percent": 64,
    "capacity_proven": True,
    "money_per_hour": 0.0,
    "reversible": True,
}
"""A situation in which nothing stands in the way."""

ACTIONS: Mapping[PlaybookClass, Mapping[str, Any]] = {
    "rollback": {"verb": "restore_revision", "service": "chat", "revision": "4"},
    "scale": {"verb": "set_replicas", "service": "chat", "replicas": 4},
    "retrain": {
        "verb": "train_model",
        "service": "chat",
        "model": "fraud",
        "version": "8",
        "start_at": "2026-02-01T00:00:00Z",
        "end_at": "2026-03-01T00:00:00Z",
    },
    "failover": {"verb": "evict_replica", "service": "chat", "replica": "chat-7d9f-x"},
}
"""The one step of an example that names none."""


class Example(Frozen):
    """One decision that the rules are meant to make."""

    name: str = Field(min_length=1)
    class_: PlaybookClass = Field(alias="class")
    playbook: str = ""
    service: str = "chat"
    actions: tuple[Action, ...] = ()
    situation: dict[str, Any] = Field(default_factory=dict, description="what differs from a calm one")
    plan: dict[str, Any] = Field(default_factory=dict, description="what differs from a small plan: undo, attempt")
    verdict: Verdict
    says: tuple[str, ...] = Field(default=(), description="words that must be among the reasons")


class Tried(Frozen):
    """What the rules said about an example; ``wrong``: how that differs from what is meant, empty: it does not."""

    name: str
    decision: Decision
    wrong: tuple[str, ...]


_EXAMPLES = TypeAdapter(tuple[Example, ...])


def read_examples(text: str) -> tuple[Example, ...]:
    """Read a YAML list of examples; ``ValueError`` says in one line what is wrong with it."""
    try:
        found = _EXAMPLES.validate_python(yaml.safe_load(text) or ())
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"example {where}: {first['msg']}") from None
    for example in found:
        if unknown := set(example.situation) - set(Situation.model_fields):
            raise ValueError(f"example {example.name}: a situation has no {', '.join(sorted(unknown))}")
    return found


def try_out(examples: Sequence[Example], rules: Rules, caps: Caps) -> tuple[Tried, ...]:
    """Judge every example."""
    return tuple(_tried(example, rules, caps) for example in examples)


def _tried(example: Example, rules: Rules, caps: Caps) -> Tried:
    situation = Situation.model_validate({**CALM, **example.situation})
    decision = judge(small_plan(example), situation, rules, caps)
    texts = "\n".join(reason.text for reason in decision.reasons)
    wrong = [f"is {decision.verdict}, not {example.verdict}"] if decision.verdict is not example.verdict else []
    wrong += [f"does not say {words!r}" for words in example.says if words not in texts]
    return Tried(name=example.name, decision=decision, wrong=tuple(wrong))


def small_plan(example: Example) -> Plan:
    """Return the plan that an example is about."""
    class_ = example.class_
    actions = example.actions or (ACTIONS[class_],)
    steps = [{"id": f"s{number}", "action": action} for number, action in enumerate(actions)]
    fields: dict[str, Any] = {
        "id": "plan-1",
        "incident": "inc-1",
        "at": NOON,
        "playbook": example.playbook or {"scale": "scale_out"}.get(class_, class_),
        "class_": class_,
        "service": example.service,
        "fault": "bad_release",
        "steps": tuple(Step.model_validate(step) for step in steps),
        "bounds": Bounds(steps=4, time=timedelta(hours=1), targets=2, money=5.0),
        "verification": Verification(hold=timedelta(minutes=2), deadline=timedelta(minutes=10)),
        "predicted": "errors back under 1 %",
    }
    return Plan.model_validate({**fields, **example.plan})
