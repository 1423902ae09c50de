"""What a model is shown: spoiled, moved, or served otherwise than training computes it; and with which release."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.analysts.changes import OURS, unproven
from agent.analysts.clouds import clouds, plain
from agent.analysts.columns import ALL, LOST, Columns, month_first, spoils
from agent.analysts.evidence import Notes
from agent.analysts.shapes import BESIDE, SETTLED, joint, stepped
from agent.apart import Apart
from agent.case import BLIND
from agent.drift.exact import gaps
from agent.drift.since import since
from agent.observe import Scene
from agent.served import came_with, compared
from tools.change import Change
from tools.errors import Absent, ToolError
from tools.records import InferenceWindow
from tools.tables import Numbers
from tools.vectors import vectors

LATELY = timedelta(minutes=10)  # rows that say what is shown to the model now
RECENT = timedelta(minutes=40)  # rows held beside the same computed anew
REMEMBERED = timedelta(hours=24)  # releases that may have brought what is felt now: a small effect is felt late
JOINT = 0.35  # of a correlation, that two features keep whatever each does by itself
MOVED = 0.35  # Kolmogorov-Smirnov distance of a feature that counts as moved
DATE = "date"  # name of the feature that holds days of the year
Pair = tuple[InferenceWindow, InferenceWindow]  # when accepted, and now


def spoiled(notes: Notes, entity: str, reference: InferenceWindow, rows: InferenceWindow) -> None:
    """Say what is wrong with the rows that retraining would only learn: units, nulls, codes, places, dates."""
    recent = rows.at > rows.at[-1] - LATELY.total_seconds()
    before, now = reference.features, rows.features[recent]
    for spoil in spoils(Columns(reference.names, before), Columns(rows.names, now)):
        notes.add(spoil.finding, entity, 2.5, spoil.text)
    if DATE in rows.names:
        lost, either = month_first(now[:, rows.names.index(DATE)])
        text = f"{lost:.0%} of the dates are lost, and in {either:.0%} of the others the day can be a month"
        if lost > LOST:
            notes.add("dates_swapped", entity, 2.5 if either > ALL else -1.5, text)
    numbers = plain(rows.names)
    apart = joint(before[:, numbers], now[:, numbers])
    others = [cloud for cloud in clouds(rows.names, before, now) if cloud.exchanged]
    text = "; ".join([f"a correlation between features moved {apart:.2f}", *(cloud.words for cloud in others)])
    notes.add("joint_moved", entity, 2.5 if apart > JOINT or others else -1.5, text)


def moved(notes: Notes, scene: Scene, entity: str, pair: Pair) -> None:
    """Say which feature moved most, whether features are served as training computes them, and what brought it."""
    reference, rows = pair
    distances = np.array([distance(reference.features[:, i], rows.features[:, i]) for i in range(len(rows.names))])
    numbers = plain(rows.names)
    worst = max(numbers, key=distances.__getitem__, default=int(np.argmax(distances)))
    far = bool(numbers) and distances[worst] > MOVED
    text = f"feature {rows.names[worst]} moved most: KS distance {distances[worst]:.2f}, moved from {MOVED}"
    if far:
        text += _since(reference.features[:, worst], rows.features[:, worst], rows.at)
    elif elsewhere := [cloud for cloud in clouds(rows.names, reference.features, rows.features) if cloud.moved]:
        far, text = True, "; ".join(cloud.words for cloud in elsewhere)
        worst = max(vectors(rows.names)[elsewhere[0].column], key=distances.__getitem__)
    notes.add("inputs_moved", entity, 2.5 if far else -1.5, text)
    found = _skewed(notes, scene, entity)
    if found.differs if found else far:
        _brought(notes, scene, entity, (rows, worst), found)
    elif found and far:
        notes.add("inputs_stepped", entity, -1.5, f"feature {rows.names[worst]} is served as it is computed anew")


def _skewed(notes: Notes, scene: Scene, entity: str) -> Apart | None:
    """Say whether features are served as they are computed anew; None where that cannot be told."""
    try:
        found = compared(scene, entity.removeprefix("service/"), scene.now - RECENT, scene.now)
    except Absent as error:
        notes.add("features_skewed", entity, 0.0, f"no comparison: {error}")
        return None
    except ToolError as error:
        notes.add("features_skewed", entity, 0.0, f"{BLIND}: {error}")
        return None
    notes.add("features_skewed", entity, 2.5 if found.differs else -0.5, found.words())
    return found


def _brought(
    notes: Notes, scene: Scene, entity: str, feature: tuple[InferenceWindow, int], skewed: Apart | None
) -> None:
    """Say whether what is off came with a release, and has stood still since; with the revision before it."""
    (rows, worst), service = feature, entity.removeprefix("service/")
    try:
        releases = _releases(scene, entity)
        for place, release in reversed(list(enumerate(releases))):
            if came_with(scene, service, release.at) if skewed else _steps(scene, service, release.at, feature):
                text = f"it came with the release of {release.at:%d %b %H:%M} and has stood still since"
                notes.add("inputs_stepped", entity, 2.5, text, {"good_revision": unproven(releases[: place + 1])})
                return
    except ToolError as error:
        notes.add("inputs_stepped", entity, 0.0, f"{BLIND} on releases: {error}")
        return
    name = skewed.name if skewed else rows.names[worst]
    notes.add("inputs_stepped", entity, -1.5, f"feature {name} did not move with a release")


def _releases(scene: Scene, entity: str) -> list[Change]:
    """Return the releases that others made, the oldest first."""
    changes = scene.senses.cluster.changes(scene.now - REMEMBERED)
    return [c for c in changes if c.kind == "release" and c.entity == entity and c.actor != OURS]


def _steps(scene: Scene, service: str, at: datetime, feature: tuple[InferenceWindow, int]) -> bool:
    """Whether a feature moved in one step with a release, and is now what it was right after."""
    rows, place = feature
    beside, settled = timedelta(seconds=2 * BESIDE), timedelta(seconds=SETTLED)
    then = scene.senses.log.window(service, at - beside, min(at + settled + beside, scene.now))
    newer = rows.at > (then.at[-1] if len(then.at) else 0.0)
    instants = np.concatenate((then.at, rows.at[newer]))
    column = np.concatenate((then.features[:, place], rows.features[newer, place]))
    return bool(len(instants)) and stepped(instants, column, at.timestamp())


def _since(reference: NDArray[np.float64], current: NDArray[np.float64], at: NDArray[np.float64]) -> str:
    """Say since when, where a step in the rows' own time explains most of the move."""
    found = since(Numbers(reference), Numbers(current), at)
    return "" if found is None else f", since {datetime.fromtimestamp(found, UTC):%H:%M} UTC"


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance, nulls left out.

    >>> distance(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    1.0
    """
    one, two = first[np.isfinite(first)], second[np.isfinite(second)]
    return gaps(one, two).ks if len(one) and len(two) else 1.0
