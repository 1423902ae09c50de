"""The quality analyst: is the model worse, is the version to blame, did its inputs move?"""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from agent.analysts import inputs
from agent.analysts.columns import LOST, MONTHS, day_of
from agent.analysts.evidence import Notes, onset
from agent.analysts.shapes import off, ranking, unequal
from agent.analysts.versions import BEFORE, compare_turn
from agent.case import BLIND, Evidence, Incident
from agent.judged import QUALITY_WINDOW, QualityReading, wilson
from agent.observe import Scene
from agent.spoiled import INPUTS
from config.fleet import Service
from tools.errors import ToolError, Transient
from tools.records import Comparison, InferenceWindow, ModelState

RECENT, SOON = timedelta(minutes=40), timedelta(minutes=25)  # rows looked at; labels that come among them
LABELLED = timedelta(minutes=30)  # rows whose labels may be known by now
UNLABELLED = timedelta(hours=1)  # answers that would have labels, as far as anybody knows
LEAST = 200  # labelled rows
SHIFTED = 0.15  # of the share of positives
FRESH, STALE = timedelta(minutes=30), timedelta(days=2)  # of a version that is promoted at once, or is an old one
REMEMBERED = timedelta(days=7)  # promotions that may be what is wrong now
RANKED, LYING = 0.03, 0.08  # of pairs; between the mean score and the share of positives
COMPARED = 400  # labelled rows, by which kinds of cases are compared
UNEQUAL = 0.25  # accuracy between two halves of the cases


def examine(incident: Incident, scene: Scene) -> tuple[Evidence, ...]:
    """Bring what labels, versions and features say; nothing for services without a model."""
    notes = Notes("quality", incident, scene.now)
    service = scene.fleet.service(incident.service)
    target = next((o.target for o in service.objectives if o.signal == "accuracy"), None)
    reading = scene.observation.quality.get(service.name)
    fell = False
    if target is not None and reading is not None:
        fell = _fell(incident, reading, target)
        _answers(notes, f"service/{service.name}", reading, (target, fell))
    elif target is not None:
        _unlabelled(notes, scene, service)
    if fell and target is not None:
        _versions(notes, incident, scene, (service, target, reading))
    if fell or any(anomaly.detector == INPUTS for anomaly in incident.anomalies):
        _inputs(notes, scene, service)
    return notes.done()


def _fell(incident: Incident, reading: QualityReading, target: float) -> bool:
    """Whether accuracy is surely down; once it was, until it surely is not: one look at a small loss may be lucky."""
    entity = f"service/{incident.service}"
    was = any(anomaly.signal == "accuracy" and anomaly.entity == entity for anomaly in incident.anomalies)
    return reading.misses(target) or (was and reading.low < target)


def _answers(notes: Notes, entity: str, reading: QualityReading, judged: tuple[float, bool]) -> None:
    """Say how right the newest labelled answers are; ``judged``: the target, and whether they fell below it."""
    target, fell = judged
    if reading.echo:
        notes.add("labels_echo", entity, 2.5, f"all of {reading.rows} labels are what was answered: nobody is so good")
    text = f"accuracy {reading.accuracy:.1%} (95 %: {reading.low:.1%} to {reading.high:.1%}), target {target:.0%}"
    if reading.fell_from is not None:
        text += f"; hours before it was {reading.fell_from:.1%}"
    if reading.served_at is not None:
        text += f"; of {reading.rows} rows of before, served as those of now are since {reading.served_at:%H:%M:%S}"
    notes.add("accuracy_down", entity, 2.5 if fell else -2.0, text)


def _unlabelled(notes: Notes, scene: Scene, service: Service) -> None:
    """Tell answers without labels from no answers at all, and from a log that cannot be read."""
    try:
        rows = scene.senses.log.window(service.name, scene.now - UNLABELLED, scene.now)
    except ToolError:
        return
    if len(rows.at) >= LEAST and not np.isfinite(rows.labels).any():
        text = f"{len(rows.at)} answers of the last hour, and a label for none"
        notes.add("labels_gone", f"service/{service.name}", 2.5, text)


def _versions(
    notes: Notes, incident: Incident, scene: Scene, asked: tuple[Service, float, QualityReading | None]
) -> None:
    """Ask the counterfactual: would the version before have kept the promise on the same rows?"""
    service, target, reading = asked
    entity = f"model/{service.model}"
    try:
        state = scene.senses.registry.model(service.model)
        champion = state.aliases.get("champion", "")
        older = _replaced(scene, state, champion)
        if not older:
            return
        start = _since(incident, scene, reading)
        _age(notes, scene, state, (champion, older))
    except Transient as error:
        notes.add("older_version_better", entity, 0.0, f"{BLIND}: {error}")
        return
    except ToolError as error:
        notes.add("older_version_better", entity, 0.0, f"no comparison: {error}")
        return
    try:
        found = scene.senses.registry.compare(service.name, older, champion, start, scene.now)
    except ToolError as error:
        compare_turn(notes, scene, service, (champion, older), str(error))
        return
    would, better = found.accuracy.get(older, 0.0), found.accuracy.get(older, 0.0) - found.accuracy.get(champion, 0.0)
    # Where both are bad, the rows are what is wrong: the version before is no cure, however much less bad it is.
    clear = found.gain_high < 0 and better > 0.03 and wilson(would, found.rows)[1] >= target
    text = (
        f"on {found.rows} rows {older} scores {found.accuracy.get(older, 0):.1%}, {champion} "
        f"{found.accuracy.get(champion, 0):.1%} (log-loss difference {found.gain:.3f}, at most {found.gain_high:.3f})"
    )
    notes.add("older_version_better", entity, 3.0 if clear else -2.0, text, {"good_version": older} if clear else None)
    if clear and reading is not None and reading.promoted_at:
        _ranking_tried(notes, entity, found, (champion, older))
    elif clear:
        _ranking(notes, scene, service, (champion, older), start)


def _since(incident: Incident, scene: Scene, reading: QualityReading | None) -> datetime:
    """Return from when on rows are compared: since the fall; before it, where no label since is known yet."""
    if reading is not None and (reading.promoted_at or reading.served_at) and reading.newest_at:
        return reading.newest_at - QUALITY_WINDOW
    return max(onset(incident), scene.now - timedelta(hours=2))


def _replaced(scene: Scene, state: ModelState, champion: str) -> str:
    """Return the version that answered before the champion did, else the one made before it; empty: there is none."""
    names = [version.version for version in state.versions]
    promoted = [
        change.before
        for change in scene.senses.registry.changes(scene.now - REMEMBERED)
        if change.entity == f"model/{state.model}" and change.after == champion and change.before in names
    ]
    made = names.index(champion) if champion in names else 0
    return next(reversed(promoted), names[made - 1] if made else "")


def _ranking(notes: Notes, scene: Scene, service: Service, pair: tuple[str, str], start: datetime) -> None:
    """Say whether scores still rank as well as those of the version before did lately, and only lie elsewhere."""
    (champion, before), entity = pair, f"model/{service.model}"
    try:
        rows = scene.senses.log.window(service.name, start - BEFORE, scene.now)
        then, when = _ranked_before(scene, service, rows, before)
    except ToolError as error:
        notes.add("ranking_kept", entity, 0.0, f"NO DATA on rows: {error}")
        return
    mine = (rows.version == champion) & (rows.at >= start.timestamp())
    now, lies = ranking(rows.scores[mine], rows.labels[mine]), off(rows.scores[mine], rows.labels[mine])
    _kept(notes, entity, (now, then, lies), when)


def _ranking_tried(notes: Notes, entity: str, found: Comparison, pair: tuple[str, str]) -> None:
    """Say the same of rows that neither version may have answered, where the registry scored both on them."""
    champion, before = pair
    if champion in found.auc and champion in found.bias and before in found.auc:
        said = found.auc[champion], found.auc[before], found.bias[champion]
        _kept(notes, entity, said, f"those of {before} on the same rows")


def _kept(notes: Notes, entity: str, said: tuple[float, float, float], when: str) -> None:
    now, then, lies = said
    text = f"scores rank {now:.1%} of pairs rightly, {then:.1%} {when}, and lie {lies:+.1%} off the truth"
    kept = now > then - RANKED and abs(lies) > LYING
    notes.add("ranking_kept", entity, 2.5 if kept else -1.5, text)


def _ranked_before(scene: Scene, service: Service, rows: InferenceWindow, before: str) -> tuple[float, str]:
    """Return how well the version before ranked its last rows; where it has too few, those it was accepted on."""
    past = (rows.version == before) & np.isfinite(rows.labels)
    if int(past.sum()) >= LEAST:
        return ranking(rows.scores[past], rows.labels[past]), f"those of {before} before it"
    reference = scene.senses.log.reference(service.name)
    return ranking(reference.scores, reference.labels), "when accepted"


def _age(notes: Notes, scene: Scene, state: ModelState, pair: tuple[str, str]) -> None:
    """Say whether what answers now is older than what answered before, or came straight from training."""
    (champion, before), entity = pair, f"model/{state.model}"
    made = {version.version: version.created_at for version in state.versions}
    if champion not in made or before not in made:
        return
    age = made[before] - made[champion]
    promoted = [c.at for c in scene.senses.registry.changes(scene.now - timedelta(hours=8)) if c.after == champion]
    fresh = any(timedelta(0) <= at - made[champion] < FRESH for at in promoted)
    notes.add("promoted_fresh", entity, 2.5 if fresh else -1.5, f"{champion} was made at {made[champion]:%d %b %H:%M}")
    notes.add(
        "old_version_promoted",
        entity,
        2.5 if age > STALE else -1.5,
        f"{champion} is {age.total_seconds() / 86400:.1f} days older than {before}",
    )


def _inputs(notes: Notes, scene: Scene, service: Service) -> None:
    entity = f"service/{service.name}"
    try:
        reference = scene.senses.log.reference(service.name)
        rows = labelled = scene.senses.log.window(service.name, scene.now - RECENT, scene.now)
        reading = scene.observation.quality.get(service.name)
        if reading is not None and reading.late > SOON:
            labelled = scene.senses.log.window(
                service.name, scene.now - reading.late - RECENT, scene.now, labelled=True
            )
    except ToolError as error:
        notes.add("inputs_moved", entity, 0.0, f"no reference: {error}")
        return
    if len(rows.at) >= LEAST:
        inputs.spoiled(notes, entity, reference, rows)
        began = None if reading is None else reading.stepped_at or reading.fell_at
        _truths(notes, entity, reference, labelled, began)
        inputs.moved(notes, scene, entity, (reference, rows))


def _truths(
    notes: Notes, entity: str, reference: InferenceWindow, rows: InferenceWindow, began: datetime | None
) -> None:
    """Say what the newest rows whose labels are known show, those of before a fall left out where it is known when."""
    if not len(rows.at):
        return
    back = float(rows.at[-1]) - LABELLED.total_seconds()
    start = max(back, began.timestamp() if began else back)
    known = np.isfinite(rows.labels) & (rows.at >= start)
    if known.sum() >= LEAST:
        _segments(notes, entity, rows, known, young=start > back)
        shift = float(rows.labels[known].mean() - np.nanmean(reference.labels))
        notes.add("labels_shifted", entity, 2.5 if abs(shift) > SHIFTED else -1.5, f"share of positives {shift:+.1%}")
        if inputs.DATE in rows.names:
            _dates(notes, entity, rows, known)


def _segments(notes: Notes, entity: str, rows: InferenceWindow, known: NDArray[np.bool_], *, young: bool) -> None:
    """Compare how right the answers are between kinds of cases; of few rows, alikeness is not known yet.

    ``young``: more rows come, for the fall began a while ago.
    """
    right = (rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5)
    name, best, worst = unequal(rows.names, rows.features[known], right)
    text = f"answers are right {best:.0%} in one half of {name}, {worst:.0%} in the other"
    share, gap = float(right.mean()), best - worst
    noise = 2 * float(np.sqrt(share * (1 - share) / len(right)))  # of the gap between two halves
    if young and gap <= UNEQUAL and (len(right) < COMPARED or gap + 2 * noise > UNEQUAL):
        notes.add("segment_worse", entity, 0.0, f"{BLIND} on kinds of cases: {len(right)} labelled answers, {text}")
        return
    notes.add("segment_worse", entity, 2.5 if gap > UNEQUAL else -1.5, text)


def _dates(notes: Notes, entity: str, rows: InferenceWindow, known: NDArray[np.bool_]) -> None:
    """Compare rows whose day cannot be a month with those whose can: only the latter can have changed places."""
    days = rows.features[known, rows.names.index(inputs.DATE)]
    if np.isnan(days).mean() > LOST:
        return  # what is left says it without labels
    day = day_of(days)
    right = (rows.scores[known] >= 0.5) == (rows.labels[known] >= 0.5)
    either, sure = right[day <= MONTHS], right[day > MONTHS]
    if min(len(either), len(sure)) < LEAST // 4:
        return
    gap, noise = float(sure.mean() - either.mean()), float(np.sqrt(0.5 / len(either) + 0.5 / len(sure)))
    text = f"answers are right {sure.mean():.0%} where the day cannot be a month, {either.mean():.0%} where it can"
    notes.add("dates_swapped", entity, 2.5 if gap > max(0.1, 2 * noise) else -1.5, text)
