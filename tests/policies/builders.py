"""What the tests of the policies are made of: a calm situation, a plan of each class, the rules that ship."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playbooks.plan import Bounds, Plan, Step, Verification
from policies.decision import Situation
from tools.action import ACTION

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES_DIR = Path(__file__).parents[2] / "policies" / "rules"
SCHEMA = (RULES_DIR / "prunella.cedarschema").read_text()
TEXTS = {path.name: path.read_text() for path in sorted(RULES_DIR.glob("*.cedar"))}

CALM: dict[str, Any] = {
    "incident": "inc-1",
    "at": NOW,
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
    "money_per_hour": 0.0,
    "reversible": True,
}
ACTIONS: dict[str, dict[str, Any]] = {
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


def situation(**changes: Any) -> Situation:
    return Situation.model_validate({**CALM, **changes})


def plan(class_: str = "rollback", actions: list[dict[str, Any]] | None = None, **changes: Any) -> Plan:
    steps = tuple(
        Step(id=f"s{number}", action=ACTION.validate_python(action))
        for number, action in enumerate(actions or [ACTIONS[class_]])
    )
    fields: dict[str, Any] = {
        "id": "plan-1",
        "incident": "inc-1",
        "at": NOW,
        "playbook": {"scale": "scale_out"}.get(class_, class_),
        "class_": class_,
        "service": "chat",
        "fault": "bad_release",
        "steps": steps,
        "bounds": Bounds(steps=4, time=timedelta(hours=1), targets=2, money=5.0),
        "verification": Verification(hold=timedelta(minutes=2), deadline=timedelta(minutes=10)),
        "predicted": "errors back under 1 %",
    }
    return Plan(**{**fields, **changes})
