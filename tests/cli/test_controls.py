"""Pausing, halting and the breaker from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tools.live.journal import SqlJournal

MINIMAL = "fleet: {services: [{name: chat, kind: language}]}\nmetrics: {url: http://prometheus:9090}\n"


@pytest.fixture
def where(tmp_path: Path) -> str:
    path = tmp_path / "journal.db"
    SqlJournal(f"sqlite:///{path}").close()
    return str(path)


def test_a_pause_begins_and_ends_by_name(prunella: Run, where: str) -> None:
    words = ("pause", "migration", "--for", "2h", "--by", "dana", "--journal", where)
    assert "fleet is paused as migration until" in prunella(*words).stdout
    tune = ("pause", "tune", "--service", "chat", "--by", "dana", "--journal", where, "--json")
    said = json.loads(prunella(*tune).stdout)
    assert (said["scope"], said["by"]) == ("chat", "dana")
    assert "migration is over, by bob" in prunella("resume", "migration", "--by", "bob", "--journal", where).stdout
    assert prunella("resume", "migration", "--by", "bob", "--journal", where).exit_code == 1


@pytest.mark.parametrize("lasts", ["0s", "40d"])
def test_a_pause_without_a_sensible_end_is_refused(prunella: Run, where: str, lasts: str) -> None:
    assert prunella("pause", "p", "--for", lasts, "--by", "dana", "--journal", where).exit_code == 1


def test_wrong_use_is_one_line(prunella: Run, where: str) -> None:
    done = prunella("pause", "p", "--for", "ages", "--by", "dana", "--journal", where)
    assert (done.exit_code, "no duration" in done.stderr) == (2, True)
    assert prunella("breaker", "kick", "--journal", where).exit_code == 2
    assert prunella("breaker", "trip", "--by", " ", "--journal", where).exit_code == 2


def test_the_breaker_is_shown_tripped_and_reset(prunella: Run, where: str) -> None:
    assert prunella("breaker", "--journal", where).stdout.strip() == "closed"
    tripped = prunella("breaker", "trip", "--why", "odd", "--by", "dana", "--journal", where)
    assert tripped.stdout.startswith("tripped since")
    assert json.loads(prunella("breaker", "--journal", where, "--json").stdout)["reason"] == "odd"
    assert "closed since" in prunella("breaker", "reset", "--by", "bob", "--journal", where).stdout
    assert prunella("breaker", "reset", "--by", "bob", "--journal", where).exit_code == 1


def test_halting_needs_no_journal(prunella: Run, tmp_path: Path) -> None:
    config = tmp_path / "prunella.yaml"
    config.write_text(MINIMAL)
    halted = prunella("halt", "--by", "dana", "--why", "bad day", "--config", str(config))
    assert "halted: by dana" in halted.stdout
    assert (tmp_path / "prunella.halt").is_file()
    lifted = json.loads(prunella("halt", "--lift", "--config", str(config), "--json").stdout)
    assert lifted == {"halted": False, "reason": ""}
    assert prunella("halt", "--lift", "--config", str(config)).exit_code == 1
