"""Pausing, halting and the breaker from the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.approvals import ask
from policies.decision import Decision, Reason, Verdict
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
    assert "migration: nothing new is begun in the fleet until" in prunella(*words).stdout
    tune = ("pause", "tune", "--service", "chat", "--by", "dana", "--journal", where, "--json")
    said = json.loads(prunella(*tune).stdout)
    assert (said["scope"], said["by"]) == ("chat", "dana")
    listed = prunella("pause", "--journal", where)
    assert [line.split(":")[0] for line in listed.stdout.splitlines()] == ["migration", "tune"]
    assert "migration is over, by bob" in prunella("resume", "migration", "--by", "bob", "--journal", where).stdout
    assert prunella("resume", "migration", "--by", "bob", "--journal", where).exit_code == 1
    assert [each["name"] for each in json.loads(prunella("pause", "--journal", where, "--json").stdout)] == ["tune"]


@pytest.mark.parametrize("options", [("--for", "30m"), ("--for", "1h"), ("--service", "chat"), ("--why", "tuning")])
def test_who_means_to_pause_and_names_no_pause_is_not_told_that_nothing_is_paused(
    prunella: Run, where: str, options: tuple[str, ...]
) -> None:
    done = prunella("pause", *options, "--journal", where)
    assert done.exit_code == 2
    assert done.stderr == "prunella: a pause needs a name: prunella pause NAME, with the same options\n"
    assert prunella("pause", "--journal", where).stdout == "nothing is paused\n"


@pytest.mark.parametrize("lasts", ["0s", "40d"])
def test_a_pause_without_a_sensible_end_is_refused(prunella: Run, where: str, lasts: str) -> None:
    assert prunella("pause", "p", "--for", lasts, "--by", "dana", "--journal", where).exit_code == 1


def test_wrong_use_is_one_line(prunella: Run, where: str) -> None:
    done = prunella("pause", "p", "--for", "ages", "--by", "dana", "--journal", where)
    assert (done.exit_code, "no duration" in done.stderr) == (2, True)
    assert prunella("breaker", "kick", "--journal", where).exit_code == 2
    assert prunella("breaker", "reset", "--by", " ", "--journal", where).exit_code == 2


def test_holding_back_never_fails_for_want_of_a_name(
    prunella: Run, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert prunella("breaker", "trip", "--journal", where).exit_code == 0
    done = prunella("pause", "p", "--journal", where, "--json")
    assert json.loads(done.stdout)["by"]
    assert prunella("breaker", "reset", "--journal", where).exit_code == 2  # letting go again wants one


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


def test_only_those_with_the_role_may_answer(prunella: Run, tmp_path: Path) -> None:
    config = tmp_path / "prunella.yaml"
    people = "approvals: {quorum: 2, ladder: [{role: lead}], people: {lee: [lead], kim: [lead], eve: [sales]}}\n"
    config.write_text(MINIMAL + people)
    journal = SqlJournal(f"sqlite:///{tmp_path / 'prunella.db'}")
    reasons = (Reason(rule="r", text="t"),)
    now = datetime.now(UTC)
    fields = {"plan_digest": "d", "policy_digest": "p", "incident": "inc-1", "at": now, "verdict": Verdict.ASK}
    question = ask(journal, Decision(**fields, reasons=reasons), now, quorum=2, ladder=[("lead", timedelta(hours=1))])

    def said(by: str) -> tuple[int, str]:
        done = prunella("approvals", "approve", question.id, "--by", by, "--config", str(config))
        return done.exit_code, done.output

    assert said("eve") == (1, "prunella: eve is none of lead\n")
    assert said("lee") == (0, f"{question.id} pending by lee\n")
    assert said("kim") == (0, f"{question.id} approved by lee, kim\n")


@pytest.mark.parametrize(
    ("people", "line"), [("{}", "nobody in people has the role lead"), ("{lee: [lead]}", "quorum 2")]
)
def test_a_ladder_that_nobody_can_climb_is_a_mistake(prunella: Run, tmp_path: Path, people: str, line: str) -> None:
    config = tmp_path / "prunella.yaml"
    config.write_text(f"{MINIMAL}approvals: {{quorum: 2, ladder: [{{role: lead}}], people: {people}}}\n")
    done = prunella("halt", "--by", "dana", "--config", str(config))
    assert (done.exit_code, line in done.output) == (2, True)
