"""The proof by labels that renamed classes are read as they are meant: what was told from looks alone may be wrong."""

from datetime import datetime
from math import sqrt

import numpy as np

from agent.converting import conversion_of
from agent.observe import Scene
from agent.verify import State
from playbooks.plan import Plan
from tools.errors import ToolError
from tools.records import InferenceWindow

LEAST = 400  # labelled answers to judge by, of each version
SURELY = 3.29  # standard errors: by chance once in two thousand


def read_as_meant(plan: Plan, scene: Scene, since: datetime) -> State:
    """Return whether the version that reads classes otherwise is as often right as the one before it was."""
    made = conversion_of(plan)
    bounds = [guard.args for step in plan.steps for guard in step.guards if "start" in guard.args]
    if made is None or not made.tables or not bounds:
        return "holds"
    start, end = (datetime.fromisoformat(bounds[0][name]) for name in ("start", "end"))
    try:
        before = _right(scene.senses.log.window(plan.service, start, end, labelled=True), made.of)
        now = _right(scene.senses.log.window(plan.service, since, scene.now, labelled=True), made.version)
    except ToolError:
        return "no_data"
    if min(len(before), len(now)) < LEAST:
        return "no_data"
    share = (before.sum() + now.sum()) / (len(before) + len(now))
    error = sqrt(share * (1 - share) * (1 / len(before) + 1 / len(now)))
    return "broken" if before.mean() - now.mean() > SURELY * error else "holds"


def _right(rows: InferenceWindow, version: str) -> np.ndarray:
    """Return which labelled answers of a version are right."""
    known = np.isfinite(rows.labels) & (rows.version == version)
    return np.asarray((rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5))
