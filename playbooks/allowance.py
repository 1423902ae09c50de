"""What a run may spend: asked before every intent, and granted in the very transaction that writes the intent.

The rules are the policies'; here is only the shape of the question. A step whose intent stands has been paid for: a
retry or a crash spends nothing again, and undoing is always free.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from playbooks.plan import Plan
from tools.journal import Entry
from tools.lease import TargetLeases


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again at ``until``."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Not at all. ``record`` is an entry (kind, body) about the fleet that must be written down first."""

    reason: str
    record: tuple[str, Mapping[str, Any]] | None = None


class Allowance(Protocol):
    """Grants steps, from what the journal says was spent."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of entries that it counts: one more of them makes an earlier answer void."""
        ...

    def outdated(self, entry: Entry, now: datetime) -> bool:
        """Whether an entry may be forgotten, since it counts for nothing any more."""
        ...

    def ask(self, plan: Plan, entries: Sequence[Entry], now: datetime) -> Wait | Denied | None:
        """Say why a step of a plan may not be begun; None: it may, and its intent is the payment."""
        ...


class Unlimited:
    """Grants everything: for rehearsals and tests."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """None."""
        return ()

    def outdated(self, entry: Entry, now: datetime) -> bool:
        """Return True."""
        del entry, now
        return True

    def ask(self, plan: Plan, entries: Sequence[Entry], now: datetime) -> None:
        """Return None."""
        del plan, entries, now


def _free() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds an executor back. ``brake`` says why nothing at all may be written now, empty: nothing does."""

    allowance: Allowance = field(default_factory=Unlimited)
    brake: Callable[[], str] = _free
    lease: timedelta = timedelta(minutes=3)  # longer than the longest call to the actuator
    shared: TargetLeases | None = None  # where controllers with other journals are met; None: there are none
