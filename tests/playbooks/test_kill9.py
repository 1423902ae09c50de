"""SIGKILL at twenty random moments of a run: each is finished by the next process, and nothing happens twice."""

import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from playbooks.walk import operation_id
from tests.playbooks.fake import FakeClock
from tests.playbooks.kill9_driver import FileWorld, plan_for
from tools.live.journal import SqlJournal

ROOT = Path(__file__).parents[2]
TRIALS = 20
PLAYBOOKS = ("failover_node", "scale_in", "retrain", "rollback_release")


def _start(folder: Path, playbook: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.playbooks.kill9_driver", str(folder), playbook]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.002)


def _timed(folder: Path, playbook: str) -> float:
    """How long a run takes when nobody kills it, in seconds."""
    process = _start(folder, playbook)
    _wait_for(folder / "ready", process)
    begun = time.monotonic()
    _wait_for(folder / "end.json", process)
    took = time.monotonic() - begun
    process.communicate()
    return took


def _killed_and_finished(folder: Path, playbook: str, after: float) -> None:
    """Kill a run ``after`` seconds, or as much sooner as it takes to strike in its middle; another process ends it."""
    for attempt in range(5):
        if _killed(trial := folder / str(attempt), playbook, after / 2**attempt):
            break
    else:
        pytest.fail("no kill struck in the middle")
    again = _start(trial, playbook)
    complaint = again.communicate(timeout=120)[1].decode()
    assert again.returncode == 0, complaint
    _assert_done_once(trial, playbook)


def _killed(folder: Path, playbook: str, after: float) -> bool:
    """Return whether a run was killed before it ended."""
    folder.mkdir(parents=True)
    process = _start(folder, playbook)
    _wait_for(folder / "ready", process)
    time.sleep(after)
    process.kill()
    process.communicate()
    return not (folder / "end.json").exists()


def _assert_done_once(folder: Path, playbook: str) -> None:
    plan = plan_for(playbook)
    assert json.loads((folder / "end.json").read_text()) == {"state": "done", "reason": ""}
    world = FileWorld(folder / "world.sqlite", FakeClock())
    world.close()
    assert world.effects == [(operation_id(plan, step.id), step.action.verb) for step in plan.steps]
    journal = SqlJournal(f"sqlite:///{folder / 'journal.sqlite'}")
    assert [entry.kind for entry in journal.entries(plan.incident)].count("RUN_END") == 1
    journal.close()


@pytest.mark.real  # one at a time: its clock runs on the wall
@pytest.mark.slow
@pytest.mark.timeout(900)  # some fifty processes, one after the other
def test_every_run_is_finished_after_sigkill_and_nothing_happens_twice(tmp_path: Path) -> None:
    whole = [tmp_path / playbook for playbook in PLAYBOOKS]
    for folder in whole:
        folder.mkdir()
    length = {playbook: _timed(folder, playbook) for playbook, folder in zip(PLAYBOOKS, whole, strict=True)}
    chosen = [PLAYBOOKS[trial % len(PLAYBOOKS)] for trial in range(TRIALS)]
    moments = [random.Random(trial).uniform(0, length[chosen[trial]] * 0.9) for trial in range(TRIALS)]
    folders = [tmp_path / str(trial) for trial in range(TRIALS)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_killed_and_finished, folders, chosen, moments))
