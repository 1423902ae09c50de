"""Binding: a playbook and the values found for it become a plan with frozen targets."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from playbooks.plan import Guard, Plan, Playbook, Step, StepTemplate
from tools.action import ACTION, Action

Bindings = Mapping[str, str | tuple[str, ...]]


def touched(service: str, actions: Iterable[Action]) -> frozenset[str]:
    """Return what the actions write to, and the patient: ``service/S`` and ``node/N``."""
    nodes_or_services = (
        f"node/{action.node}" if action.verb == "set_schedulable" else f"service/{action.service}" for action in actions
    )
    return frozenset((f"service/{service}", *nodes_or_services))


def bind(  # noqa: PLR0913  a plan has that many independent givens, all named at the call
    playbook: Playbook,
    *,
    incident: str,
    plan_id: str,
    at: datetime,
    service: str,
    fault: str,
    bindings: Bindings,
    predicted: str,
    attempt: int = 1,
) -> Plan:
    """Return the plan; ``ValueError`` names the playbook and the binding or bound that does not fit."""
    if missing := [name for name in playbook.requires if not bindings.get(name)]:
        raise ValueError(f"playbook {playbook.id}: no value for {', '.join(missing)}")
    steps = tuple(step for template in playbook.steps for step in _steps(playbook.id, template, bindings))
    _bounded(playbook, service, steps)
    return Plan(
        id=plan_id,
        incident=incident,
        at=at,
        playbook=playbook.id,
        class_=playbook.class_,
        service=service,
        fault=fault,
        steps=steps,
        bounds=playbook.bounds,
        verification=playbook.verification.model_copy(
            update={"guards": tuple(_guard(playbook.id, guard, bindings) for guard in playbook.verification.guards)}
        ),
        undo=playbook.undo,
        predicted=predicted,
        attempt=attempt,
    )


def _bounded(playbook: Playbook, service: str, steps: tuple[Step, ...]) -> None:
    targets = touched(service, (step.action for step in steps))
    if len(steps) > playbook.bounds.steps:
        raise ValueError(f"playbook {playbook.id}: {len(steps)} steps > bounds.steps {playbook.bounds.steps}")
    if len(targets) > playbook.bounds.targets:
        names = ", ".join(sorted(targets))
        raise ValueError(f"playbook {playbook.id}: {len(targets)} targets > {playbook.bounds.targets}: {names}")
    if len({step.id for step in steps}) < len(steps):
        raise ValueError(f"playbook {playbook.id}: two steps have one id")


def _steps(playbook: str, template: StepTemplate, bindings: Bindings) -> Iterator[Step]:
    if not template.each:
        yield _step(playbook, template, template.id, bindings)
        return
    items = bindings.get(template.each, ())
    items = (items,) if isinstance(items, str) else items
    if not items or not all(items):
        raise ValueError(
            f"playbook {playbook}: step {template.id}: {template.each} is empty, and empty is not everything"
        )
    if len(set(items)) < len(items):
        raise ValueError(f"playbook {playbook}: step {template.id}: {template.each} names one thing twice")
    for number, item in enumerate(items, 1):
        yield _step(playbook, template, f"{template.id}-{number}", {**bindings, **_item(item)})


def _item(item: str) -> dict[str, str]:
    """Return the bindings of one item of a list; ``service/replica`` binds both parts."""
    service, slash, rest = item.partition("/")
    return {"each_service": service, "each": rest} if slash else {"each": item}


def _step(playbook: str, template: StepTemplate, name: str, bindings: Bindings) -> Step:
    filled = _filled(template.action, bindings, f"playbook {playbook}: step {template.id}")
    try:
        action = ACTION.validate_python(filled)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        raise ValueError(f"playbook {playbook}: step {template.id}: {field} {first['msg']}") from None
    guards = tuple(_guard(playbook, guard, bindings) for guard in template.guards)
    return Step(id=name, action=action, hold=template.hold, least=template.least, guards=guards)


def _guard(playbook: str, guard: Guard, bindings: Bindings) -> Guard:
    args = _filled(guard.args, bindings, f"playbook {playbook}: guard {guard.kind}")
    return guard.model_copy(update={"args": {key: str(value) for key, value in args.items()}})


def _spread(item: Any, bindings: Bindings) -> tuple[Any, ...]:
    """Return an entry of a list, or in its place every value of the list binding that it names."""
    found = bindings.get(item[1:]) if isinstance(item, str) and item.startswith("$") else None
    return found if isinstance(found, tuple) and found else (item,)


def _filled(value: Any, bindings: Bindings, where: str) -> Any:
    """Return ``value`` with every whole string ``$name`` replaced, keys of mappings too."""
    match value:
        case str() if value.startswith("$"):
            found = bindings.get(value[1:])
            if not isinstance(found, str) or not found:
                raise ValueError(f"{where}: no single value for {value}")
            return found
        case Mapping():
            keys = [_filled(key, bindings, where) for key in value]
            if len(set(keys)) < len(keys):
                raise ValueError(f"{where}: two keys became one: {', '.join(keys)}")
            return dict(zip(keys, (_filled(each, bindings, where) for each in value.values()), strict=True))
        case list():
            return [_filled(each, bindings, where) for item in value for each in _spread(item, bindings)]
        case _:
            return value
