"""One fault at a time in a whole cluster: a Lease that runs out by itself, where drillers meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from tools.errors import Refused
from tools.lease import Hold, TargetLeases

TARGET = "drill"


@contextmanager
def turn(leases: TargetLeases, operation: str, by: str, at: datetime, lasts: timedelta) -> Iterator[None]:
    """Hold the only turn for the length of a block; ``Refused`` while somebody else has it."""
    last = leases.read(TARGET)
    if last is not None and last.until > at:
        raise Refused(f"{last.run} by {last.owner} has the turn until {last.until:%H:%M:%S} UTC: one fault at a time")
    epoch, version = (last.epoch + 1, last.version) if last else (1, "")
    if not leases.write(TARGET, Hold(by, epoch, operation, at, at + lasts, version)):
        raise Refused("somebody else was quicker: one fault at a time")
    try:
        yield
    finally:
        end_turn(leases, operation)


def end_turn(leases: TargetLeases, operation: str = "") -> None:
    """End the turn of a drill, or whosever it is: a driller that was killed keeps its own until it runs out."""
    held = leases.read(TARGET)
    if held is not None and operation in ("", held.run):
        leases.write(TARGET, replace(held, until=held.at))
