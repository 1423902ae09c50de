"""``python -m tests.torture.mutants``: deliberate breakages of the engine, each of which the torture must notice.

A safety test that never fails proves nothing. Each breakage takes one rule away; 500 seeds at most must expose it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import playbooks.executor
import playbooks.task
import playbooks.walk
import policies.approvals
import policies.authority
import policies.budget
import policies.controls
import policies.floor
import policies.gate
import policies.storm
import tests.torture.stage
from playbooks.executor import Executor
from playbooks.lease import Leases
from playbooks.ledger import Ledger
from playbooks.run import RunState
from policies.authority import Grant
from policies.breaker import Breaker
from policies.budget import Budget
from policies.gate import Gate
from tests.torture.stage import Stage
from tests.torture.trials import trial
from tools.action import Operation
from tools.errors import ToolError
from tools.journal import Entry, Json, Unless
from tools.live.kube_stamp import Stamps
from tools.memory_journal import MemoryJournal

SEEDS = 500
FALLS_APART = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, ToolError)
"""How a broken engine may fail by itself, which is noticed as well."""
Broken = tuple[object, str, Any]
"""What is replaced: owner, attribute, and the broken thing in its place."""

_append_if = MemoryJournal.append_if
_settle, _task, _answered = Executor._settle, playbooks.task.task, policies.approvals._answered
_operation_id = playbooks.walk.operation_id


def _unconditional(*kinds: str) -> Callable[..., Entry | None]:
    def append_if(self: MemoryJournal, subject: str, kind: str, body: Json, at: Any, unless: Any) -> Entry | None:
        conditions: tuple[Unless, ...] = () if kind in kinds else tuple(unless)
        return _append_if(self, subject, kind, body, at, conditions)

    return append_if


def _without_intent(self: Ledger, plan: Any, task: Any, before: Any, inverse: Any) -> None:
    """Act first, and write nothing down."""


def _settling_as(wrong: str) -> Callable[..., Any]:
    def settle(self: Executor, plan: Any, now: Any, state: str, detail: str, **more: Any) -> Any:
        return _settle(self, plan, now, wrong if state == "ambiguous" else state, detail, **more)  # type: ignore[arg-type]

    return settle


def _undoing_by_force(self: Executor, plan: Any, run: RunState, index: int) -> Any:
    """Undo, whoever changed it since."""
    now = playbooks.task.task(plan, run, index, undo=True)
    state = self._actuator.preimage(now.forward).state
    if now.leg is None:
        self._ledger.intend(plan, now, state, None)
    return self._apply(plan, playbooks.task.task(plan, self._ledger.run(plan), index, undo=True), again=False)


def _forward_as_inverse(plan: Any, run: RunState, index: int, *, undo: bool) -> Any:
    made = _task(plan, run, index, undo=undo)
    return replace(made, action=made.forward)


def _given_up(self: Executor, plan: Any, now: Any, detail: str) -> Any:
    return self._settle(plan, now, "failed", detail)


def _expiry_is_yes(question: Any, **update: Any) -> Any:
    if update.get("state") == "expired":
        update["state"] = "approved"
    return _answered(question, **update)


def _id_per_try(plan: Any, step: str, *, undo: bool = False) -> str:
    _id_per_try.calls += 1  # type: ignore[attr-defined]
    return f"{_operation_id(plan, step, undo=undo)}-{_id_per_try.calls}"  # type: ignore[attr-defined]


_id_per_try.calls = 0  # type: ignore[attr-defined]


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _empty(*_: Any, **__: Any) -> str:
    return ""


def _no(*_: Any, **__: Any) -> bool:
    return False


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _closed(*_: Any, **__: Any) -> Breaker:
    return Breaker()


MUTANTS: Mapping[str, tuple[Broken, ...]] = {
    "acts without an intent": ((Ledger, "intend", _without_intent),),
    "the actuator forgets what it did": ((Stamps, "find", _nothing),),
    "the actuator ignores the epoch": ((Stamps, "admit", _nothing),),
    "an operation has a new id at every try": ((playbooks.task, "operation_id", _id_per_try),),
    "writes to what has changed since it was looked at": ((Operation, "unmet", _empty),),
    "undoes what is no longer ours": ((Executor, "_undo", _undoing_by_force), (Operation, "unmet", _empty)),
    "undoes nothing": ((playbooks.walk, "_undoing", _nothing),),
    "repeats the step instead of undoing it": ((playbooks.executor, "task", _forward_as_inverse),),
    "takes a lost reply for success": ((Executor, "_settle", _settling_as("done")),),
    "takes a lost reply for failure": ((Executor, "_settle", _settling_as("failed")),),
    "believes the first look at what it undoes": ((Executor, "_unsure", _nothing),),
    "gives up what may still arrive": ((Executor, "_give_up", _given_up),),
    "reserves no rate": ((Budget, "_rate", _nothing),),
    "reserves no places": ((Budget, "_places", _nothing),),
    "reserves outside the transaction": ((MemoryJournal, "append_if", _unconditional("STEP_INTENT")),),
    "takes leases without looking": ((Leases, "_objection", _empty),),
    "takes leases outside the transaction": ((MemoryJournal, "append_if", _unconditional("LEASE")),),
    "every lease has the same epoch": ((MemoryJournal, "next_epoch", lambda *_: 1),),
    "does not look again right before the act": ((Gate, "_look_again", _nothing),),
    "needs no yes": ((Grant, "_unapproved", _empty),),
    "an approval never lapses": ((policies.authority, "_overdue", _empty),),
    "silence means yes": ((policies.approvals, "_answered", _expiry_is_yes),),
    "the kill switch is not connected": ((Stage, "brake", _empty),),
    "the breaker does not latch": ((policies.budget, "fold", _closed), (policies.controls, "breaker_of", _closed)),
    "pauses are not heard": ((policies.controls, "paused", _nothing),),
    "storms are not seen": ((policies.storm, "storming", _no), (tests.torture.stage, "storming", _no)),
    "floors are not kept": ((policies.floor, "_below", _nothing),),
    "nobody reaps": ((tests.torture.stage, "reap", lambda *_: ()),),
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """Break the engine in one way."""
    with ExitStack() as stack:
        for owner, attribute, wrong in MUTANTS[name]:
            stack.enter_context(patch.object(owner, attribute, wrong))
        yield


def caught(name: str, seeds: int = SEEDS) -> tuple[int, str]:
    """Return the first seed that exposes a breakage and what it says; -1 where none does."""
    with broken(name):
        for seed in range(seeds):
            try:
                _, violation, _ = trial(seed)
            except FALLS_APART as error:
                return seed, f"{type(error).__name__}: {error}"
            if violation:
                return seed, violation
    return -1, ""


def main() -> int:
    """Try every breakage."""
    missed = 0
    for name in MUTANTS:
        seed, violation = caught(name)
        missed += seed < 0
        print(f"{'MISSED' if seed < 0 else f'seed {seed:4}'}  {name}: {violation[:100]}", flush=True)
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} breakages are caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
