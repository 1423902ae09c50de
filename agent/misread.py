"""The proof by labels that renamed classes are read as they are meant: what was told from looks alone may be wrong.

The version that was converted is asked what it would have answered with two classes exchanged. Where labels surely fit
that better, the codes are misread.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from agent.analysts.columns import Spoil
from agent.converting import conversion_of
from agent.observe import Scene
from agent.shown import as_shown
from agent.verify import State
from playbooks.plan import Plan
from tools.action import ConvertInputs
from tools.errors import ToolError
from tools.ports import Registry
from tools.records import InferenceWindow

MISREAD = "labels say that renamed classes are not all read as they are meant"
LEAST = 400  # labelled answers to judge by, of each version
SPAN = timedelta(minutes=30)  # of labelled answers, after which what they do not tell apart hardly matters
SURELY = 3.29  # standard errors: by chance once in two thousand
ODDS = log(1000.0)  # nats by which labels fit one reading better than another until that is clear


def read_as_meant(plan: Plan, scene: Scene, since: datetime) -> State:
    """Return whether labels say that the version which reads classes otherwise reads them as they are meant.

    It is as often right as the one before was, and for half an hour no exchange of two classes fits clearly better.
    """
    made = conversion_of(plan)
    bounds = [guard.args for step in plan.steps for guard in step.guards if "start" in guard.args]
    if made is None or not made.tables or not bounds:
        return "holds"
    start, end = (datetime.fromisoformat(bounds[0][name]) for name in ("start", "end"))
    log_, registry = scene.senses.log, scene.senses.registry
    try:
        before = _answered(log_.window(plan.service, start, end, labelled=True), made.of)
        now = _answered(log_.window(plan.service, since, scene.now, labelled=True), made.version)
        if min(len(before.at), len(now.at)) < LEAST:
            return "no_data"
        if _surely_less(_right(now), _right(before)):
            return "broken"
        gains = sorted(exchanges(made, now, registry))
    except ToolError:
        return "no_data"
    if not gains:
        return "holds"  # one class alone: there is none that it may have been exchanged with
    if gains[-1] > ODDS + log(len(gains)):
        return "broken"
    clear = gains[-1] < -ODDS or now.at[-1] >= (since + SPAN).timestamp()
    return "holds" if clear else "no_data"


def exchanges(made: ConvertInputs, rows: InferenceWindow, registry: Registry) -> Iterator[float]:
    """Yield for every two classes of a column by how many nats labels fit better were their codes exchanged."""
    read = tuple(
        Spoil("category_new", name, 1.0, "", codes=tuple((means, comes) for comes, means in table))
        for name, table in made.tables.items()
    )
    meant = as_shown(rows, read, rows)
    for name, table in made.tables.items():
        place = rows.names.index(name)
        column = np.rint(meant.features[:, place])
        for one, other in combinations([means for _, means in table], 2):
            some = (column == one) | (column == other)
            if some.sum() < 2:
                continue
            read_so = meant.where(some)
            features = read_so.features.copy()
            features[:, place] = one + other - column[some]
            loss = (_loss(made.of, each, registry) for each in (read_so, replace(read_so, features=features)))
            yield float(some.sum()) * (next(loss) - next(loss))


def _loss(version: str, rows: InferenceWindow, registry: Registry) -> float:
    return registry.compare_on(version, version, rows).log_loss[version]


def _answered(rows: InferenceWindow, version: str) -> InferenceWindow:
    """Return the labelled rows that a version answered."""
    return rows.where(np.isfinite(rows.labels) & (rows.version == version))


def _right(rows: InferenceWindow) -> NDArray[np.bool_]:
    return np.asarray((rows.scores >= 0.5) == (rows.labels >= 0.5))


def _surely_less(now: NDArray[np.bool_], before: NDArray[np.bool_]) -> bool:
    share = (before.sum() + now.sum()) / (len(before) + len(now))
    error = sqrt(share * (1 - share) * (1 / len(before) + 1 / len(now)))
    return bool(before.mean() - now.mean() > SURELY * error)
