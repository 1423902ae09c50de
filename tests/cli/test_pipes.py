"""What is written into a pipe that closes, or onto a full disk, costs neither the journal nor a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.casebook import Case, last_case
from simulator.lab.processes import python_env
from tests.view.sample import healed, incident
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

ARGV = [sys.executable, "-c", "from simulator.cli import main; main()"]


@pytest.mark.slow
def test_a_listener_who_leaves_costs_no_entry(tmp_path: Path) -> None:
    environment = python_env({"XDG_STATE_HOME": str(tmp_path)})
    words = " ".join((*(f"'{word}'" for word in ARGV), "demo --headless --speed 0 | head -1"))
    subprocess.run(["bash", "-c", words], env=environment, check=True, capture_output=True)
    journal = SqlJournal(f"sqlite:///{tmp_path}/prunella/demo.db")
    kinds = {entry.kind for entry in journal.entries()}
    journal.close()
    assert {"INCIDENT", "OUTCOME"} <= kinds


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*ARGV, "drill", "--list"], env=python_env(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "prunella: what it says cannot be written: No space left on device"


def _write(journal: MemoryJournal, case: Case, *, planned: bool) -> None:
    at = case.incident.at
    journal.append(case.incident.id, "INCIDENT", case.incident.model_dump(mode="json"), at)
    if planned and case.plan:
        journal.append(case.incident.id, "PLAN", case.plan.model_dump(mode="json"), at)
    assert case.outcome is not None
    journal.append(case.incident.id, "OUTCOME", case.outcome.model_dump(mode="json"), at)


def test_the_last_case_is_one_in_which_something_was_done() -> None:
    journal, case = MemoryJournal(), healed()
    assert last_case(journal) is None
    later = case.incident.at.replace(hour=23)
    passed = case.model_copy(update={"incident": incident().model_copy(update={"id": "inc-z", "at": later})})
    _write(journal, passed, planned=False)
    found = last_case(journal)
    assert found is not None
    assert found.incident.id == "inc-z"  # the only one there is
    _write(journal, case, planned=True)
    found = last_case(journal)
    assert found is not None
    assert found.incident.id == case.incident.id
