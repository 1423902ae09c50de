"""The whole loop over a pretend fleet: healed alone, asked, told no, left without an answer, blind, only watching."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.case import OFTEN
from agent.cli import app
from agent.deliberation import RIDDLE
from agent.progress import attempts
from config.settings import Settings
from playbooks.plan import Plan
from policies.approvals import answer, modify
from tests.agent.play import ONSET, Metrics, Play, asked, closed, planned
from tools.action import Action, Operation, Preimage, Receipt
from tools.errors import Refused
from tools.live.journal import SqlJournal
from tools.signal import Frame, SignalSpec

pytestmark = pytest.mark.slow


@pytest.fixture
def asking() -> Play:
    play = Play("bad_rollout_errors")
    play.autonomy = "ask"
    return play.until(asked)


def say(play: Play, *, yes: bool) -> None:
    answer(play.journal, play.questions[0].id, "dana", yes=yes, now=play.world.clock.now())


@pytest.mark.parametrize("scenario", ["bad_rollout_errors", "vendor_outage"])
def test_a_fault_is_healed_alone_with_one_effect_and_numbers(scenario: str) -> None:
    play = Play(scenario).until(closed)
    assert (play.case.phase, play.deeds) == ("recovered", 1)
    outcome = play.case.outcome
    assert outcome is not None
    assert outcome.healed_at is not None
    assert play.case.incident.at < outcome.healed_at < outcome.at
    (errors,) = [item for item in outcome.measured if item.signal == "error_ratio"]
    assert errors.after is not None
    assert errors.target is not None
    assert errors.after <= errors.target
    assert play.case.summary


def test_a_healthy_fleet_stays_silent() -> None:
    play = Play("healthy").ticks(240)
    assert (play.kinds(), play.deeds) == ([], 0)


# -- what passes by itself ---------------------------------------------------------------------------------------------
FULL = {"ttft_p95": 3.8, "gpu_utilisation": 95.0}


class Bursts(Metrics):
    """Metrics of a service that at times has its hands full: first tokens take too long."""

    busy = False
    shown: Mapping[str, float] = FULL

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        frame = super().read(specs, at)
        if not self.busy:
            return frame
        pairs = zip(frame.keys, frame.values, strict=True)
        values = [self.shown.get(key.signal, value) if key.entity == "service/chat" else value for key, value in pairs]
        return Frame(frame.at, frame.keys, np.array(values))


def bursting(*bursts: int, shown: Mapping[str, float] = FULL, lag: Mapping[str, float] | None = None) -> Play:
    """Bursts of so many bad readings each, ten minutes apart; ``lag``: what all but the first reading show."""
    play = Play("healthy")
    play.metrics = metrics = Bursts(play.world)
    for readings in bursts:
        play.ticks(20)
        metrics.busy, metrics.shown = True, shown
        play.ticks(1)
        metrics.shown = shown if lag is None else lag
        play.ticks(readings - 1)
        metrics.busy = False
    return play.ticks(20)


def test_nothing_is_done_about_a_promise_that_is_kept_again_by_then() -> None:
    play = bursting(4)  # its rates look back for so long: the burst itself may have been one of seconds
    assert (play.deeds, [case.outcome and case.outcome.verdict for case in play.cases]) == (0, ["self_recovered"])


def test_nothing_is_done_about_a_burst_that_rates_still_show() -> None:
    queue = {"ttft_p95": 9.0, "gpu_utilisation": 95.0, "waiting": 80.0}
    over = {"ttft_p95": 9.0, "gpu_utilisation": 40.0, "waiting": 0.0}
    play = bursting(6, shown=queue, lag=over)  # far beyond the promise, so that two readings are enough to see it
    assert (play.deeds, [case.outcome and case.outcome.verdict for case in play.cases]) == (0, ["self_recovered"])
    assert bursting(6, shown=queue).deeds == 1  # the queue is there


def test_a_promise_that_is_broken_for_longer_is_treated() -> None:
    assert bursting(8).deeds == 1


def test_what_keeps_passing_by_itself_and_coming_back_is_treated() -> None:
    assert bursting(*(4 for _ in range(OFTEN - 1))).deeds == 0
    assert bursting(*(4 for _ in range(OFTEN))).deeds == 1


def test_what_comes_back_all_day_and_is_not_understood_is_a_persons() -> None:
    play = bursting(*(4 for _ in range(RIDDLE + 1)), shown={"ttft_p95": 3.8})
    verdicts = [case.outcome and case.outcome.verdict for case in play.cases]
    assert (play.deeds, verdicts) == (0, ["self_recovered"] * RIDDLE + ["escalated"])
    assert play.cases[-1].outcome is not None
    assert f"{RIDDLE} times within a day" in play.cases[-1].outcome.text


# -- a person is asked ---------------------------------------------------------------------------------------------
def test_nothing_is_done_while_a_person_is_asked_and_a_yes_acts_once(asking: Play) -> None:
    asking.ticks(5)
    assert asking.deeds == 0
    assert asking.case.phase == "waiting_approval"
    say(asking, yes=True)
    asking.until(closed)
    assert (asking.deeds, asking.case.phase) == (1, "recovered")
    assert asking.case.approval is not None
    assert asking.case.approval.by == "dana"


def test_a_no_is_a_no(asking: Play) -> None:
    say(asking, yes=False)
    asking.until(closed).ticks(20)
    assert (asking.deeds, asking.case.phase) == (0, "escalated")
    assert asking.case.outcome is not None
    assert asking.case.outcome.text == "the plan was rejected"


def test_silence_is_no_yes(asking: Play) -> None:
    asking.until(closed, ticks=80).ticks(20)
    assert (asking.deeds, asking.case.phase) == (0, "escalated")
    assert asking.case.approval is not None
    assert asking.case.approval.state == "expired"


def test_a_plan_that_changed_after_the_yes_needs_a_new_one(asking: Play) -> None:
    say(asking, yes=True)
    plan = asking.case.plan
    assert plan is not None
    changed = plan.model_copy(update={"predicted": "something else"})
    asking.journal.append(plan.incident, "PLAN", changed.model_dump(mode="json"), asking.world.clock.now())
    asking.ticks(3)
    assert asking.deeds == 0
    (question,) = asking.questions
    assert question.plan_digest == changed.digest() != plan.digest()
    say(asking, yes=True)
    assert asking.until(closed).deeds == 1


def test_a_yes_to_a_world_that_has_moved_on_is_judged_again(asking: Play) -> None:
    say(asking, yes=True)
    asking.metrics.state = "unknown"
    asking.ticks(20)
    assert (asking.deeds, asking.case.phase) == (0, "escalated")
    assert asking.case.decision is not None
    assert asking.case.decision.verdict == "deny"


def test_a_yes_that_meets_a_moment_without_data_waits_for_it_to_pass(asking: Play) -> None:
    say(asking, yes=True)
    asking.metrics.state = "partial"
    asking.ticks(4)
    assert asking.deeds == 0
    asking.metrics.state = "whole"
    assert asking.until(closed).deeds == 1


def test_a_plan_that_a_person_changes_is_judged_anew_and_asked_about_anew(asking: Play) -> None:
    first, plan = asking.questions[0], asking.case.plan
    assert plan is not None
    older = asking.world.cluster.topology().deployment(plan.service)
    assert older is not None
    wanted = older.revisions[0].number
    modify(asking.journal, first.id, "dana", {"restore.revision": wanted}, now=asking.world.clock.now())
    asking.autonomy = "act"
    asking.hire()  # a process that may act alone, and has heard nothing but the journal
    asking.ticks(4)
    assert asking.deeds == 0
    (second,) = asking.questions
    assert asking.case.plan is not None
    assert (asking.case.plan.id, asking.case.plan.attempt) == (f"{plan.id}-m1", plan.attempt)
    assert second.plan_digest == asking.case.plan.digest() != first.plan_digest
    assert asking.case.decision is not None
    assert "dana changed it" in asking.case.decision.reasons[0].text
    say(asking, yes=True)
    asking.until(closed)
    assert (asking.deeds, asking.case.phase) == (1, "recovered")
    assert asking.world.cluster.topology().deployment(plan.service).current == wanted  # type: ignore[union-attr]


def test_a_change_that_is_no_plan_is_a_persons(asking: Play) -> None:
    modify(asking.journal, asking.questions[0].id, "dana", {"restore.service": "fraud"}, now=asking.world.clock.now())
    asking.until(closed)
    assert (asking.deeds, asking.case.phase) == (0, "escalated")
    assert asking.case.outcome is not None
    assert "which cannot be: step restore: its service is what was judged" in asking.case.outcome.text


def test_a_person_answers_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"sqlite:///{tmp_path / 'journal.db'}"
    play = Play("bad_rollout_errors", SqlJournal(where))
    play.autonomy = "ask"
    play.until(asked)
    monkeypatch.setattr("agent.approvals_cli.now", play.world.clock.now)
    question = play.questions[0].id
    listed = CliRunner().invoke(app, ["approvals", "--journal", where])
    assert question in listed.output
    said = CliRunner().invoke(app, ["approvals", "approve", question, "--by", "dana", "--journal", where])
    assert (said.exit_code, said.output) == (0, f"{question} approved by dana\n")
    play.until(closed)
    assert (play.deeds, play.case.phase) == (1, "recovered")


# -- a fault that comes back ---------------------------------------------------------------------------------------
def test_a_fault_that_comes_back_after_each_cure_ends_at_a_person_and_a_new_process_does_not_forget() -> None:
    play = Play("bad_rollout_errors", every=1200.0)
    for _ in range(3):
        before = play.deeds
        play.until(lambda p, n=before: p.deeds > n and closed(p))  # type: ignore[misc]
        play.hire()
    play.ticks(200)
    assert play.deeds == 3
    assert [case.phase for case in play.cases] == ["recovered"] * 3 + ["escalated"]
    assert play.cases[-1].decision is not None
    reasons = {reason.rule: reason.text for reason in play.cases[-1].decision.reasons}
    assert (
        reasons["cap-attempts"]
        == f"runs against bad_rollout_errors of {play.cases[-1].incident.service} in a day 4 > 3"
    )


def test_the_budget_of_attempts_can_be_tightened() -> None:
    play = Play("bad_rollout_errors", every=1200.0)
    fleet = {"services": [service.model_dump(mode="json") for service in play.world.fleet.services]}
    caps = {"caps": {"attempts": 1}}
    play.settings = Settings.model_validate({"fleet": fleet, "metrics": {"url": "http://p"}, "policy": caps})
    play.until(lambda p: len(p.cases) == 2 and closed(p))
    assert (play.deeds, play.cases[1].phase) == (1, "escalated")


# -- nothing is done -----------------------------------------------------------------------------------------------
class Untouchable:
    """An actuator that may be looked through, and never acts."""

    def __init__(self, play: Play) -> None:
        self._real = play.world.actuator
        self.verbs = self._real.verbs

    def preimage(self, action: Action) -> Preimage:
        return self._real.preimage(action)

    def rehearse(self, action: Action) -> str:
        return self._real.rehearse(action)

    def fence(self, action: Action, operation: Operation) -> Receipt | None:
        return self.lookup(action, operation)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        return self._real.lookup(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        raise AssertionError("nobody may act here")


@pytest.mark.parametrize("scenario", ["bad_rollout_errors", "engine_hang_200", "vendor_outage"])
def test_who_only_watches_never_touches_the_actuator(scenario: str) -> None:
    play = Play(scenario)
    play.autonomy, play.actuator = "watch", Untouchable(play)
    play.until(closed).ticks(20)
    assert (play.deeds, play.case.phase) == (0, "escalated")
    assert play.case.plan is not None  # what it would have done is on record
    assert not {"STEP_INTENT", "RUN_PLANNED"} & set(play.kinds())


class Forbidding(Untouchable):
    """An API server whose role lets nobody look at what a plan would change."""

    def preimage(self, action: Action) -> Preimage:
        raise Refused("Kubernetes answers 403: deployments.apps is forbidden")


def test_a_look_that_rights_do_not_allow_is_no_attempt_and_is_told_in_plain_words() -> None:
    play = Play("bad_rollout_errors")
    play.actuator = Forbidding(play)
    play.until(closed)
    assert (play.deeds, play.case.phase, attempts(play.case)) == (0, "escalated", 0)
    said = [item.text for item in play.case.timeline if item.kind == "OUTCOME"]
    assert said[0].startswith("error: rollback_release was not tried and nothing was done: the first look was refused")
    assert "403" in said[0]
    assert "no plan: rollback_release was not tried" in said[-1]


def freeze(play: Play, **more: Any) -> Settings:
    start = play.world.clock.now()
    window = {"why": "end of year", "start": start, "end": start + timedelta(days=1)}
    fleet = {"services": [service.model_dump(mode="json") for service in play.world.fleet.services]}
    return Settings.model_validate(
        {"fleet": fleet, "metrics": {"url": "http://p"}, "policy": {"freezes": [window]}, **more}
    )


@pytest.mark.parametrize("autonomy", ["act", "ask"])
def test_in_a_freeze_nothing_is_done_and_a_person_is_told_why(autonomy: Any) -> None:
    play = Play("bad_rollout_errors")
    play.autonomy, play.settings = autonomy, freeze(play)
    play.until(closed).ticks(10)
    assert (play.deeds, play.case.phase) == (0, "escalated")
    assert play.case.outcome is not None
    assert "freeze" in play.case.outcome.text
    assert not play.questions


@pytest.mark.parametrize("state", ["empty", "unknown", "gone"])
def test_without_any_data_from_the_start_nothing_is_said_or_done(state: Any) -> None:
    play = Play("bad_rollout_errors")
    play.metrics.state = state
    play.ticks(150)
    assert (play.kinds(), play.deeds) == ([], 0)
    assert play.controller is not None
    assert {row.state for row in play.controller.snapshot().services} == {"no_data"}


@pytest.mark.parametrize("state", ["empty", "unknown", "gone", "partial"])
def test_data_lost_in_the_middle_of_a_case_stops_every_effect_until_it_is_back(state: Any) -> None:
    play = Play("bad_rollout_errors")
    play.autonomy = "ask"
    play.until(asked)
    play.metrics.state = state
    say(play, yes=True)
    play.ticks(10)
    assert play.deeds == 0
    assert play.case.is_open
    play.metrics.state = "whole"
    assert play.until(closed).case.phase == "recovered"


@pytest.mark.parametrize("state", ["empty", "unknown", "gone", "partial"])
def test_data_lost_after_the_effect_is_no_recovery(state: Any) -> None:
    play = Play("bad_rollout_errors").until(lambda p: p.deeds == 1)
    play.metrics.state = state
    play.ticks(6)
    assert play.case.phase != "recovered"
    play.metrics.state = "whole"
    assert play.until(closed).case.phase == "recovered"
    assert play.deeds == 1


@pytest.mark.parametrize("state", ["empty", "unknown", "partial"])
def test_where_no_data_ever_says_whether_it_helped_nothing_is_taken_back_and_a_person_is_told(state: Any) -> None:
    play = Play("bad_rollout_errors").until(lambda p: p.deeds == 1)
    play.metrics.state = state
    play.until(closed).ticks(20)
    assert (play.deeds, play.case.phase) == (1, "escalated")
    assert play.case.outcome is not None
    assert play.case.outcome.text == "rollback_release is done, and no data says whether it helped"


def test_a_plan_half_done_when_data_become_partial_stands_still_and_is_taken_back_at_its_bound() -> None:
    play = Play("overprovisioned").until(lambda p: p.deeds == 1, ticks=1000)
    before = play.world.ready()  # the replica that was given back is still there in this tick
    play.metrics.state = "partial"
    play.ticks(100)
    assert play.deeds == 1
    assert play.case.is_open
    play.until(closed, ticks=100)
    assert play.deeds == 2
    assert play.case.phase == "escalated"
    service = play.case.incident.service
    deployment = play.world.cluster.topology().deployment(service)
    assert deployment is not None
    assert deployment.replicas == before[service]


def test_partial_answers_are_no_ground_to_act_and_sight_is() -> None:
    play = Play("bad_rollout_errors")
    play.metrics.state = "partial"
    play.until(planned).ticks(5)
    assert play.deeds == 0
    assert play.case.is_open
    play.metrics.state = "whole"
    play.until(closed)
    assert (play.deeds, play.case.phase) == (1, "recovered")


def test_a_vendor_of_whom_half_a_look_says_nothing_is_waited_for() -> None:
    play = Play("vendor_outage")
    play.metrics.state = "halved"
    while play.world.clock.now() < play.began + timedelta(seconds=ONSET) + timedelta(minutes=11):
        play.ticks(1)
    assert play.deeds == 0
    assert play.case.is_open
    play.metrics.state = "whole"
    play.until(closed)
    assert (play.deeds, play.case.phase) == (1, "recovered")


def test_half_a_look_for_too_long_is_a_persons() -> None:
    play = Play("vendor_outage")
    play.metrics.state = "halved"
    play.until(closed)
    assert (play.deeds, play.case.phase) == (0, "escalated")


def test_every_noun_of_a_story_comes_back_from_the_journal() -> None:
    play = Play("bad_rollout_errors").until(closed)
    assert isinstance(play.case.plan, Plan)
    assert play.case == play.case.model_validate_json(play.case.model_dump_json())
    kinds = list(dict.fromkeys(play.kinds()))
    order = ["INCIDENT", "EVIDENCE", "DIAGNOSIS", "PLAN", "DECISION", "STEP_INTENT", "EXECUTION", "OUTCOME", "SUMMARY"]
    assert [kind for kind in kinds if kind in order] == order
    assert all(item.at >= datetime(2026, 1, 5, tzinfo=UTC) for item in play.case.timeline)


@pytest.mark.slow
def test_a_hang_while_another_cure_is_proven_gets_a_round_of_its_own_and_undoes_nothing() -> None:
    play = Play("bad_rollout_errors").until(lambda p: bool(p.cases) and p.case.phase == "verifying")
    service = play.case.incident.service
    victim = min((pod for pod in play.world.body.pods.of(service) if pod.ready), key=lambda pod: pod.name)
    victim.hung = True
    play.until(closed)
    assert play.case.phase == "recovered"
    assert victim.name not in [pod.name for pod in play.world.body.pods.of(service)]
    assert [plan.playbook for plan in play.case.plans] == ["rollback_release", "failover_replica"]
    assert "COMPENSATE_INTENT" not in play.kinds()
