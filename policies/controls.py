"""Controls: named pauses with an end, of the fleet or of one service. Undoing still flows while paused."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import Field, ValidationError

from config.frozen import Frozen
from policies.authority import Grant
from policies.breaker import KIND as BREAKER
from policies.breaker import fold as breaker_of
from policies.decision import Reason
from tools.action import Action
from tools.clock import Clock
from tools.errors import Absent, Malformed, Refused
from tools.journal import Entry, Journal

KIND = "PAUSE"
FLEET = "fleet"
LONGEST = timedelta(days=31)  # a pause that nobody remembers is worse than none


class Pause(Frozen):
    """A named pause. It ends by itself, or when somebody resumes it."""

    name: str = Field(min_length=1, max_length=60)
    scope: str = Field(min_length=1, description="a service, or fleet")
    until: datetime
    by: str = Field(min_length=1)
    why: str = ""
    resumed_by: str = ""

    def holds_at(self, service: str, now: datetime) -> bool:
        """Whether it keeps Prunella from a service now."""
        return not self.resumed_by and now < self.until and self.scope in (FLEET, service)

    def words(self) -> str:
        """Say it to a person."""
        who = "nothing new is begun in the fleet" if self.scope == FLEET else f"nothing new is begun for {self.scope}"
        return f"{who} until {self.until:%Y-%m-%d %H:%M} UTC, says {self.by}" + (f": {self.why}" if self.why else "")


def pause(journal: Journal, wanted: Pause, now: datetime) -> Pause:
    """Begin a pause, or prolong the one of that name."""
    if not now < wanted.until <= now + LONGEST:
        raise Refused(f"a pause ends later than now, and within {LONGEST.days} days")
    if not wanted.by.strip():
        raise Refused("a pause wants a name of who pauses")
    journal.append(FLEET, KIND, wanted.model_dump(mode="json"), now)
    return wanted


def resume(journal: Journal, name: str, by: str, now: datetime) -> Pause:
    """End a pause before its time. ``Absent``: there is none of that name."""
    if not by.strip():
        raise Refused("resuming wants a name of who resumes")
    standing = fold(journal.entries(kinds=(KIND,))).get(name)
    if standing is None or standing.resumed_by or standing.until <= now:
        raise Absent(f"nothing is paused under the name {name}")
    ended = standing.model_copy(update={"resumed_by": by.strip()})
    journal.append(FLEET, KIND, ended.model_dump(mode="json"), now)
    return ended


def fold(entries: Iterable[Entry]) -> Mapping[str, Pause]:
    """Return the last word on every pause; ``Malformed`` where one cannot be read."""
    found: dict[str, Pause] = {}
    for entry in entries:
        if entry.kind == KIND:
            try:
                item = Pause.model_validate(entry.body)
            except ValidationError as error:
                raise Malformed(f"journal entry {entry.seq} is no pause: {error.error_count()} faults") from error
            found[item.name] = item
    return found


def in_force(entries: Iterable[Entry], now: datetime) -> tuple[Pause, ...]:
    """Return every pause that holds for somebody now."""
    return tuple(item for item in fold(entries).values() if not item.resumed_by and now < item.until)


def paused(entries: Iterable[Entry], service: str, now: datetime) -> Pause | None:
    """Return a pause that holds for a service now: any one suffices."""
    return next((item for item in fold(entries).values() if item.holds_at(service, now)), None)


def latches(journal: Journal, clock: Clock) -> Callable[[Action, Grant], Reason | None]:
    """Return a check for the gate: pauses, the breaker, and decisions that a reset of the breaker has voided."""

    def check(action: Action, grant: Grant) -> Reason | None:
        del action
        entries, now = journal.entries(kinds=(KIND, BREAKER)), clock.now()
        standing = breaker_of(entries)
        if standing.tripped:
            return Reason(rule="breaker", text=f"the breaker is tripped: {standing.reason}")
        if standing.voids(grant.decision.at):
            return Reason(rule="breaker-reset", text="decided before the breaker was reset, and dropped by it")
        if item := paused(entries, grant.plan.service, now):
            return Reason(rule="paused", text=f"{item.scope} is paused as {item.name} by {item.by}: {item.why}")
        return None

    return check
