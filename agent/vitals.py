"""How the daemon is: what its own metrics page says, and whether it still ticks. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.casebook import Snapshot
from tools.vital import Vital


@dataclass(frozen=True, slots=True)
class Pulse:
    """The ticks of a process so far."""

    since: datetime  # when it began to live, or its last tick ended
    ended: datetime | None = None  # when the last tick that did not fail ended
    seconds: float = 0.0  # that it took
    done: int = 0
    failed: int = 0

    def beat(self, began: datetime, ended: datetime) -> "Pulse":
        """Return it after one more tick that did not fail."""
        took = (ended - began).total_seconds()
        return replace(self, since=ended, ended=ended, seconds=took, done=self.done + 1)

    def missed(self, at: datetime) -> "Pulse":
        """Return it after a tick that failed: the process lives, and sees nothing."""
        return replace(self, since=at, failed=self.failed + 1)

    def stalled(self, now: datetime, after: timedelta) -> str:
        """Return since when no tick ended, where that is longer than ``after``; else nothing."""
        still = now - self.since
        return f"no tick has ended for {still.total_seconds():.0f} s" if still > after else ""


def vitals(seen: Snapshot | None, pulse: Pulse) -> Iterator[Vital]:
    """Yield what is known after a tick, of which ``seen`` is what there was to see; None before the first."""
    if pulse.ended is not None:
        stamp = pulse.ended.timestamp()
        yield Vital("prunella_last_tick_timestamp_seconds", "When the last tick that did not fail ended.", stamp)
    yield Vital("prunella_tick_seconds", "How long that tick took.", pulse.seconds)
    yield Vital("prunella_ticks_total", "Ticks since the start.", pulse.done, {"outcome": "done"})
    yield Vital("prunella_ticks_total", "Ticks since the start.", pulse.failed, {"outcome": "failed"})
    if seen is not None:
        yield from _of_seeing(seen)
        yield from _of_services(seen)
        yield from _of_cases(seen)


def _of_seeing(seen: Snapshot) -> Iterator[Vital]:
    halted = sum(problem.startswith("halted") for problem in seen.problems)
    yield Vital("prunella_halted", "1 while nothing at all may be changed.", float(halted > 0))
    yield Vital("prunella_problems", "What keeps her from seeing or acting.", len(seen.problems) - halted)


def _of_services(seen: Snapshot) -> Iterator[Vital]:
    about = "1 for the state that a guarded service is in."
    for row in seen.services:
        for state in ("ok", "bad", "no_data"):
            labels = {"guarded": row.name, "state": state}
            yield Vital("prunella_service_state", about, float(row.state == state), labels)


def _of_cases(seen: Snapshot) -> Iterator[Vital]:
    about = "Cases in the journal, by the phase that they are in."
    phases = Counter(case.phase for case in seen.cases)
    for phase, count in sorted(phases.items()):
        yield Vital("prunella_cases", about, count, {"phase": phase})
    waiting = [case.approval.asked_at for case in seen.cases if case.phase == "waiting_approval" and case.approval]
    longest = (seen.at - min(waiting)).total_seconds() if waiting else 0.0
    yield Vital("prunella_longest_question_seconds", "How long the oldest question has waited for a person.", longest)
