"""Remedies by degrees: what helped stays, though it was not enough; and more of it may follow."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.capacity import enough, ready_of, use_of
from agent.observe import Scene
from playbooks.plan import Plan
from tools.action import SetReplicas, TrainModel
from tools.journal import Entry

LATELY = timedelta(minutes=5)  # over which the most that was used says what a load wants
LABEL_PATIENCE = timedelta(hours=2)  # for labels to train on
AGAIN = 2  # trainings of which more than "better" is wanted


def has_degrees(plan: Plan) -> bool:
    """Whether there can be more of what a plan does: replicas and nothing else, or rows to learn from."""
    return _replicas(plan) is not None or training_of(plan) is not None


def goes_further(made: Plan, tried: Sequence[Plan]) -> bool:
    """Whether a plan does more than any of the same playbook that was tried: a larger dose is another cure.

    More replicas, or a training on rows that are newer by half of the time that the one before learnt from.
    """
    if (lesson := training_of(made)) is not None:
        return all((known := training_of(plan)) is not None and more_to_learn(known, lesson.end_at) for plan in tried)
    here = _replicas(made)
    return here is not None and all((count := _replicas(plan)) is not None and here > count for plan in tried)


def training_of(plan: Plan) -> TrainModel | None:
    """Return the training of a plan; None where it trains nothing."""
    return next((step.action for step in plan.steps if isinstance(step.action, TrainModel)), None)


def more_to_learn(known: TrainModel, until: datetime) -> bool:
    """Whether rows until an instant are newer than those of a training by half of the time that it learnt from."""
    return until >= known.end_at + (known.end_at - known.start_at) / 2


def newer_in_time(known: TrainModel) -> bool:
    """Whether there may be more to learn from while a case waits for labels, a quarter of which is held back."""
    return (known.end_at - known.start_at) * (2 / 3) <= LABEL_PATIENCE


def in_use(plan: Plan, entries: Sequence[Entry], scene: Scene) -> str:
    """Return why the replicas that a plan added must not be taken away, with its arithmetic; empty where they may.

    ``entries``: the journal of its incident. They carry load where those before would be used beyond the target.
    """
    count = _replicas(plan)
    before = _before(plan, entries) if count is not None else None
    if count is None or before is None or count <= before:
        return ""
    service = scene.fleet.service(plan.service)
    looked = [seen for seen in scene.history if seen.at > scene.now - LATELY]
    loads = [
        enough(ready, use)
        for seen in looked
        if (ready := ready_of(seen, service.name)) and (use := use_of(seen, service)) is not None
    ]
    most = max(loads, default=0)
    return f"its load wants {most} replicas, and there were {before}" if most > before else ""


def _replicas(plan: Plan) -> int | None:
    """Return the replicas that a plan of one step sets; None where it does something else."""
    action = plan.steps[0].action
    return action.replicas if len(plan.steps) == 1 and isinstance(action, SetReplicas) else None


def _before(plan: Plan, entries: Sequence[Entry]) -> int | None:
    """Return the replicas that there were before a plan's step."""
    for entry in entries:
        if entry.kind == "STEP_INTENT" and entry.body.get("plan") == plan.id and entry.body.get("inverse"):
            return int(entry.body["inverse"].get("replicas", 0)) or None
    return None
