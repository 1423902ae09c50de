"""What the executor does when things do not go as planned."""

from datetime import timedelta
from functools import partial

import pytest

from playbooks.allowance import Limits
from playbooks.executor import MOST_TRIES
from playbooks.plan import Guard, Plan
from playbooks.run import fold
from playbooks.walk import GuardVerdict, operation_id
from tests.playbooks.fake import START, Stage, first_state, plan_of
from tools.action import Operation, Receipt
from tools.errors import Absent, Held, Malformed, Refused, ToolError, Transient
from tools.journal import Journal
from tools.memory_journal import MemoryJournal


def _stage(**more: object) -> Stage:
    return Stage(MemoryJournal(), **more)  # type: ignore[arg-type]


def _kinds(journal: Journal) -> list[str]:
    return [entry.kind for entry in journal.entries("inc-1")]


def test_a_run_is_written_down_before_and_after() -> None:
    stage = _stage()
    execution = stage.finish(plan_of("rollback_release"))
    assert execution.state == "done"
    assert _kinds(stage.journal) == ["RUN_PLANNED", "LEASE", "STEP_INTENT", "STEP_OUTCOME", "RUN_END"]
    intent = stage.journal.entries(kinds=("STEP_INTENT",))[0].body
    assert intent["preimage"] == {"revision/chat": "5"}
    assert intent["inverse"]["revision"] == "5"
    assert intent["text"] == "restore: restore_revision service=chat revision=4"
    assert stage.journal.entries(kinds=("STEP_OUTCOME",))[0].body["postimage"] == {"revision/chat": "4"}


def test_a_finished_run_does_nothing_more() -> None:
    stage = _stage()
    plan = plan_of("rollback_release")
    stage.finish(plan)
    count = len(stage.journal.entries())
    assert stage.executor("b").advance(plan).state == "done"
    assert len(stage.world.effects) == 1
    assert len(stage.journal.entries()) <= count + 1  # a lease at most


def test_it_holds_between_steps_and_says_until_when() -> None:
    stage = _stage()
    executor = stage.executor()
    execution = executor.advance(plan_of("scale_in"))
    assert (execution.state, execution.resume_at) == ("holding", START + timedelta(minutes=2))
    assert [record.state for record in execution.steps] == ["done"]
    assert executor.advance(plan_of("scale_in")).resume_at == START + timedelta(minutes=2)
    assert len(stage.world.effects) == 1


def test_training_is_waited_for_without_asking_again() -> None:
    stage = _stage()
    plan = plan_of("retrain")
    execution = stage.executor().advance(plan)
    assert (execution.state, execution.steps[0].state) == ("holding", "running")
    assert stage.finish(plan).state == "done"
    assert [verb for _, verb in stage.world.effects] == ["train_model", *["set_split"] * 4, "set_alias"]


def test_a_broken_guard_undoes_in_reverse_order() -> None:
    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        broken = stage.world.state["replicas/chat"] == "4"
        return GuardVerdict(verdict="broken" if broken else "holds", text="queue 40 > 10")

    stage = _stage(check=check)
    plan = plan_of("scale_in")
    execution = stage.finish(plan)
    assert execution.state == "undone"
    assert "queue 40 > 10" in execution.reason
    assert stage.world.state == first_state()
    undone = [operation_id(plan, step, undo=True) for step in ("narrow-2", "narrow-1")]
    assert [operation for operation, _ in stage.world.effects[2:]] == undone
    assert [record.state for record in execution.steps] == ["undone", "undone"]


def test_what_somebody_else_changed_is_not_undone_but_escalated() -> None:
    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        stage.world.state["replicas/chat"] = "9"  # an autoscaler was here
        return GuardVerdict(verdict="broken", text="worse")

    stage = _stage(check=check)
    execution = stage.finish(plan_of("scale_in"))
    assert execution.state == "escalated"
    assert "somebody else changed it" in execution.reason
    assert stage.world.state["replicas/chat"] == "9"
    assert len(stage.world.effects) == 1


def test_what_stands_as_it_was_before_the_run_is_undone_already() -> None:
    """Pointing an alias back may bring the traffic back with it: nothing is left to undo, and nobody is in the way."""

    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        narrow = stage.world.state["replicas/chat"] == "4"
        if narrow:
            stage.world.state["replicas/chat"] = "6"
        return GuardVerdict(verdict="broken" if narrow else "holds", text="worse")

    stage = _stage(check=check)
    execution = stage.finish(plan_of("scale_in"))
    assert execution.state == "undone"
    assert [record.state for record in execution.steps] == ["undone", "undone"]
    assert stage.world.state == first_state()
    assert len(stage.world.effects) == 2  # nothing was written to bring it there


def test_a_guard_that_stays_inconclusive_breaks_at_its_deadline() -> None:
    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        return GuardVerdict(verdict="inconclusive", text="too few rows")

    stage = _stage(check=check)
    plan = plan_of("scale_in")
    execution = stage.finish(plan)
    assert execution.state == "undone"
    assert "still inconclusive after 0:15:00: too few rows" in execution.reason
    took = execution.at - START
    assert timedelta(minutes=17) <= took <= timedelta(minutes=18)
    assert _kinds(stage.journal).count("GUARD") == 2  # the first, and the one at the deadline


def test_a_guard_that_cannot_be_read_is_inconclusive_not_good() -> None:
    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        raise Transient("prometheus is away")

    execution = _stage(check=check).executor()
    assert execution.advance(plan_of("scale_in")).state == "holding"


@pytest.mark.parametrize("error", [Refused("no"), Absent("gone")])
def test_a_refused_step_fails_the_run_and_undoes_the_earlier_ones(error: ToolError) -> None:
    stage = _stage()
    stage.world.refuses["evict_replica"] = error
    execution = stage.finish(plan_of("failover_node"))
    assert execution.state == "undone"
    assert str(error) in execution.reason
    assert stage.world.state == first_state()


def test_what_is_refused_for_the_moment_only_is_undone_and_says_nothing_of_the_playbook() -> None:
    stage = _stage()
    stage.world.refuses["evict_replica"] = Held("many services fail at once")
    execution = stage.finish(plan_of("failover_node"))
    assert (execution.state, execution.held) == ("undone", True)
    assert stage.world.state == first_state()
    other = _stage()
    other.world.refuses["evict_replica"] = Refused("no")
    assert not other.finish(plan_of("failover_node")).held


def test_a_refused_first_step_leaves_nothing_to_undo() -> None:
    stage = _stage()
    stage.world.refuses["restore_revision"] = Refused("frozen")
    execution = stage.finish(plan_of("rollback_release"))
    assert (execution.state, stage.world.effects) == ("failed", [])


def test_a_refused_first_look_is_no_attempt_of_the_playbook() -> None:
    stage = _stage()
    stage.world.hides["restore_revision"] = Refused("Kubernetes answers 403: deployments is forbidden")
    execution = stage.finish(plan_of("rollback_release"))
    assert (execution.state, execution.barred, stage.world.effects) == ("failed", True, [])
    assert "403" in execution.reason
    assert "STEP_INTENT" not in _kinds(stage.journal)


def test_a_look_that_is_refused_after_something_was_done_is_one() -> None:
    stage = _stage()
    stage.world.hides["evict_replica"] = Refused("Kubernetes answers 403: pods is forbidden")
    execution = stage.finish(plan_of("failover_node"))
    assert (execution.state, execution.barred) == ("undone", False)
    assert stage.world.state == first_state()
    gone = _stage()
    gone.world.hides["restore_revision"] = Absent("gone")
    assert not gone.finish(plan_of("rollback_release")).barred


def test_transient_failures_are_retried_a_bounded_number_of_times_without_sleeping() -> None:
    stage = _stage()
    stage.faults.replies = dict.fromkeys(range(1, 100), "transient")
    first = stage.executor().advance(plan_of("rollback_release"))
    assert (first.state, first.resume_at) == ("holding", START + timedelta(seconds=5))
    execution = stage.finish(plan_of("rollback_release"))
    assert execution.state == "failed"
    assert f"gave up after {MOST_TRIES} tries" in execution.reason
    assert stage.faults.applies == MOST_TRIES
    assert stage.world.effects == []


def test_what_cannot_be_probed_goes_to_a_person() -> None:
    stage = _stage()
    stage.faults.replies = {1: "lost_after"}
    stage.world.lookups_fail = True
    execution = stage.finish(plan_of("rollback_release"))
    assert execution.state == "escalated"
    assert "may or may not have happened" in execution.reason
    assert len(stage.world.effects) == 1


def test_a_run_that_takes_too_long_is_turned_round() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    stage.executor().advance(plan)
    stage.clock.at += timedelta(hours=2)  # the controller was down
    execution = stage.finish(plan)
    assert execution.state == "undone"
    assert "not finished within 1:00:00" in execution.reason
    assert stage.world.state == first_state()


def test_a_run_that_ended_well_but_did_not_help_is_undone() -> None:
    stage = _stage()
    plan = plan_of("scale_out")
    executor = stage.executor()
    assert stage.finish(plan, executor).state == "done"
    execution = executor.undo(plan, "objectives still broken after 10 minutes")
    assert (execution.state, execution.reason) == ("undone", "objectives still broken after 10 minutes")
    assert stage.world.state == first_state()
    assert stage.executor("b").undo(plan, "again").state == "undone"
    assert len(stage.world.effects) == 2


def test_undoing_what_was_never_begun_does_nothing() -> None:
    stage = _stage()
    assert stage.executor().undo(plan_of("scale_out"), "why not").state == "undone"
    assert (stage.world.effects, stage.journal.entries()) == ([], ())


def test_nothing_is_undone_where_the_playbook_says_so() -> None:
    stage = _stage(check=lambda guard, plan: GuardVerdict(verdict="broken", text="worse"))
    plan = plan_of("scale_in").model_copy(update={"undo": "none"})
    assert stage.finish(plan).state == "failed"
    assert stage.world.state["replicas/chat"] == "5"


def test_a_plan_that_changed_under_way_is_refused() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    stage.executor().advance(plan)
    with pytest.raises(Refused, match="not the plan that was begun"):
        stage.executor().advance(plan.model_copy(update={"steps": plan.steps[:1]}))


def test_an_unreadable_entry_stops_everything() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    stage.executor().advance(plan)
    stage.journal.append("inc-1", "STEP_OUTCOME", {"plan": plan.id, "epoch": 1, "step": "narrow-1"}, START)
    with pytest.raises(Malformed, match="STEP_OUTCOME"):
        stage.executor().advance(plan)
    assert len(stage.world.effects) == 1


def test_a_second_run_on_the_same_target_waits_for_the_first() -> None:
    stage = _stage()
    executor = stage.executor()
    first, second = plan_of("scale_in"), plan_of("rollback_release")
    executor.advance(first)
    waiting = executor.advance(second)
    assert (waiting.state, waiting.steps) == ("holding", ())
    assert first.id in waiting.reason
    elsewhere = plan_of("failover_vendor")
    assert executor.advance(elsewhere).state == "done"
    stage.finish(first, executor)
    assert stage.finish(second, executor).state == "done"


def test_a_run_that_waited_longer_than_it_may_take_never_begins() -> None:
    stage = _stage()
    executor = stage.executor()
    executor.advance(plan_of("scale_in"))
    executor.advance(plan_of("rollback_release"))
    stage.clock.at += timedelta(minutes=11)
    assert executor.advance(plan_of("rollback_release")).state == "failed"
    assert [verb for _, verb in stage.world.effects] == ["set_replicas"]


def test_a_lease_keeps_others_away_until_it_lapses() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    old, new = stage.executor("old"), stage.executor("new")
    old.advance(plan)
    assert new.advance(plan).reason == "held by old"
    stage.clock.at += timedelta(minutes=4)  # old sleeps longer than its lease
    assert new.advance(plan).reason == "after step narrow-2"
    late = old.advance(plan)
    assert (late.state, late.reason) == ("holding", "held by new")
    assert len(stage.world.effects) == 2
    assert stage.finish(plan, new).state == "done"
    assert len(stage.world.effects) == 3
    epochs = [entry.body["epoch"] for entry in stage.journal.entries(kinds=("LEASE",))]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2


def test_a_successor_of_the_same_name_need_not_wait() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    stage.executor("host").advance(plan)
    stage.clock.at += timedelta(minutes=2)
    assert stage.executor("host").advance(plan).reason == "after step narrow-2"
    assert len(stage.world.effects) == 2


def test_a_lease_in_use_is_renewed() -> None:
    stage = _stage()
    plan = plan_of("scale_in")
    executor = stage.executor("only")
    executor.advance(plan)
    stage.clock.at += timedelta(minutes=2)
    executor.advance(plan)
    leases = [entry.body for entry in stage.journal.entries(kinds=("LEASE",))]
    assert [lease["epoch"] for lease in leases] == [1, 1]
    assert leases[0]["until"] < leases[1]["until"]


def test_what_changed_between_looking_and_acting_is_left_alone() -> None:
    stage = _stage(fenced=True)
    stage.world.before_apply = lambda: stage.world.state.update({"revision/chat": "3"})
    execution = stage.finish(plan_of("rollback_release"))
    assert (execution.state, stage.world.effects) == ("failed", [])
    assert "changed meanwhile" in execution.reason


def test_nothing_at_all_is_written_while_the_brake_is_pulled() -> None:
    stage = _stage()
    plan, pulled = plan_of("scale_in"), [""]
    executor = stage.executor(limits=Limits(brake=lambda: pulled[0]))
    executor.advance(plan)
    pulled[0] = "halted by ana"
    count = len(stage.journal.entries())
    stage.clock.at += timedelta(minutes=3)
    assert executor.advance(plan).reason == "halted by ana"
    assert executor.undo(plan, "it does not help").reason == "halted by ana"
    assert (len(stage.world.effects), len(stage.journal.entries())) == (1, count)
    pulled[0] = ""
    assert stage.finish(plan, executor).state == "done"


def test_a_zombie_paused_in_the_middle_of_a_write_harms_nothing() -> None:
    stage = _stage(fenced=True)
    plan = plan_of("scale_in")
    zombie = stage.executor("zombie")
    stage.world.before_apply = lambda: _sleep_and_finish(stage, plan)
    assert zombie.advance(plan).state == "done"  # finds that the other one has finished
    assert [operation for operation, _ in stage.world.effects] == [operation_id(plan, step.id) for step in plan.steps]
    assert fold(stage.journal.entries("inc-1"), plan.id).owner == "new"


def _sleep_and_finish(stage: Stage, plan: Plan) -> None:
    stage.clock.at += timedelta(minutes=4)
    assert stage.finish(plan, stage.executor("new")).state == "done"


def test_a_dry_run_rehearses_every_step_and_changes_nothing() -> None:
    stage = _stage()
    said = stage.executor().dry_run(plan_of("retrain"))
    assert said[0] == "train: would train_model"
    assert said[1] == "ramp-1: not rehearsed, version 8 is yet to be made"
    assert stage.executor().dry_run(plan_of("scale_out")) == ("widen: would set_replicas",)
    assert (stage.world.effects, stage.journal.entries()) == ([], ())


def test_a_receipt_that_says_failed_fails_the_step() -> None:
    stage = _stage()
    plan = plan_of("retrain")
    stage.executor().advance(plan)
    operation = operation_id(plan, "train")
    stage.world.receipts[operation] = Receipt(operation=operation, state="failed", at=START, detail="loss is NaN")
    execution = stage.finish(plan)
    assert (execution.state, execution.reason) == ("failed", "step train failed: loss is NaN")


def test_a_running_operation_that_is_lost_is_repeated_a_bounded_number_of_times() -> None:
    stage = _stage()
    plan = plan_of("retrain")
    execution = stage.executor().advance(plan)
    while execution.state == "holding" and execution.resume_at:
        stage.world.receipts.clear()  # the trainer died and left no trace
        stage.clock.at = execution.resume_at
        execution = stage.executor().advance(plan)
    assert (execution.state, len(stage.world.effects)) == ("failed", MOST_TRIES)


def test_operation_ids_differ_by_plan_step_attempt_and_direction() -> None:
    plan = plan_of("scale_in")
    again = plan.model_copy(update={"attempt": 2})
    ids = {operation_id(p, s.id, undo=u) for p in (plan, again) for s in plan.steps for u in (False, True)}
    assert len(ids) == 12
    assert Operation(id=min(ids), incident="i", epoch=1)


def test_a_hold_is_cut_short_where_every_guard_is_sure_and_turned_round_where_one_is_broken() -> None:
    said = {"sure": GuardVerdict(verdict="holds", sure=True), "broken": GuardVerdict(verdict="broken", text="worse")}
    took = {}
    for word in ("holds", "sure", "broken"):
        stage = Stage(MemoryJournal())
        stage.check = partial(_said, said.get(word, GuardVerdict(verdict="holds")))
        began = stage.clock.at
        state = stage.finish(plan_of("retrain")).state
        took[word] = ((stage.clock.at - began).total_seconds() / 60, state)
    assert took["holds"] == (17.0, "done")  # 2 for the training, then 2, 3 and twice 5 minutes
    assert took["sure"] == (8.5, "done")  # half a minute each, but for the last, which nothing depends on
    assert took["broken"] == (2.5, "undone")


def _said(of_split: GuardVerdict, guard: Guard, plan: Plan) -> GuardVerdict:
    return of_split if guard.kind == "live_split" else GuardVerdict(verdict="holds")


def test_guards_are_told_since_when_a_step_is_done_after_its_hold_as_well() -> None:
    stage, told = Stage(MemoryJournal()), []

    def check(guard: Guard, plan: Plan) -> GuardVerdict:
        told.append(guard.args.get("since"))
        return GuardVerdict(verdict="holds")

    stage.check = check
    assert stage.finish(plan_of("retrain")).state == "done"
    assert told
    assert all(told)
