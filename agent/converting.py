"""Whether columns that come spoiled are only written otherwise, so that a version can read them exactly.

Another unit, exchanged places and classes renamed one to one lose nothing: whatever the version that serves was, one
that reads those inputs likewise answers as it did. That is known only where one reading explains all that is seen: the
same in two looks, in nearly every row, and with nothing left that is not as it was right before.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isclose

import numpy as np

from agent.analysts.columns import ALIKE, Columns, Spoil, spoils
from agent.casebook import Case
from agent.classes import Rows, again, renamed
from agent.observe import Scene
from agent.shown import GROSS, LATELY, WHOLE, as_shown, write_spoils
from agent.soundness import LEAST, MARGIN, champion_of, seen_spoiled
from config.fleet import Service
from playbooks.plan import Plan
from tools.action import Codes, ConvertInputs
from tools.errors import ToolError
from tools.records import InferenceWindow

BEFORE = timedelta(minutes=30)  # of rows right before, that those of now must look like once undone
AGAIN = timedelta(minutes=3)  # of rows that come as they did before, from which on nothing is left to be converted
TELLING = 0.2  # of the rows that look otherwise once a column is undone: with less, shares cannot be measured
EXACT = frozenset(("unit_changed", "columns_swapped"))  # findings that lose nothing
Reading = Mapping[str, tuple[str, float, Codes]]  # where an input is read from, divided by what, by which table
Bindings = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Rows of one service: of acceptance, of right before the fault, and of now."""

    accepted: InferenceWindow
    before: InferenceWindow
    now: InferenceWindow
    sound: tuple[datetime, datetime]


def bindings(service: Service, case: Case, scene: Scene, past: Sequence[Case]) -> Bindings:
    """Return what a conversion needs; where there can be none and columns are spoiled, why: ``unconvertible``."""
    remembered = seen_spoiled(service, scene)
    if not service.model or not remembered:
        return {}
    try:
        seen = _rows(service, _began(case, remembered), scene)
        champion = champion_of(service, scene)
        made = _made(champion, past)
        known = {} if made is None else made.tables
        rows = Rows(seen.before, seen.now, champion, scene.senses.registry)
        found = renamed(gross(seen.accepted, seen.now), rows, known)
        if why := unconvertible(seen, found, remembered):
            return {"unconvertible": why}
        reading = read_by(found)
        return {
            "inputs": tuple(reading),
            "read_from": tuple(column for column, _, _ in reading.values()),
            "divided_by": tuple(repr(times) for _, times, _ in reading.values()),
            "codes": tuple(" ".join(f"{comes}:{means}" for comes, means in codes) for _, _, codes in reading.values()),
            "spoiled": write_spoils(found),
            "sound_from": seen.sound[0].isoformat(),
            "sound_until": seen.sound[1].isoformat(),
            "unconverted": made.of if made is not None and undoes(reading, made) else "",
        }
    except ToolError as error:
        return {"unconvertible": f"rows cannot be read: {error}"}


def _began(case: Case, remembered: Sequence[Spoil]) -> datetime:
    """Return when the first broken row came, as far as is known."""
    first = min(anomaly.onset_at for anomaly in case.incident.anomalies)
    known = [spoil.since for spoil in remembered if np.isfinite(spoil.since)]
    return min(first, datetime.fromtimestamp(min(known), first.tzinfo)) if known else first


def _rows(service: Service, began: datetime, scene: Scene) -> _Seen:
    log, until = scene.senses.log, began - MARGIN
    return _Seen(
        accepted=log.reference(service.name),
        before=log.window(service.name, until - BEFORE, until),
        now=log.window(service.name, scene.now - LATELY, scene.now),
        sound=(until - BEFORE, until),
    )


def gross(accepted: InferenceWindow, rows: InferenceWindow) -> tuple[Spoil, ...]:
    """Return what is spoiled in many of some rows."""
    if accepted.names != rows.names:
        return ()
    found = spoils(Columns(accepted.names, accepted.features), Columns(rows.names, rows.features))
    return tuple(spoil for spoil in found if spoil.share >= GROSS)


def unconvertible(seen: _Seen, found: Sequence[Spoil], remembered: Sequence[Spoil]) -> str:
    """Return why no version can surely read the rows of now as they were meant; empty where one can."""
    return next(_objections(seen, found, remembered), "")


def _objections(seen: _Seen, found: Sequence[Spoil], remembered: Sequence[Spoil]) -> Iterator[str]:
    columns = [name for spoil in found for name in (spoil.column, spoil.other) if name]
    if not found or _said(found) != _said(remembered):
        yield "two looks at what comes do not say the same"
    yield from (f"{spoil.text}: that loses something" for spoil in found if not _exact(spoil))
    if len(set(columns)) < len(columns):
        yield f"what comes as {', '.join(sorted(set(columns)))} can be read in more than one way"
    if min(len(seen.before.at), len(seen.now.at)) < LEAST or gross(seen.accepted, seen.before):
        yield f"{len(seen.before.at)} rows of before and {len(seen.now.at)} of now do not show what was sound"
        return
    renames = {spoil.column for spoil in found if spoil.codes}  # how their rows are shared was looked at already
    for spoil in found:
        if spoil.column not in renames and (share := share_of(spoil, seen.before, seen.now)) < WHOLE:
            yield f"{spoil.text}, in {share:.0%} of the rows and not in nearly all"
    undone = as_shown(seen.now, [_inverse(spoil) for spoil in found], seen.now)
    if left := gross(seen.accepted, undone):
        yield f"undone, {left[0].text}"
    yield from (f"undone, {name} is not what it was" for name in _elsewhere(seen.before, undone, {*columns} - renames))


def _said(found: Sequence[Spoil]) -> set[tuple[str, str, float, str]]:
    return {(spoil.finding, spoil.column, spoil.times, spoil.other) for spoil in found}


def _inverse(spoil: Spoil) -> Spoil:
    return replace(spoil, times=1 / spoil.times, codes=tuple((means, comes) for comes, means in spoil.codes))


def _exact(spoil: Spoil) -> bool:
    """Whether nothing is lost by what was found."""
    return spoil.finding in EXACT or bool(spoil.codes)


def _elsewhere(before: InferenceWindow, undone: InferenceWindow, names: Collection[str]) -> Iterator[str]:
    """Yield columns that once undone do not lie where they lay right before."""
    then, now = Columns(before.names, before.features), Columns(undone.names, undone.features)
    gaps = (np.abs(now.quartiles - then.quartiles) / then.spread).max(axis=0)
    return (name for name in sorted(names) if not gaps[before.names.index(name)] < ALIKE)


def share_of(spoil: Spoil, before: InferenceWindow, now: InferenceWindow) -> float:
    """Return the share of the rows of now in which a column is spoiled, by how many look more usual once it is undone.

    As many do by chance before, and as many as can where all are spoiled. Where that is about the same, none is known.
    """
    none, whole = (_better(spoil, before, rows) for rows in (before, as_shown(before, [spoil], before)))
    return (_better(spoil, before, now) - none) / (whole - none) if whole - none >= TELLING else 0.0


def _better(spoil: Spoil, before: InferenceWindow, rows: InferenceWindow) -> float:
    """Return the share of rows that lie nearer the middle of before, in spreads, once a column is undone."""
    known = Columns(before.names, before.features)
    places = [before.names.index(name) for name in (spoil.column, spoil.other) if name]

    def off(shown: InferenceWindow) -> np.ndarray:
        gaps = np.abs(shown.features[:, places] - known.quartiles[1, places]) / known.spread[places]
        return np.asarray(gaps.sum(axis=1))

    return float((off(as_shown(rows, [_inverse(spoil)], rows)) < off(rows)).mean())


def read_by(found: Sequence[Spoil]) -> Reading:
    """Return how each spoiled input is to be read.

    >>> read_by((Spoil("unit_changed", "a", 1.0, "", 1000.0), Spoil("columns_swapped", "b", 1.0, "", other="c")))
    {'a': ('a', 1000.0, ()), 'b': ('c', 1.0, ()), 'c': ('b', 1.0, ())}
    """
    reading: dict[str, tuple[str, float, Codes]] = {}
    for spoil in found:
        reading[spoil.column] = (spoil.other or spoil.column, spoil.times, spoil.codes)
        if spoil.other:
            reading[spoil.other] = (spoil.column, 1.0, ())
    return reading


def _made(champion: str, past: Sequence[Case]) -> ConvertInputs | None:
    """Return the conversion that made the version which serves; None where it is none of ours."""
    plans = (plan for case in past for plan in case.plans)
    made = [each for plan in plans if (each := conversion_of(plan)) is not None and each.version == champion]
    return made[-1] if made else None


def undoes(reading: Reading, made: ConvertInputs) -> bool:
    """Whether reading the inputs of a converted version otherwise once more is reading them as the first one did."""
    first = dict(zip(made.inputs, zip(made.read_from, made.divided_by, strict=True), strict=True))
    if set(first) != set(reading):
        return False
    return all(
        _undone(reading[column], (name, times, made.tables.get(name, ()))) for name, (column, times) in first.items()
    )


def _undone(now: tuple[str, float, Codes], first: tuple[str, float, Codes]) -> bool:
    """Whether a column is read from where it was read for, divided by the inverse, and by the inverse table."""
    turned = {(means, comes) for comes, means in now[2]}
    return now[0] == first[0] and isclose(now[1] * first[1], 1.0) and turned == set(first[2])


def come_again(plan: Plan, scene: Scene) -> str:
    """Return what shows that a feed went back while the version serves that a plan converted for it; empty: nothing.

    That it is again as it always was needs fewer rows than that it is something new.
    """
    made = conversion_of(plan)
    service = scene.fleet.service(plan.service)
    if made is None or champion_of(service, scene) != made.version:
        return ""
    try:
        accepted = scene.senses.log.reference(service.name)
        rows = scene.senses.log.window(service.name, scene.now - AGAIN, scene.now)
    except ToolError:
        return ""
    found = again(gross(accepted, rows), rows, made.tables)
    exact = all(_exact(spoil) for spoil in found)
    return "; ".join(spoil.text for spoil in found) if exact and undoes(read_by(found), made) else ""


def conversion_of(plan: Plan) -> ConvertInputs | None:
    """Return the conversion that is part of a plan; None where none is."""
    return next((step.action for step in plan.steps if isinstance(step.action, ConvertInputs)), None)


def in_words(made: ConvertInputs) -> str:
    """Return what a converted version reads otherwise, for whoever can mend the feed."""
    read = zip(made.inputs, made.read_from, made.divided_by, strict=True)
    parts = [f"{name} {_how(name, column, times, made.tables.get(name, ()))}" for name, column, times in read]
    return f"{', '.join(parts)}: {made.version} reads it so in place of {made.of}, until the feed goes back"


def _how(name: str, column: str, times: float, codes: Codes) -> str:
    if codes:
        return "comes with " + ", ".join(f"{comes} for {means}" for comes, means in codes)
    factor = "" if times == 1.0 else f", times {times:g}"
    return f"comes as {column}{factor}" if column != name else f"comes{factor.removeprefix(',')}"
