"""Every crash point, with and without lost replies, over every shipped playbook: nothing twice, nothing missing."""

from collections import Counter

import pytest

from playbooks.plan import Guard, Plan
from playbooks.walk import GuardVerdict, operation_id
from tests.playbooks.fake import BINDINGS, Faults, Reply, Stage, first_state, plan_of
from tools.action import Receipt
from tools.memory_journal import MemoryJournal

pytestmark = pytest.mark.slow

REPLIES: tuple[Reply | None, ...] = (None, "lost_after", "lost_before", "transient")


def _stage(crash_at: frozenset[int] = frozenset(), replies: dict[int, Reply] | None = None) -> Stage:
    return Stage(MemoryJournal(), Faults(crash_at, replies or {}))


def _expected(plan: Plan) -> list[tuple[str, str]]:
    return [(operation_id(plan, step.id), step.action.verb) for step in plan.steps]


@pytest.mark.parametrize("playbook", sorted(BINDINGS))
@pytest.mark.parametrize("reply", REPLIES)
def test_each_effect_happens_exactly_once_wherever_it_crashes(playbook: str, reply: Reply | None) -> None:
    plan = plan_of(playbook)
    calm = _stage()
    assert calm.finish(plan).state == "done"
    cases = 0
    for lost in range(1, len(plan.steps) + 1) if reply else (0,):
        replies = {lost: reply} if reply else {}
        rehearsal = _stage(replies=replies)
        assert rehearsal.finish(plan).state == "done"
        for point in range(1, rehearsal.faults.points + 1):
            stage = _stage(frozenset((point,)), replies)
            execution = stage.finish(plan)
            where = f"crash at {point} ({stage.faults.names[point - 1]}), reply {lost} {reply}"
            assert stage.crashes == 1, where
            assert execution.state == "done", f"{where}: {execution.reason}"
            assert stage.world.effects == _expected(plan), where
            assert stage.world.state == calm.world.state, where
            cases += 1
    assert cases >= 7 * len(plan.steps)


@pytest.mark.parametrize("playbook", ["rollback_release", "scale_in"])
def test_two_crashes_anywhere_change_nothing_either(playbook: str) -> None:
    plan = plan_of(playbook)
    calm = _stage(replies={1: "lost_after"})
    calm.finish(plan)
    for first in range(1, calm.faults.points + 1):
        for second in range(first + 1, calm.faults.points + 8, 1 if playbook == "rollback_release" else 5):
            stage = _stage(frozenset((first, second)), {1: "lost_after"})
            assert stage.finish(plan).state == "done"
            assert stage.world.effects == _expected(plan), (first, second)


@pytest.mark.parametrize("reply", REPLIES)
def test_undoing_survives_every_crash_too(reply: Reply | None) -> None:
    base = plan_of("retrain")
    steps = (*base.steps[1:-1], base.steps[-1].model_copy(update={"guards": (Guard(kind="not_worse"),)}))
    plan = base.model_copy(update={"steps": steps})

    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        return GuardVerdict(verdict="broken" if guard.kind == "not_worse" else "holds", text="worse than before")

    def stage(crash_at: frozenset[int], replies: dict[int, Reply]) -> Stage:
        return Stage(MemoryJournal(), Faults(crash_at, replies), check)

    forth = [operation_id(plan, step.id) for step in plan.steps]
    back = [operation_id(plan, step.id, undo=True) for step in reversed(plan.steps)]
    for lost in (7, 9) if reply else (0,):
        replies = {lost: reply} if reply else {}
        calm = stage(frozenset(), replies)
        assert calm.finish(plan).state == "undone"
        for point in range(1, calm.faults.points + 1):
            now = stage(frozenset((point,)), replies)
            execution = now.finish(plan)
            assert execution.state == "undone", execution.reason
            assert [operation for operation, _ in now.world.effects] == forth + back
            assert now.world.state == first_state()


def test_the_harness_can_fail() -> None:
    """Control: where the actuator forgets what it did, a crash after an invisible effect makes it happen twice."""
    plan = plan_of("retrain")
    calm = _stage()
    calm.finish(plan)
    stage = _stage(frozenset((calm.faults.names.index("after train_model") + 1,)))
    stage.world.receipts = _Forgetful()
    stage.finish(plan)
    assert max(Counter(operation for operation, _ in stage.world.effects).values()) > 1


class _Forgetful(dict[str, Receipt]):
    def __setitem__(self, key: str, value: Receipt) -> None:
        return
