"""What goes wrong in a tick, or within one case, stays there."""

import threading
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest

from agent import deliberation
from agent.case import Outcome
from agent.casebook import Snapshot
from agent.controller import MOST_FAILURES, MOST_WAITS, ended
from agent.daemon import Daemon
from agent.round import State
from config.fleet import Cadence
from policies.controls import Pause, pause, resume
from tests.agent.handmade import anomaly, incident
from tests.agent.play import Play, closed
from tools.errors import Refused, Transient
from tools.live.clock import SystemClock


class Counting:
    """A controller whose ticks fail now and then."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors, self.count, self.done = list(errors), 0, threading.Event()
        self.seen: list[tuple[str, ...]] = []
        self.daemon: Daemon | None = None
        self.rested = False

    def now(self) -> Any:
        return SystemClock().now()

    def tick(self) -> None:
        self.count += 1
        assert self.daemon is not None
        self.seen.append(self.daemon.snapshot().problems)
        error = self.errors.pop(0) if self.errors else None
        if self.count >= 4:
            self.done.set()
        if error is not None:
            raise error

    def tell(self, period: str) -> None:
        raise AssertionError(f"nobody wants the {period} digest now")

    def rest(self) -> None:
        self.rested = True

    def snapshot(self) -> Snapshot:
        return Snapshot(at=self.now(), environment="test", services=(), cases=())


def test_a_tick_that_fails_is_shown_and_the_next_is_made_all_the_same() -> None:
    controller = Counting(Transient("prometheus is away"), KeyError("a bug"), None)
    cadence = Cadence.model_construct(tick=timedelta(milliseconds=20))
    daemon = controller.daemon = Daemon(controller, cadence)  # type: ignore[arg-type]
    stop = threading.Event()
    runner = threading.Thread(target=daemon.run, args=(stop,))
    runner.start()
    assert controller.done.wait(20)
    stop.set()
    runner.join(20)
    assert not runner.is_alive()
    assert controller.rested
    assert controller.seen[:4] == [
        (),
        ("tick failed: Transient('prometheus is away')",),
        ("tick failed: KeyError('a bug')",),
        (),
    ]


@pytest.mark.slow
def test_a_cluster_that_is_away_is_a_problem_and_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play("bad_rollout_errors").ticks(2)

    def away(_self: object) -> object:
        raise Transient("the API server is away")

    with monkeypatch.context() as patch:
        patch.setattr(type(play.world.cluster), "topology", away)
        play.tick()
        assert play.controller is not None
        assert play.controller.snapshot().problems == ("cannot observe: the API server is away",)
    play.tick()
    assert play.controller.snapshot().problems == ()


SICK = "inc-0000-000000-credit"  # comes before every other case


def with_a_sick_case(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Play:
    """A fleet in which a release will fail, and an older case on which an agent always stumbles."""
    real = deliberation.Deliberation.diagnostician

    def stumble(self: deliberation.Deliberation, state: State) -> State:
        if state["incident"] == SICK:
            raise error
        return real(self, state)

    monkeypatch.setattr(deliberation.Deliberation, "diagnostician", stumble)
    play = Play("bad_rollout_errors")
    now = play.world.clock.now()
    old = incident(anomaly("service/credit"), service="credit").model_copy(update={"id": SICK, "at": now})
    play.journal.append(SICK, "INCIDENT", old.model_dump(mode="json"), now)
    return play


@pytest.mark.slow
def test_a_case_that_fails_holds_up_no_other_and_ends_at_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    play = with_a_sick_case(monkeypatch, KeyError("a bug"))
    play.ticks(MOST_FAILURES - 1)
    assert play.controller is not None
    assert play.case.is_open
    assert play.controller.snapshot().problems == (f"{SICK}: 'a bug'",)
    play.tick()
    assert play.case.phase == "escalated"
    assert play.case.outcome is not None
    assert play.case.outcome.text == "Prunella herself failed on it: KeyError('a bug')"
    play.until(lambda p: len(p.cases) == 2 and closed(p))
    assert [case.phase for case in play.cases] == ["escalated", "recovered"]
    assert (play.deeds, play.controller.snapshot().problems) == (1, ())


@pytest.mark.slow
def test_a_case_whose_tools_fail_waits_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    play = with_a_sick_case(monkeypatch, Refused("not now"))
    play.until(lambda p: any(case.phase == "recovered" for case in p.cases))
    assert play.cases[0].is_open
    assert play.controller is not None
    assert play.controller.snapshot().problems == (f"{SICK}: not now",)
    assert play.deeds == 1
    play.until(closed, ticks=MOST_WAITS)
    assert play.cases[0].outcome is not None
    assert play.cases[0].outcome.text == f"a tool failed {MOST_WAITS} times in a row: not now"


def test_who_ends_the_process_is_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    play = with_a_sick_case(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        play.tick()


class Struck(Future[None]):
    """A step for which somebody waits who presses Ctrl-C meanwhile."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        del timeout
        threading.Timer(0.1, self.set_result, [None]).start()
        raise KeyboardInterrupt


def test_a_step_under_way_ends_before_the_process_does() -> None:
    """What it does is done and told, and its thread does not outlive the process."""
    step = Struck()
    with pytest.raises(KeyboardInterrupt):
        ended(step)
    assert step.done()


def test_a_case_that_was_closed_but_not_told_of_is_told_of_once() -> None:
    """A crash between the outcome and the summary: the thread of the case may be lost with it."""
    play = Play("healthy")
    now = play.world.clock.now()
    case = incident(anomaly("service/credit"), service="credit").model_copy(update={"id": SICK, "at": now})
    outcome = Outcome(incident=SICK, at=now, verdict="escalated", text="nobody knew")
    play.journal.append(SICK, "INCIDENT", case.model_dump(mode="json"), now)
    play.journal.append(SICK, "OUTCOME", outcome.model_dump(mode="json"), now)
    play.ticks(3)
    assert "nobody knew" in play.case.summary
    assert len(play.journal.entries(SICK, kinds=("SUMMARY",))) == 1


@pytest.mark.slow
def test_what_a_pause_held_up_is_taken_up_again_when_it_ends() -> None:
    play = Play("bad_rollout_errors").ticks(2)
    now = play.world.clock.now()
    held = Pause(name="migration", scope="fleet", until=now + timedelta(hours=12), by="dana", why="new switches")
    pause(play.journal, held, now)
    play.until(closed)
    assert play.controller is not None
    assert [case.phase for case in play.cases] == ["escalated"]
    assert play.deeds == 0
    assert any(
        "paused as migration" in problem and "dana" in problem for problem in play.controller.snapshot().problems
    )
    assert play.case.decision is not None
    assert any(reason.rule == "pause" and "dana: new switches" in reason.text for reason in play.case.decision.reasons)
    play.ticks(20)
    assert len(play.cases) == 1  # a person was told; nobody tells again while it lasts
    resume(play.journal, "migration", "dana", play.world.clock.now())
    play.until(lambda p: any(case.phase == "recovered" for case in p.cases))
    assert [case.phase for case in play.cases] == ["escalated", "recovered"]
    assert play.deeds == 1
    assert play.controller.snapshot().problems == ()
