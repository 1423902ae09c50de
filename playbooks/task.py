"""One operation to be carried out: a step of a plan, or the undoing of one."""

from collections.abc import Mapping
from dataclasses import dataclass

from playbooks.bind import touched
from playbooks.plan import Plan
from playbooks.run import Leg, RunState
from playbooks.walk import operation_id
from tools.action import Action


@dataclass(frozen=True, slots=True)
class Task:
    """One operation; ``leg`` is what is known of it so far, None before its intent."""

    step: str
    forward: Action  # the step's own action: what is read to see how its target stands
    action: Action  # what is applied: the same, or its inverse
    operation: str
    undo: bool
    leg: Leg | None

    @property
    def kind(self) -> str:
        """The kind of its journal entries, less the ending."""
        return "COMPENSATE" if self.undo else "STEP"


def task(plan: Plan, run: RunState, index: int, *, undo: bool) -> Task:
    """Return the operation of one step."""
    step = plan.steps[index]
    leg = run.steps.get(step.id)
    operation = operation_id(plan, step.id, undo=undo)
    if not undo:
        return Task(step.id, step.action, step.action, operation, undo, leg)
    inverse = leg.inverse if leg is not None and leg.inverse is not None else step.action
    return Task(step.id, step.action, inverse, operation, undo, run.undone.get(step.id))


def earlier_states(plan: Plan, run: RunState, index: int) -> list[Mapping[str, str]]:
    """Return how the target of a step stood before earlier steps on it: to one of those the undoing leads anyway."""
    now = plan.steps[index].action
    target = touched("", [now])
    steps = [step for step in plan.steps[:index] if step.id in run.steps and step.action.verb == now.verb]
    return [run.steps[step.id].before for step in steps if touched("", [step.action]) == target]


def versions_of(action: Action) -> set[str]:
    """Return the model versions, or other backends, that an action needs to exist."""
    match action.verb:
        case "set_alias":
            return {action.version}
        case "set_split":
            return set(action.weights)
        case "convert_inputs":
            return {action.of}
        case _:
            return set()
