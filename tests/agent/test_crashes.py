"""A controller may die at any moment: the next one comes to the same end, and no effect happens twice."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from policies.approvals import answer
from tests.agent.play import Crashing, Play, asked, closed
from tools.live.journal import SqlJournal

pytestmark = pytest.mark.slow

KEPT, LOST = "checkpoints kept", "checkpoints lost"
# Every entry that a healing writes, each of them the last before a crash; after the outcome only the summary is left.
ENTRIES = ("INCIDENT", "EVIDENCE", "DIAGNOSIS", "PLAN", "DECISION", "RUN_PLANNED", "LEASE", "STEP_INTENT")
LATER = ("STEP_OUTCOME", "RUN_END", "EXECUTION", "VERIFYING")


def saver(folder: Path, what: str) -> Any:
    path = ":memory:" if what == LOST else str(folder / "checkpoints.db")
    return SqliteSaver(sqlite3.connect(path, check_same_thread=False))


def run(play: Play, folder: Path, what: str, ticks: int = 200) -> Play:
    """Tick to the end; whoever dies is replaced."""
    for _ in range(ticks):
        try:
            play.tick()
        except KeyboardInterrupt:
            play.saver = saver(folder, what)
            play.hire()
        if closed(play):
            return play
    raise AssertionError(f"never closed: {[(case.phase, case.timeline[-1].text) for case in play.cases]}")


@pytest.mark.parametrize("last", [*ENTRIES, *LATER])
def test_a_crash_right_after_any_entry_repeats_nothing_though_the_checkpoints_are_lost(
    tmp_path: Path, last: str
) -> None:
    journal = Crashing(last)
    play = run(Play("bad_rollout_errors", journal, saver(tmp_path, LOST)), tmp_path, LOST)
    kinds = play.kinds()
    assert journal.struck == [last]
    assert play.case.phase == "recovered"
    assert (play.deeds, kinds.count("STEP_INTENT"), kinds.count("PLAN"), kinds.count("OUTCOME")) == (1, 1, 1, 1)


@pytest.mark.parametrize("what", [KEPT, LOST])
def test_a_crash_after_every_entry_in_one_story_repeats_nothing(tmp_path: Path, what: str) -> None:
    journal = Crashing(*ENTRIES, *LATER)
    play = run(Play("bad_rollout_errors", journal, saver(tmp_path, what)), tmp_path, what)
    assert set(journal.struck) == {*ENTRIES, *LATER}
    assert (play.case.phase, play.deeds, play.kinds().count("PLAN")) == ("recovered", 1, 1)


@pytest.mark.parametrize("what", [KEPT, LOST])
@pytest.mark.parametrize("scenario", ["bad_rollout_errors", "overprovisioned"])
def test_a_new_process_at_every_tick_ends_the_same(tmp_path: Path, scenario: str, what: str) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    play = Play(scenario, SqlJournal(url), saver(tmp_path, what)).until(lambda p: bool(p.cases))
    for _ in range(100):
        if closed(play):
            break
        outcomes = play.journal.entries(kinds=("STEP_OUTCOME",))
        waits = bool(outcomes) and outcomes[-1].body["state"] == "transient"  # until enough was seen of the load
        if play.case.phase != "verifying" and not waits:  # a proof needs eyes that stay open
            play.journal, play.saver = SqlJournal(url), saver(tmp_path, what)
            play.hire()
        play.tick()
    assert play.case.phase == "recovered"
    steps = len(play.case.plans[0].steps)
    assert (play.deeds, play.kinds().count("STEP_INTENT"), len(play.case.plans)) == (steps, steps, 1)


@pytest.mark.parametrize("what", [KEPT, LOST])
def test_a_crash_while_a_person_is_asked_asks_once_and_obeys_the_answer(tmp_path: Path, what: str) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    play = Play("bad_rollout_errors", SqlJournal(url), saver(tmp_path, what))
    play.autonomy = "ask"
    play.until(asked)
    for yes in (None, True):
        play.journal, play.saver = SqlJournal(url), saver(tmp_path, what)
        play.hire()
        if yes:
            answer(play.journal, play.questions[0].id, "dana", yes=True, now=play.world.clock.now())
        play.ticks(2)
    assert play.until(closed).case.phase == "recovered"
    states = [entry.body["state"] for entry in play.journal.entries(kinds=("APPROVAL",))]
    assert (play.deeds, states) == (1, ["pending", "approved"])


def test_two_controllers_at_once_do_it_once() -> None:
    play = Play("bad_rollout_errors")
    first, second = play.hire(), play.hire()
    for _ in range(400):
        play.world.advance(30.0)
        first.tick()
        second.tick()
        if closed(play):
            break
    assert play.deeds == 1
