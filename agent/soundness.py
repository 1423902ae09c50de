"""What a version that does without broken columns is made of: those columns, and sound rows of before they broke."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.analysts.columns import Columns, Spoil, spoils
from agent.casebook import Case
from agent.guards import WORTH
from agent.observe import Scene
from agent.shown import Spoiled, lately_spoiled, write_spoils
from config.fleet import Service
from tools.errors import ToolError
from tools.records import InferenceWindow

MARGIN = timedelta(minutes=10)  # before the first look that saw it, from when on rows may be broken
HELD = timedelta(minutes=15)  # of sound rows, that are not trained on
LEARNT = timedelta(hours=2)  # of rows, that are
LEAST = 400  # labelled rows to judge by that the columns are sound and the whole version better
LATELY = timedelta(minutes=25)  # for which a look that saw columns spoiled counts
BACKWARDS = 6  # hours before a fault was noticed in which sound rows are looked for
MOST_LEFT_OUT = 0.5  # of the columns


def bindings(service: Service, case: Case, scene: Scene) -> dict[str, str | tuple[str, ...]]:
    """Return what a makeshift needs; what is not known, or known not to be so, is left out."""
    onset, champion = min(each.onset_at for each in case.incident.anomalies), champion_of(service, scene)
    spoiled = seen_spoiled(service, scene)
    columns = sorted({name for spoil in spoiled for name in (spoil.column, spoil.other) if name})
    found: dict[str, str | tuple[str, ...]] = {
        "service": service.name,
        "model": service.model,
        "champion": champion,
        "candidate": f"m-{case.incident.id.removeprefix('inc-')}",
        "broken_since": onset.isoformat(),
        "spoiled": write_spoils(spoiled),
    }
    try:
        accepted = scene.senses.log.reference(service.name)
        if champion and len(columns) <= MOST_LEFT_OUT * len(accepted.names):
            found |= {"columns": tuple(columns)} | dict(_training(accepted, onset - MARGIN, scene))
    except ToolError:
        return found
    return found


def seen_spoiled(service: Service, scene: Scene) -> tuple[Spoil, ...]:
    """Return what was seen spoiled last, a while ago at most: a single look may miss it."""
    return lately_spoiled(_looks(scene), service.name)


def ill_shown(scene: Scene) -> set[str]:
    """Return the services of which anything was seen spoiled lately."""
    distinct = {id(look): look for look in _looks(scene)}  # most ticks hand the last look on
    return {name for look in distinct.values() for name, spoiled in look.items() if spoiled}


def _looks(scene: Scene) -> list[Spoiled]:
    return [*(seen.spoiled for seen in scene.history if seen.at > scene.now - LATELY), scene.observation.spoiled]


def _training(accepted: InferenceWindow, until: datetime, scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield the newest window to train on whose rows are known to be sound, some hours before the fault at most.

    A fault that is noticed late began before it was: then the rows right before are broken too.
    """
    for hours in range(BACKWARDS):
        last = until - timedelta(hours=hours)
        end = last - HELD
        rows = scene.senses.log.window(accepted.service, end - LEARNT, last, labelled=True)
        learnt = int((rows.at < end.timestamp()).sum())
        if min(learnt, len(rows.at) - learnt) >= LEAST and _sound(accepted, rows, learnt):
            yield "train_start", (end - LEARNT).isoformat()
            yield "train_end", end.isoformat()
            yield "sound_until", last.isoformat()
            return


def _sound(accepted: InferenceWindow, rows: InferenceWindow, first: int) -> bool:
    """Whether rows from the place ``first`` on are shown as when the model was accepted, and answered as well."""
    before, now = Columns(accepted.names, accepted.features), Columns(rows.names, rows.features[first:])
    if rows.names != accepted.names or any(spoils(before, now)):
        return False
    then, lately = _right(accepted.scores, accepted.labels), _right(rows.scores[first:], rows.labels[first:])
    return lately >= then - WORTH


def _right(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    known = np.isfinite(labels)
    return float(((scores >= 0.5) == (labels >= 0.5))[known].mean()) if known.any() else 0.0


def champion_of(service: Service, scene: Scene) -> str:
    """Return the version that serves; empty where nobody knows."""
    try:
        return scene.senses.registry.model(service.model).aliases.get("champion", "") if service.model else ""
    except ToolError:
        return ""
