"""What the engine costs a step, beyond the two entries that it makes durable (its intent and its outcome)."""

import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from playbooks.allowance import Limits
from playbooks.executor import Executor
from playbooks.plan import Plan, Step
from policies.budget import Budget
from policies.caps import Caps
from tests.playbooks.fake import FakeClock, FakeWorld, holds, plan_of
from tools.action import SetReplicas
from tools.journal import Entry, Json
from tools.live.journal import SqlJournal

CAPS = Caps(service_actions_per_hour=30, class_actions_per_hour=200, fleet_actions_per_hour=200)


class Timed(SqlJournal):
    """Counts the time that goes into durable entries, so that the rest can be told."""

    spent = 0.0
    writes = 0

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: object) -> Entry | None:
        before = time.perf_counter()
        entry = super().append_if(subject, kind, body, at, unless)  # type: ignore[arg-type]
        self.spent += time.perf_counter() - before
        self.writes += 1
        return entry

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        before = time.perf_counter()
        epoch = super().next_epoch(target, owner, at, above)
        self.spent += time.perf_counter() - before
        return epoch


def figures(rounds: int = 12, steps: int = 10) -> Mapping[str, float]:
    """Return milliseconds per step, in runs of some steps: of the whole, and of all but the durable entries."""
    rests, wholes = [], []
    with tempfile.TemporaryDirectory() as folder:
        journal = Timed(f"sqlite:///{Path(folder) / 'journal.sqlite'}")
        for number in range(rounds):
            clock = FakeClock(datetime(2026, 3, 1 + number, tzinfo=UTC))
            plan = _plan(number, steps, clock.at)
            executor = Executor(FakeWorld(clock), journal, clock, holds, "bench", Limits(Budget(CAPS, fleet=20)))
            journal.spent, before = 0.0, time.perf_counter()
            assert executor.advance(plan).state == "done"
            whole = time.perf_counter() - before
            wholes.append(whole * 1000 / steps)
            rests.append((whole - journal.spent) * 1000 / steps)
        journal.close()
    return {
        "engine_step_p50_ms": round(float(np.median(wholes)), 2),
        "engine_step_beyond_durable_writes_p50_ms": round(float(np.median(rests)), 2),
        "engine_step_beyond_durable_writes_max_ms": round(max(rests), 2),
    }


def _plan(number: int, steps: int, at: datetime) -> Plan:
    base = plan_of("scale_out", f"plan-{number}")
    actions = (SetReplicas(service="chat", replicas=2 + n % 5) for n in range(steps))
    made = tuple(Step(id=f"s{n}", action=action) for n, action in enumerate(actions))
    return base.model_copy(update={"incident": f"inc-{number}", "at": at, "steps": made})
