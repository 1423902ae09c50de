"""Two processes of sixteen threads answer one question and carry out one plan at the same instant: it happens once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from playbooks.walk import operation_id
from policies.approvals import KIND, ask
from policies.decision import Decision, Reason, Verdict
from tests.playbooks.fake import START, FakeClock, plan_of
from tests.playbooks.kill9_driver import FileWorld
from tools.live.journal import SqlJournal

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(3))
def test_of_thirty_two_answers_in_two_processes_one_execution_comes(tmp_path: Path, trial: int) -> None:
    del trial
    plan, journal = plan_of("rollback_release"), SqlJournal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    FileWorld(tmp_path / "world.sqlite", FakeClock()).close()
    reasons = (Reason(rule="r", text="t"),)
    decision = Decision(
        plan_digest=plan.digest(),
        policy_digest="p",
        incident=plan.incident,
        at=START,
        verdict=Verdict.ASK,
        reasons=reasons,
    )
    question = ask(journal, decision, START)
    command = [sys.executable, "-m", "tests.playbooks.race_driver", str(tmp_path), question.id]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    while len(list(tmp_path.glob("ready-*"))) < 2:
        assert all(racer.poll() is None for racer in racers), [racer.communicate()[1] for racer in racers]
        time.sleep(0.01)
    (tmp_path / "go").touch()
    told = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], told
    assert sum(int(out) for out, _ in told) == 1
    states = [entry.body["state"] for entry in journal.entries(kinds=(KIND,))]
    assert states == ["pending", "approved"]
    world = FileWorld(tmp_path / "world.sqlite", FakeClock())
    world.close()
    assert world.effects == [(operation_id(plan, plan.steps[0].id), "restore_revision")]
    kinds = [entry.kind for entry in journal.entries(plan.incident)]
    assert (kinds.count("STEP_INTENT"), kinds.count("RUN_END")) == (1, 1)
    journal.close()
