"""Proof: do the objectives hold, for how long, and by what numbers? NO DATA never counts as well."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from agent.case import Measured
from agent.casebook import Case
from agent.degrees import AGAIN, more_to_learn, training_of
from agent.judged import LIKELY, QUALITY_WINDOW, wilson
from agent.labelled import accuracy
from agent.lessons import JUDGES
from agent.observe import Observation, Scene
from agent.rollouts import ROLLOUT
from agent.working import has_work
from config.fleet import Objective, Service
from playbooks.plan import Plan
from tools.errors import ToolError

State = Literal["holds", "broken", "no_data"]
MISSED = 3  # usual gaps between two looks, above which nobody looked
LEAST_LABELS = 100  # labelled answers that a verdict on accuracy needs


def standing(seen: Observation, service: Service, *, quality: bool = True) -> State:
    """Return whether every objective of a service holds in one observation; a partial answer never proves that."""
    states = [_state(seen, service, o) for o in service.objectives if quality or o.signal != "accuracy"]
    if "broken" in states:
        return "broken"
    known = [state for state in states if state != "no_data"]
    return "holds" if known and len(known) * 2 >= len(states) and not seen.problems else "no_data"


def _state(seen: Observation, service: Service, objective: Objective) -> State:
    value = seen.value(objective.signal, f"service/{service.name}")
    if value is None:
        return "no_data"
    return "holds" if _within(value, objective) else "broken"


def _within(value: float, objective: Objective) -> bool:
    return value <= objective.target if objective.bound == "below" else value >= objective.target


def well_since(scene: Scene, service: Service, since: datetime) -> datetime | None:
    """Return since when, at or after ``since``, the serving objectives hold without a break; None where they do not.

    An observation without data breaks it, and so does a time in which nobody looked.
    """
    looked = [seen for seen in scene.history if seen.at >= since]
    gap = _usual_gap(looked) * MISSED
    began: datetime | None = None
    later = scene.now
    for seen in reversed(looked):
        if later - seen.at > gap or standing(seen, service, quality=False) != "holds":
            break
        began = later = seen.at
    return began


def _usual_gap(looked: Sequence[Observation]) -> timedelta:
    gaps = sorted(after.at - before.at for before, after in pairwise(looked))
    return gaps[len(gaps) // 2] if gaps else timedelta(0)


def within_budget(scene: Scene, service: Service, case: Case) -> State:
    """Return whether a case about money is over: the service costs no more per hour than its budget."""
    if not any(anomaly.detector == "cost" for anomaly in case.incident.anomalies):
        return "holds"
    spend = scene.observation.value("spend", f"service/{service.name}")
    if spend is None:
        return "no_data"
    return "holds" if spend <= service.hourly_budget else "broken"


def rolled_out(scene: Scene, service: Service, case: Case) -> State:
    """Return whether a case about a rollout is over: everything that runs is of the current revision, and ready."""
    deployment = scene.observation.topology.deployment(service.name)
    if deployment is None or all(anomaly.detector != ROLLOUT for anomaly in case.incident.anomalies):
        return "holds"
    there = scene.observation.topology.of(service.name)
    return "holds" if all(each.ready and each.revision == deployment.current for each in there) else "broken"


def stepping(scene: Scene, case: Case) -> State:
    """Return whether the engines that stood still in a case step again, or are gone.

    Objectives are measured on answers: who waits for an engine that gives none breaks no objective.
    """
    seen = scene.observation
    there = {f"replica/{each.service}/{each.name}" for each in seen.topology.replicas if each.ready}
    stood = {each.entity for each in case.incident.anomalies if each.detector == "stuck"} & there
    steps = {entity: seen.value("engine_steps", entity) for entity in stood}
    if any(count == 0 and has_work(seen, entity) for entity, count in steps.items()):
        return "broken"
    return "no_data" if None in steps.values() else "holds"


def stood_since(case: Case, since: datetime) -> bool:
    """Return whether an engine of a case came to stand still only after ``since``."""
    return any(each.detector == "stuck" and each.onset_at > since for each in case.incident.anomalies)


def labelled_well(scene: Scene, service: Service, since: datetime, plan: Plan | None = None) -> State:
    """Return whether accuracy surely is back, judged on answers given after ``since`` whose labels are known.

    What lives near its promise never surely keeps it: of a whole quarter of an hour the likelier is taken. Whether what
    ``plan`` trained is likely to fail is known earlier.
    """
    target = next((o.target for o in service.objectives if o.signal == "accuracy"), None)
    if target is None:
        return "holds"
    if plan is not None and _would_fail(plan, scene, service, target):
        return "broken"
    reading = accuracy(scene.senses.log, service.name, since, scene.now)
    if reading is None or reading.rows < LEAST_LABELS:
        return "no_data"
    if reading.newest_at is not None and reading.newest_at - since >= QUALITY_WINDOW:
        return "holds" if reading.accuracy >= target else "broken"
    return "holds" if reading.low >= target else "no_data"


def _would_fail(plan: Plan, scene: Scene, service: Service, target: float) -> bool:
    """Whether a trained version likely breaks the promise on the newest labelled answers, whoever gave them.

    Labels of its own come much later. It learnt from too few rows then, or of a world that went on changing; that there
    are more rows to learn from by now harms nobody, so that likely is enough. Of the last training it is not: nothing
    follows it but a person.
    """
    lesson, newest = training_of(plan), _newest_label(scene, service)
    if lesson is None or newest is None or plan.attempt > AGAIN:
        return False
    start = max(lesson.end_at, newest - QUALITY_WINDOW)
    try:
        found = scene.senses.registry.compare(service.name, lesson.version, lesson.version, start, scene.now)
    except ToolError:
        return False
    return found.rows >= JUDGES and wilson(found.accuracy[lesson.version], found.rows, LIKELY)[1] < target


def outgrown(plan: Plan, scene: Scene) -> bool:
    """Whether a plan trained a version, and there is more to learn from by now."""
    lesson, newest = training_of(plan), _newest_label(scene, scene.fleet.service(plan.service))
    return lesson is not None and newest is not None and more_to_learn(lesson, newest)


def _newest_label(scene: Scene, service: Service) -> datetime | None:
    reading = scene.observation.quality.get(service.name)
    return None if reading is None else reading.newest_at


def measured(case: Case, scene: Scene, service: Service, since: datetime | None) -> tuple[Measured, ...]:
    """Return every objective's signal before (as first seen) and now; accuracy of the answers given after ``since``."""
    entity = f"service/{service.name}"
    first = {(anomaly.signal, anomaly.entity): anomaly.value for anomaly in case.incident.anomalies}
    found = [
        Measured(
            signal=objective.signal,
            entity=entity,
            before=first.get((objective.signal, entity)),
            after=_now(scene, service, objective, since),
            target=objective.target,
        )
        for objective in service.objectives
    ]
    if ("spend", entity) in first:
        after = scene.observation.value("spend", entity)
        budget = service.hourly_budget
        found.append(Measured(signal="spend", entity=entity, before=first["spend", entity], after=after, target=budget))
    return tuple(found)


def _now(scene: Scene, service: Service, objective: Objective, since: datetime | None) -> float | None:
    """Return a reading; labels come late, so the newest known may speak of answers from before a cure."""
    if objective.signal != "accuracy" or since is None:
        return scene.observation.value(objective.signal, f"service/{service.name}")
    reading = accuracy(scene.senses.log, service.name, since, scene.now)
    return reading.accuracy if reading else None
