"""What models are shown, looked at now and then: a column that is spoiled in many rows shows before any label comes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from agent.analysts.columns import Columns, Spoil, spoils
from tools.errors import Absent, ToolError
from tools.ports import InferenceLog
from tools.records import InferenceWindow

LATELY = timedelta(minutes=10)  # rows looked at
LASTING = timedelta(minutes=10)  # for which a column is spoiled, until that is no blip
ROWS = 400  # of them, the newest
REMEMBERED = timedelta(hours=1)  # for which the rows that a model was accepted on are not read again
WHOLE = 0.9  # share of rows from which on those before them are looked at too
GROSS = 0.2  # share of rows from which on a column is nobody's whim

Spoiled = Mapping[str, tuple[Spoil, ...]]


@dataclass(frozen=True, slots=True)
class _Accepted:
    columns: Columns | None  # None: nobody kept them
    read_at: datetime
    version: str = ""  # that was accepted on them, where they say so; else the one that answered nearly all then


def as_shown(rows: InferenceWindow, spoiled: Sequence[Spoil], now: InferenceWindow) -> InferenceWindow:
    """Return rows of before with the columns that are spoiled now spoiled likewise; ``now`` are rows of now.

    Units, places, missing values and classes known to be renamed are repeated exactly. Of a column that holds what it
    never did, the values of now are put in: what they still say of their own rows is lost. ``Absent`` where there are
    no rows of now.
    """
    if rows.names != now.names or not len(now.at):
        raise Absent(f"{rows.service}: no rows of now to spoil others by")
    features, count = rows.features.copy(), len(rows.at)
    for spoil in spoiled:
        place = rows.names.index(spoil.column)
        lately = np.resize(now.features[:, place], count)  # in their order: what goes together stays together
        match spoil.finding:
            case "nulls_up":
                features[np.isnan(lately), place] = np.nan
            case "unit_changed":
                features[:, place] *= spoil.times
            case "columns_swapped":
                other = rows.names.index(spoil.other)
                features[:, [place, other]] = features[:, [other, place]]
            case "category_new" if spoil.codes:
                for comes, means in spoil.codes:
                    features[np.rint(rows.features[:, place]) == means, place] = comes
            case _:
                features[:, place] = lately
    return replace(rows, features=features)


def _gross(before: Columns, rows: InferenceWindow, end: int) -> list[Spoil]:
    """Return what is spoiled in many of the rows before a place."""
    some = rows.features[max(0, end - ROWS) : end]
    return [spoil for spoil in spoils(before, Columns(rows.names, some)) if spoil.share >= GROSS]


def _since(before: Columns, rows: InferenceWindow, spoil: Spoil) -> float:
    """Return since when a column is spoiled: that is as old as the rows that show it, not as the first look at them."""
    end, first, share = len(rows.at), len(rows.at), spoil.share
    while share:
        many = min(ROWS, end)
        first = end - round(share * many)
        end -= many
        earlier = _gross(before, rows, end) if share >= WHOLE else []
        same = [each.share for each in earlier if (each.finding, each.column) == (spoil.finding, spoil.column)]
        share = max(same, default=0.0)
    return float(rows.at[min(first, len(rows.at) - 1)])


def write_spoils(spoiled: Sequence[Spoil]) -> str:
    """Return what a plan has to remember of spoiled columns: a later look may miss one.

    >>> read_spoils(write_spoils((Spoil("unit_changed", "x", 1.0, "x is 1000 times", 1000.0),)))[0].times
    1000.0
    """
    return json.dumps([[spoil.finding, spoil.column, spoil.times, spoil.other, spoil.codes] for spoil in spoiled])


def read_spoils(text: str) -> tuple[Spoil, ...]:
    """Return the spoiled columns that a plan remembers."""
    return tuple(
        Spoil(finding, column, 1.0, "", times, other, tuple((comes, means) for comes, means in (codes or [[]])[0]))
        for finding, column, times, other, *codes in json.loads(text or "[]")
    )


def lately_spoiled(scene_spoils: Iterable[Spoiled], service: str) -> tuple[Spoil, ...]:
    """Return what the newest of some looks that saw anything spoiled saw; ``scene_spoils``: oldest first."""
    return next((found for each in reversed(list(scene_spoils)) if (found := each.get(service, ()))), ())


class Shown:
    """Looks at the logs of some services, each every so often."""

    def __init__(self, log: InferenceLog, services: tuple[str, ...], every: timedelta) -> None:
        self._log, self._services, self._every = log, services, every
        self._accepted: dict[str, _Accepted] = {}
        self._looked_at: datetime | None = None
        self._found: dict[str, tuple[Spoil, ...]] = {}
        self._first: dict[str, float] = {}  # POSIX seconds since when what one look saw is spoiled, by service
        self._sure: set[str] = set()  # services of which another look said the same

    def look(self, now: datetime) -> Spoiled:
        """Return what is spoiled, by service; what cannot be read just now is what it was. NO DATA is no all-clear."""
        due = tuple(service for service in self._services if self._in_doubt(service, now))
        if self._looked_at is None or now - self._looked_at >= self._every:
            self._looked_at, due = now, self._services
        found = {service: self._examined(service, now) for service in due}
        known = {service: spoiled for service, spoiled in found.items() if spoiled is not None}
        if known:
            self._found = {**self._found, **known}  # what was handed out stays as it was
        for service, spoiled in known.items():
            self._note(service, spoiled, now)
        return self._found

    def _in_doubt(self, service: str, now: datetime) -> bool:
        """Whether what one look saw spoiled has lasted by now, if it was no blip: another look says."""
        first = self._first.get(service)
        return first is not None and now.timestamp() >= first + LASTING.total_seconds()

    def _note(self, service: str, spoiled: tuple[Spoil, ...], now: datetime) -> None:
        """Remember since when a service is in doubt: until it is well, or a later look confirms it."""
        if not spoiled:
            self._first.pop(service, None)
            self._sure.discard(service)
        elif self._in_doubt(service, now):
            self._sure.add(service)
            self._first.pop(service)
        elif service not in self._sure:
            self._first.setdefault(service, min(spoil.since for spoil in spoiled))

    def _examined(self, service: str, now: datetime) -> tuple[Spoil, ...] | None:
        if self._before(service, now) is None:
            return None  # there is nothing to compare rows with: none are read
        try:
            rows = self._log.window(service, now - LATELY, now)
        except ToolError:
            return None
        before = self._before(service, now, _answering(rows))
        if before is None:
            return None
        if rows.names != before.names or not len(rows.at):
            return None
        found = _gross(before, rows, len(rows.at))
        return tuple(replace(spoil, since=_since(before, rows, spoil)) for spoil in found)

    def _before(self, service: str, now: datetime, answering: str | None = None) -> Columns | None:
        """Return the rows that the model was accepted on, sorted; None where they cannot be read.

        ``answering``: the version that answers now, where that is known. Another version may have been accepted on
        others: one that reads its inputs in another unit was.
        """
        kept = self._accepted.get(service)
        other = kept is not None and answering is not None and kept.version != answering
        if kept is None or now - kept.read_at >= REMEMBERED or other:
            try:
                rows = self._log.reference(service)
                version = _answering(rows) or answering or ""
                kept = _Accepted(Columns(rows.names, rows.features), now, version)
            except ToolError:
                kept = _Accepted(kept.columns if kept else None, now, answering or "")
            self._accepted[service] = kept
        return kept.columns


def _answering(rows: InferenceWindow) -> str:
    """Return the version that answered nearly all of the newest rows; empty where there is none."""
    newest = rows.version[-ROWS:]
    if len(newest) and (newest == newest[-1]).all():  # as a rule: nothing to sort
        return str(newest[-1])
    names, counts = np.unique(newest, return_counts=True)
    return str(names[counts.argmax()]) if len(names) and counts.max() >= WHOLE * counts.sum() else ""
