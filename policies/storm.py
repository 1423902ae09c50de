"""Storms: when many services fail at once the cause is shared, and taking parts away makes it worse.

A pure function of when incidents began, so that it says the same after a crash; it goes on for a cool-down.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from policies.decision import Reason
from tools.action import Action, EvictReplica, Operation, SetSchedulable, TrainModel
from tools.clock import Clock
from tools.journal import Entry, Journal

SHARE = 0.6  # of the services with an incident of their own
FEWEST = 3
WINDOW = timedelta(minutes=10)
COOL_DOWN = timedelta(minutes=10)
MEMORY = WINDOW + COOL_DOWN


def storming(openings: Iterable[tuple[datetime, str]], services: int, now: datetime) -> bool:
    """Tell whether so many incidents began within the window, now or less than the cool-down ago."""
    limit = max(FEWEST, math.ceil(SHARE * services))
    window: deque[tuple[datetime, str]] = deque()
    for at, subject in sorted(each for each in openings if now - MEMORY < each[0] <= now):
        window.append((at, subject))
        while at - window[0][0] > WINDOW:
            window.popleft()
        if len({name for _, name in window}) >= limit:
            return True  # its last incident is younger than window and cool-down together
    return False


def openings(entries: Iterable[Entry]) -> dict[str, datetime]:
    """Return when each incident began: its first entry."""
    first: dict[str, datetime] = {}
    for entry in entries:
        if entry.kind == "INCIDENT":
            first.setdefault(entry.subject, entry.at)
    return first


def is_destructive(action: Action) -> bool:
    """Whether an action takes something away, or binds what is scarce in a storm."""
    match action:
        case EvictReplica() | TrainModel():
            return True
        case SetSchedulable(schedulable=wanted):
            return not wanted
        case _:
            return False


def storm_check(journal: Journal, clock: Clock, services: int) -> Callable[[Action, Operation], Reason | None]:
    """Return a check for the gate that lets nothing destructive pass in a storm."""

    def check(action: Action, operation: Operation) -> Reason | None:
        del operation
        if not is_destructive(action):
            return None
        began = openings(journal.entries(kinds=("INCIDENT",)))
        if storming(((at, subject) for subject, at in began.items()), services, clock.now()):
            return Reason(rule="storm", text=f"many services fail at once: no {action.verb} now")
        return None

    return check
