"""Leases: who works on which targets, until when, under which epoch. All of it is in the journal, and, for controllers
with other journals, once more beside the targets (``playbooks.shared``).

A lease is taken by one conditional append, so of two executors exactly one gets it. Every taking has an epoch above all
earlier ones, whatever their target. A lapsed lease may be taken by anybody: the run is then resumed by its new holder.
An owner's name belongs to one living process, so whoever bears a holder's name is its successor, and need not wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from playbooks.plan import Plan
from playbooks.shared import SKEW, Obstacle, Shared, highest
from tools.clock import Clock
from tools.errors import Malformed
from tools.journal import Entry, Journal, Unless
from tools.lease import Hold, TargetLeases

KINDS = ("LEASE", "RUN_END")
FENCE = "fleet"  # one counter of epochs, so that they compare on every target
_TRIES = 8  # when others take leases at the same time


@dataclass(frozen=True, slots=True)
class Lease:
    """One run's hold on its targets."""

    plan: str
    epoch: int
    owner: str
    targets: frozenset[str]
    until: datetime
    blocks_until: datetime  # a run that broke off keeps others away so long, that it may be resumed first


class Leases:
    """One executor's view of all leases."""

    def __init__(
        self, journal: Journal, clock: Clock, owner: str, life: timedelta, shared: TargetLeases | None = None
    ) -> None:
        self._journal, self._clock, self._owner, self._life = journal, clock, owner, life
        self._shared = Shared(shared, owner)
        self._seq = 0
        self._all: dict[str, Lease] = {}  # of runs that have not ended
        self._mine: dict[str, int] = {}  # epochs, by run
        self._ended: dict[str, int] = {}  # the last end of each run, by entry

    def epoch(self, plan: Plan) -> int:
        """Return the epoch under which we hold a run; 0: we do not."""
        return self._mine.get(plan.id, 0)

    def forget(self, plan: Plan, targets: frozenset[str]) -> None:
        """Let go of a run that is over."""
        if epoch := self._mine.pop(plan.id, 0):
            now = self._clock.now()
            self._shared.release(targets, Hold(self._owner, epoch, plan.id, now, now))

    def take(self, plan: Plan, targets: frozenset[str], blocks_until: datetime, seen: int) -> Obstacle | None:
        """Take, renew or keep a run's lease, as read up to ``seen``; returns why that cannot be, None: it is ours."""
        for _ in range(_TRIES):
            self._refresh()
            if self._ended.get(plan.id, 0) > seen:
                return Obstacle("it has just ended")
            now = self._clock.now()
            held = self._all.get(plan.id)
            ours = held is not None and held.epoch == self.epoch(plan)
            if held is not None and ours and held.until - now > self._life / 2:
                return None
            if reason := self._objection(plan, targets, now):
                return Obstacle(reason)
            # A lease that never lapsed is renewed under its epoch; any other is taken anew.
            kept = self.epoch(plan) if held is not None and ours and held.until > now else 0
            epoch = self._beside(plan, targets, kept, now)
            if isinstance(epoch, Obstacle):
                return epoch
            lease = Lease(plan.id, epoch, self._owner, targets, now + self._life, blocks_until)
            if self._write(plan, lease, now):
                self._mine[plan.id] = epoch
                return None
        return Obstacle("others keep taking leases")

    def _beside(self, plan: Plan, targets: frozenset[str], kept: int, now: datetime) -> int | Obstacle:
        """Take or renew the shared leases; returns the epoch under which: ``kept`` where nobody came in between."""
        seen = self._shared.look(targets)
        if isinstance(seen, Obstacle):
            return seen
        runs = None if plan.id in self._all else {*self._all, *self._ended}
        if obstacle := self._shared.objection(seen, plan, now, runs):
            return obstacle
        if not kept or any(hold is None or hold.epoch != kept for hold in seen.values()):
            kept = self._journal.next_epoch(FENCE, self._owner, now, highest(seen))
        return self._shared.take(seen, Hold(self._owner, kept, plan.id, now, now + self._life)) or kept

    def _objection(self, plan: Plan, targets: frozenset[str], now: datetime) -> str:
        held = self._all.get(plan.id)
        if held is not None and held.owner != self._owner and held.until + SKEW > now:
            return f"held by {held.owner}"
        for other in self._all.values():
            begun = (
                held is not None
            )  # what has begun waits only for those at work, what has not, for the broken-off too
            busy = other.until + SKEW > now or (not begun and other.blocks_until > now)
            if other.plan != plan.id and other.targets & targets and busy:
                return f"target is held by run {other.plan}"
        return ""

    def _write(self, plan: Plan, lease: Lease, now: datetime) -> bool:
        body: dict[str, Any] = {
            "plan": lease.plan,
            "epoch": lease.epoch,
            "owner": lease.owner,
            "targets": sorted(lease.targets),
            "until": lease.until.isoformat(),
            "blocks_until": lease.blocks_until.isoformat(),
            "text": f"{lease.owner}, epoch {lease.epoch}, until {lease.until:%H:%M:%S}",
        }
        return self._journal.append_if(plan.incident, "LEASE", body, now, (Unless(self._seq, KINDS),)) is not None

    def _refresh(self) -> None:
        for entry in self._journal.entries(kinds=KINDS, after=self._seq):
            self._note(entry)
            self._seq = entry.seq

    def _note(self, entry: Entry) -> None:
        name, epoch = str(entry.body.get("plan")), entry.body.get("epoch", 0)
        held = self._all.get(name)
        if held is not None and epoch < held.epoch:
            return  # a superseded executor's
        if entry.kind == "RUN_END":
            self._all.pop(name, None)
            self._ended[name] = entry.seq
        else:
            self._all[name] = read(entry)


def read(entry: Entry) -> Lease:
    """Return the lease that an entry speaks of; ``Malformed`` where it cannot be read."""
    body: Mapping[str, Any] = entry.body
    try:
        until, blocks = (datetime.fromisoformat(body[key]) for key in ("until", "blocks_until"))
        return Lease(body["plan"], int(body["epoch"]), body["owner"], frozenset(body["targets"]), until, blocks)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"journal entry {entry.seq} is no lease: {error}") from error
