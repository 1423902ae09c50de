"""What the tests of the policies are made of: a calm situation, a plan of each class, the rules that ship."""

from pathlib import Path
from typing import Any

from playbooks.plan import Plan, PlaybookClass
from policies.decision import Situation
from policies.examples import CALM, NOON, Example, small_plan

NOW = NOON
RULES_DIR = Path(__file__).parents[2] / "policies" / "rules"
SCHEMA = (RULES_DIR / "prunella.cedarschema").read_text()
TEXTS = {path.name: path.read_text() for path in sorted(RULES_DIR.glob("*.cedar"))}


def situation(**changes: Any) -> Situation:
    return Situation.model_validate({**CALM, **changes})


def plan(class_: PlaybookClass = "rollback", actions: list[dict[str, Any]] | None = None, **changes: Any) -> Plan:
    example = Example.model_validate({"name": "any", "class": class_, "actions": actions or [], "verdict": "allow"})
    return small_plan(example).model_copy(update=changes)
