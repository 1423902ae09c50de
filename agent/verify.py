"""Proof: do the objectives hold, for how long, and by what numbers? NO DATA never counts as well."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from agent.case import Measured
from agent.casebook import Case
from agent.observe import QUALITY_WINDOW, Observation, Scene
from config.fleet import Objective, Service
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


def labelled_well(scene: Scene, service: Service, since: datetime) -> State:
    """Return whether accuracy is back, judged on answers given after ``since`` whose labels are known."""
    target = next((o.target for o in service.objectives if o.signal == "accuracy"), None)
    if target is None:
        return "holds"
    try:
        rows = scene.senses.log.window(service.name, since, scene.now)
    except ToolError:
        return "no_data"
    known = np.isfinite(rows.labels)
    if int(known.sum()) < LEAST_LABELS:
        return "no_data"
    newest = known & (rows.at > float(rows.at[known].max()) - QUALITY_WINDOW.total_seconds())
    right = (rows.scores[newest] >= 0.5) == (rows.labels[newest] >= 0.5)
    return "holds" if float(right.mean()) >= target else "broken"


def measured(case: Case, scene: Scene, service: Service) -> tuple[Measured, ...]:
    """Return every objective's signal before (as first seen) and now."""
    entity = f"service/{service.name}"
    first = {(anomaly.signal, anomaly.entity): anomaly.value for anomaly in case.incident.anomalies}
    found = [
        Measured(
            signal=objective.signal,
            entity=entity,
            before=first.get((objective.signal, entity)),
            after=scene.observation.value(objective.signal, entity),
            target=objective.target,
        )
        for objective in service.objectives
    ]
    if ("spend", entity) in first:
        after = scene.observation.value("spend", entity)
        budget = service.hourly_budget
        found.append(Measured(signal="spend", entity=entity, before=first["spend", entity], after=after, target=budget))
    return tuple(found)
