import json
import sqlite3
import sys
from pathlib import Path

import pytest

from agent import wiring
from agent.replay import chapters
from config.settings import JournalSettings
from tests.cli.conftest import Run
from tests.view.sample import healed
from tools.live.journal import SqlJournal


@pytest.fixture(autouse=True)
def _really_wired(monkeypatch: pytest.MonkeyPatch, prunella: Run) -> None:
    monkeypatch.setitem(sys.modules, "agent.wiring", wiring)


def _spoil(config: Path) -> None:
    connection = sqlite3.connect(config.parent / "prunella.db")
    with connection:
        connection.execute("UPDATE prunella_entries SET kind='DIAGNOSES' WHERE seq=3")
    connection.close()


def test_a_whole_record_is_exit_0_and_a_spoilt_one_exit_1(prunella: Run, config: Path) -> None:
    done = prunella("audit", "verify", "--config", str(config))
    assert done.exit_code == 0, done.output
    assert "7 entries" in done.output
    assert "whole" in done.output
    head = next(line.split()[1] for line in done.output.splitlines() if line.startswith("head"))
    assert prunella("audit", "verify", "--config", str(config), "--expect", head).exit_code == 0
    _spoil(config)
    done = prunella("audit", "verify", "--config", str(config))
    assert done.exit_code == 1
    assert "BAD  entry 3 was changed" in done.output
    told = json.loads(prunella("audit", "verify", "--config", str(config), "--json").output)
    assert (told["sound"], told["faults"][0]["seq"]) == (False, 3)


def test_a_key_is_made_once_and_signs(prunella: Run, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "journal.key"
    assert prunella("audit", "key", str(file)).exit_code == 0
    assert prunella("audit", "key", str(file)).exit_code == 1
    journal = wiring.open_journal(
        f"sqlite:///{tmp_path / 'signed.db'}",
        JournalSettings(signing_key=file, checkpoint_every=2),
    )
    for _ in range(4):
        journal.append("inc-1", "K", {}, healed().incident.at)
    where = ("--journal", str(tmp_path / "signed.db"), "--key", f"{file}.pub")
    done = prunella("audit", "verify", *where)
    assert done.output.splitlines()[0] == "whole: 7 entries, 3 checkpoints, signed up to entry 6"


@pytest.mark.parametrize(
    "words", [("--expect", "7"), ("--expect", "x:y"), ("--journal", "/nowhere.db"), ("--colour", "red")]
)
def test_wrong_use_is_exit_2(prunella: Run, words: tuple[str, ...]) -> None:
    done = prunella("audit", "verify", *words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "key"), ("replay",)])
def test_every_help_has_an_example(prunella: Run, command: tuple[str, ...]) -> None:
    assert f"Example: prunella {' '.join(command)}" in prunella(*command, "--help").output


def test_replay_tells_evidence_hypotheses_plan_decision_steps_and_effect(prunella: Run, config: Path) -> None:
    done = prunella("replay", "inc-7", "--config", str(config))
    assert done.exit_code == 0, done.output
    order = [done.output.index(word) for word in ("incident inc-7", "evidence:", "hypotheses:", "plan ", "decision:")]
    assert order == sorted(order)
    case = healed()
    assert case.diagnosis is not None
    for place, each in enumerate(case.diagnosis.hypotheses):
        assert f"{'accepted' if place == 0 else 'rejected'} {each.probability:.0%} {each.fault}" in done.output
    assert "effect: recovered" in done.output
    told = json.loads(prunella("replay", "last", "--config", str(config), "--json").output)
    assert [each["seq"] for each in told] == list(range(1, 8))
    assert prunella("replay", "inc-99", "--config", str(config)).exit_code == 2


def test_replay_depends_on_the_journal_alone(config: Path) -> None:
    journal = SqlJournal(f"sqlite:///{config.parent}/prunella.db")
    first = chapters(journal.entries(subject="inc-7"))
    journal.close()
    again = SqlJournal(f"sqlite:///{config.parent}/prunella.db")
    assert chapters(again.entries(subject="inc-7")) == first
    again.close()
