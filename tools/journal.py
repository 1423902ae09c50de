"""The journal's port: an append-only log of entries and a table of claims. It knows none of our nouns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record. ``seq`` strictly increases; ``body`` is JSON."""

    seq: int
    at: datetime
    subject: str  # incident id, "fleet", ...
    kind: str
    body: Json


@dataclass(frozen=True, slots=True)
class Unless:
    """A condition on an append: nothing of these kinds, about this subject (None: any), came after ``after``."""

    after: int
    kinds: tuple[str, ...]
    subject: str | None = None


class Journal(Protocol):
    """Append, read, claim. ``append`` returns only when the entry is durable."""

    def append(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        """Add one entry durably."""
        ...

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        """Add one entry durably, judging the conditions in the same transaction; None, and nothing, where one fails."""
        ...

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        """Return entries in order, optionally of one subject and of some kinds, with ``seq > after``."""
        ...

    def subjects(self) -> tuple[str, ...]:
        """Return every subject, in order of first entry."""
        ...

    def claim(self, key: str, owner: str, at: datetime) -> bool:
        """Compare-and-swap: True for exactly one caller per key, ever."""
        ...

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        """Take the lease of a target: returns an epoch strictly above every earlier one, and above ``above``."""
        ...
