"""A journal in memory, for drills and tests: same contract as the durable one, nothing survives the process."""

import json
import threading
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter

from tools.chain import canonical, stamp
from tools.journal import Entry, Json, Unless

_SEQ = attrgetter("seq")


class MemoryJournal:
    """Implements ``tools.journal.Journal``. Bodies pass through JSON, so that nobody shares a mutable value.

    Entries are filed by subject and by kind: a tick asks for few of some kinds, and a month writes many of others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Entry] = []
        self._by_subject: dict[str, list[Entry]] = {}
        self._by_kind: dict[str, list[Entry]] = {}
        self._claims: dict[str, str] = {}
        self._leases: dict[str, tuple[int, str]] = {}  # epoch and owner by target

    def append(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        """Add one entry."""
        text, when = canonical(body), datetime.fromisoformat(stamp(at))
        with self._lock:
            return self._add(subject, kind, json.loads(text), when)

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        """Add one entry if nothing came in between; None otherwise."""
        text, when = canonical(body), datetime.fromisoformat(stamp(at))
        with self._lock:
            if any(self._came(condition) for condition in unless):
                return None
            return self._add(subject, kind, json.loads(text), when)

    def _came(self, unless: Unless) -> bool:
        later = (e for kind in unless.kinds for e in _later(self._by_kind.get(kind, ()), unless.after))
        return any(unless.subject in (None, e.subject) for e in later)

    def _add(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        entry = Entry(len(self._all) + 1, at, subject, kind, body)
        self._all.append(entry)
        self._by_subject.setdefault(subject, []).append(entry)
        self._by_kind.setdefault(kind, []).append(entry)
        return entry

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        """Return entries in order, optionally of one subject and of some kinds, with ``seq > after``."""
        with self._lock:
            if subject is not None:
                found = _later(self._by_subject.get(subject, ()), after)
            elif not kinds:
                found = self._all[max(after, 0) :]
            else:
                filed = [_later(self._by_kind.get(kind, ()), after) for kind in dict.fromkeys(kinds)]
                found = sorted(chain.from_iterable(filed), key=_SEQ)
        return tuple(entry for entry in found if not kinds or entry.kind in kinds)

    def subjects(self) -> tuple[str, ...]:
        """Return every subject, in order of first entry."""
        with self._lock:
            return tuple(self._by_subject)

    def claim(self, key: str, owner: str, at: datetime) -> bool:
        """Return True for exactly one caller per key, ever."""
        stamp(at)
        with self._lock:
            if key in self._claims:
                return False
            self._claims[key] = owner
            return True

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        """Return an epoch strictly above every earlier one of the target, and above ``above``."""
        stamp(at)
        with self._lock:
            epoch = max(self._leases.get(target, (0, ""))[0], above) + 1
            self._leases[target] = (epoch, owner)
            return epoch


def _later(entries: Sequence[Entry], after: int) -> Sequence[Entry]:
    """Return what of a file has ``seq > after``."""
    return entries[bisect_right(entries, after, key=_SEQ) :]
