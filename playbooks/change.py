"""A person's change of a plan: another plan, with another hash, on the same frozen targets."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from playbooks.bind import touched
from playbooks.plan import Plan, Step
from tools.action import ACTION
from tools.errors import Refused

SKIP = "skip"
FROZEN = frozenset(("verb", "service", "node", "replica", "model", "alias"))  # what a step is done to


def changed(plan: Plan, changes: Mapping[str, str], by: str, now: datetime) -> Plan:
    """Return the plan that a person wants instead: ``step.field=value``, or ``step=skip`` to leave a step out.

    ``Refused`` with one line where that is no plan: an unknown step or field, another target, a value that does not
    fit, nothing left, nothing changed. Whether it may be done is for the judge, as with every plan.
    """
    wanted = _by_step(plan, changes)
    steps = tuple(_steps(plan, wanted))
    if not steps:
        raise Refused("no step would be left: reject the plan instead")
    if steps == plan.steps:
        raise Refused("that is the plan as it is")
    if not touched(plan.service, (s.action for s in steps)) <= touched(plan.service, (s.action for s in plan.steps)):
        raise Refused("it would touch what the plan does not touch")
    said = ", ".join(f"{name}={value}" for name, value in changes.items())
    number = int(plan.id.rpartition("-m")[2]) + 1 if plan.id.rpartition("-m")[2].isdigit() else 1
    root = plan.id.rpartition("-m")[0] if number > 1 else plan.id
    update = {"id": f"{root}-m{number}", "at": now, "steps": steps}
    return plan.model_copy(update={**update, "predicted": f"{plan.predicted}; changed by {by}: {said}"})


def _by_step(plan: Plan, changes: Mapping[str, str]) -> Mapping[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, value in changes.items():
        step, dot, field = name.partition(".")
        if step not in {each.id for each in plan.steps}:
            raise Refused(f"the plan has no step {step!r}; there are {', '.join(each.id for each in plan.steps)}")
        if not dot and value != SKIP:
            raise Refused(f"{name}={value}: write STEP.FIELD=VALUE, or STEP={SKIP}")
        found.setdefault(step, {})[field] = value
    return found


def _steps(plan: Plan, wanted: Mapping[str, dict[str, str]]) -> Iterator[Step]:
    for step in plan.steps:
        fields = wanted.get(step.id, {})
        if "" not in fields:
            yield _step(step, fields) if fields else step


def _step(step: Step, fields: Mapping[str, str]) -> Step:
    values: dict[str, Any] = step.action.model_dump(mode="json")
    for name, value in fields.items():
        if name not in values:
            may = ", ".join(sorted(values.keys() - FROZEN))
            raise Refused(f"step {step.id} has no {name}; it has {may or 'nothing that may be changed'}")
        if name in FROZEN:
            raise Refused(f"step {step.id}: its {name} is what was judged and approved, and stays")
        values[name] = _read(value) if isinstance(values[name], dict) else value
    try:
        return step.model_copy(update={"action": ACTION.validate_python(values)})
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(f"step {step.id}: {'.'.join(str(p) for p in first['loc'][1:])} {first['msg']}") from None


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refused(f"{text[:60]!r} is no JSON") from None
