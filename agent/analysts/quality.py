"""The quality analyst: is the model worse, is the version to blame, did its inputs move?"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.analysts.evidence import Notes, onset
from agent.case import Evidence, Incident
from agent.drift.exact import gaps
from agent.drift.since import since
from agent.observe import Scene
from config.fleet import Service
from tools.errors import ToolError
from tools.tables import Numbers

MOVED = 0.35  # Kolmogorov-Smirnov distance of a feature that counts as moved


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what labels, versions and features say; nothing for services without a model."""
    notes = Notes("quality", incident, scene.now)
    service = scene.fleet.service(incident.service)
    target = next((o.target for o in service.objectives if o.signal == "accuracy"), None)
    reading = scene.observation.quality.get(service.name)
    if target is None or reading is None:
        return ()
    entity = f"service/{service.name}"
    text = f"accuracy {reading.accuracy:.1%} (95 %: {reading.low:.1%} to {reading.high:.1%}), target {target:.0%}"
    notes.add("accuracy_down", entity, 2.5 if reading.high < target else -2.0, text)
    if reading.high < target:
        _versions(notes, incident, scene, service)
        _inputs(notes, scene, service)
    return notes.done()


def _versions(notes: Notes, incident: Incident, scene: Scene, service: Service) -> None:
    """Ask the counterfactual: would the version before have done better on the same rows?"""
    entity = f"model/{service.model}"
    try:
        state = scene.senses.registry.model(service.model)
        champion = state.aliases.get("champion", "")
        names = [version.version for version in state.versions]
        older = names[names.index(champion) - 1] if champion in names and names.index(champion) else ""
        if not older:
            return
        start = max(onset(incident), scene.now - timedelta(hours=2))
        found = scene.senses.registry.compare(service.name, older, champion, start, scene.now)
    except ToolError as error:
        notes.add("older_version_better", entity, 0.0, f"no comparison: {error}")
        return
    better = found.accuracy.get(older, 0.0) - found.accuracy.get(champion, 0.0)
    clear = found.gain_high < 0 and better > 0.03
    text = (
        f"on {found.rows} rows {older} scores {found.accuracy.get(older, 0):.1%}, {champion} "
        f"{found.accuracy.get(champion, 0):.1%} (log-loss difference {found.gain:.3f}, at most {found.gain_high:.3f})"
    )
    notes.add("older_version_better", entity, 3.0 if clear else -2.0, text, {"good_version": older} if clear else None)


def _inputs(notes: Notes, scene: Scene, service: Service) -> None:
    entity = f"service/{service.name}"
    try:
        reference = scene.senses.log.reference(service.name)
        rows = scene.senses.log.window(service.name, scene.now - timedelta(minutes=40), scene.now)
    except ToolError as error:
        notes.add("inputs_moved", entity, 0.0, f"no reference: {error}")
        return
    if len(rows.at) < 200:
        return
    distances = [distance(reference.features[:, i], rows.features[:, i]) for i in range(len(rows.names))]
    worst = int(np.argmax(distances))
    text = f"feature {rows.names[worst]} moved most: KS distance {distances[worst]:.2f}, moved from {MOVED}"
    if distances[worst] > MOVED:
        text += _since(reference.features[:, worst], rows.features[:, worst], rows.at)
    notes.add("inputs_moved", entity, 2.5 if distances[worst] > MOVED else -1.5, text)


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
