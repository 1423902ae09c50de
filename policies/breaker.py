"""The breaker: latched, for the whole fleet. Once tripped nothing is done but undoing, until a person resets it.

It trips where Prunella touches too many services in a short time, and where her remedies fail one after the other: then
the fault is more likely in what she believes than in what she guards. No force passes it by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.settings import BreakerSettings
from tools.errors import Refused
from tools.journal import Entry, Journal, Unless

KIND = "BREAKER"
KINDS = ("STEP_INTENT", "RUN_END", KIND)
SUBJECT = "fleet"


@dataclass(frozen=True, slots=True)
class Breaker:
    """How it stands. ``stale`` says what became, at the last reset, of what was decided before."""

    tripped: bool = False
    since: datetime | None = None
    reason: str = ""
    by: str = ""
    stale: Literal["drop", "replay"] = "replay"

    def voids(self, decided_at: datetime) -> bool:
        """Whether a decision was made before a reset that dropped all such."""
        return self.stale == "drop" and self.since is not None and decided_at < self.since


def fold(entries: Iterable[Entry]) -> Breaker:
    """Return how the breaker stands. An entry that cannot be read trips it."""
    standing = Breaker()
    for entry in entries:
        if entry.kind != KIND:
            continue
        body = entry.body
        match body.get("state"), body.get("stale", "drop"):
            case "reset", ("drop" | "replay") as stale:
                standing = Breaker(False, entry.at, "", str(body.get("by", "")), stale)
            case "tripped", _:
                standing = Breaker(True, entry.at, str(body.get("reason", "")))
            case _:
                standing = Breaker(True, entry.at, f"journal entry {entry.seq} about the breaker cannot be read")
    return standing


def overload(
    service: str,
    entries: Iterable[Entry],
    now: datetime,
    limits: BreakerSettings,
    fleet: int,
    hosts: Mapping[str, str] | None = None,
) -> str:
    """Return why acting on one more service would trip the breaker; empty: it would not.

    ``hosts``: of batch work, the service beside which it runs; both are one.
    """
    felt = hosts or {}
    since = _since_reset(entries)
    recent = [e for e in since if e.kind == "STEP_INTENT" and now - e.at < limits.window]
    touched = {str(e.body["spends"]["service"]) for e in recent if "spends" in e.body} | {service}
    touched = {felt.get(name, name) for name in touched}
    ceiling = limits.ceiling(fleet)
    if len(touched) > ceiling:
        return f"{len(touched)} services acted on within {limits.window} > {ceiling} of {fleet}"
    failed = _failed_in_a_row(since, now - limits.memory)
    if failed >= limits.failures:
        return f"{failed} runs in a row acted and failed >= {limits.failures}"
    return ""


def _since_reset(entries: Iterable[Entry]) -> list[Entry]:
    found: list[Entry] = []
    for entry in entries:
        if entry.kind == KIND and entry.body.get("state") == "reset":
            found = []
        found.append(entry)
    return found


def _failed_in_a_row(entries: Iterable[Entry], after: datetime) -> int:
    acted: set[str] = set()
    failed = 0
    for entry in entries:
        plan = str(entry.body.get("plan"))
        if entry.kind == "STEP_INTENT":
            acted.add(plan)
        elif entry.kind == "RUN_END" and plan in acted and entry.at > after:
            failed = 0 if entry.body.get("state") == "done" else failed + 1
    return failed


def trip(journal: Journal, reason: str, by: str, now: datetime) -> None:
    """Trip it by hand."""
    journal.append(SUBJECT, KIND, {"state": "tripped", "reason": reason, "by": _named(by)}, now)


def reset(journal: Journal, by: str, stale: Literal["drop", "replay"], now: datetime) -> Breaker:
    """Let Prunella act again. ``Refused`` when it is not tripped, or somebody else was quicker."""
    entries = journal.entries(kinds=(KIND,))
    if not fold(entries).tripped:
        raise Refused("the breaker is not tripped")
    body = {
        "state": "reset",
        "by": _named(by),
        "stale": stale,
        "text": f"reset by {by}, {stale} what was decided before",
    }
    if journal.append_if(SUBJECT, KIND, body, now, (Unless(entries[-1].seq, (KIND,)),)) is None:
        raise Refused("somebody else changed the breaker at the same time")
    return fold(journal.entries(kinds=(KIND,)))


def _named(by: str) -> str:
    if not by.strip():
        raise Refused("the breaker wants a name")
    return by.strip()
