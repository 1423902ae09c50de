"""A journal, rules or state that cannot be trusted start the engine halted, never on an empty one."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.trust import rules_or_none, saver_or_halt, unsound
from agent.wiring import journal_or_halt
from config.load import load
from policies.caps import Caps
from policies.decision import Situation
from policies.examples import CALM, Example, small_plan
from policies.judge import judge
from tests.cli.conftest import write_case
from tests.view.sample import healed
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

AT = datetime(2026, 3, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
MINIMAL = "fleet: {services: [{name: chat, kind: language}]}\nmetrics: {url: http://prometheus:9090}\n"


@pytest.mark.parametrize("harm", ["UPDATE prunella_entries SET body='{}'", "DELETE FROM prunella_entries WHERE seq=2"])
def test_a_journal_that_was_tampered_with_halts(tmp_path: Path, harm: str) -> None:
    config = tmp_path / "prunella.yaml"
    config.write_text(MINIMAL)
    settings = load(config)
    journal = SqlJournal(settings.journal.url)
    for number in range(2):
        journal.append("digest", "DIGEST", {"n": number}, AT)
    journal.close()
    trusted, reason = journal_or_halt(settings)
    assert (type(trusted), reason) == (SqlJournal, "")
    trusted.close()  # type: ignore[attr-defined]
    database = sqlite3.connect(tmp_path / "prunella.db")
    database.execute(harm)
    database.commit()
    database.close()
    stand_in, reason = journal_or_halt(settings)
    assert isinstance(stand_in, MemoryJournal)
    assert reason.startswith("halted: journal: entry")


@pytest.mark.parametrize(
    ("subject", "kind", "body", "words"),
    [
        ("fleet", "PAUSE", {"name": "x"}, "journal entry 1 is no pause"),
        ("inc-1", "APPROVAL", {"id": "x"}, "journal entry 1 is no approval"),
        ("inc-1", "LEASE", {"plan": "p", "epoch": 1}, "journal entry 1 is no lease"),
        ("inc-1", "INCIDENT", {"id": "inc-1"}, "the journal cannot be read"),
        ("autonomy", "AUTONOMY_ORDER", {"rung": "emperor"}, "the journal cannot be read"),
        ("fleet", "CEASEFIRE", {}, "entry 1 is a CEASEFIRE, which this version does not know"),
    ],
)
def test_an_intact_journal_that_says_what_cannot_be_read_halts(
    tmp_path: Path, subject: str, kind: str, body: dict[str, Any], words: str
) -> None:
    (tmp_path / "prunella.yaml").write_text(MINIMAL)
    settings = load(tmp_path / "prunella.yaml")
    journal = SqlJournal(settings.journal.url)
    journal.append(subject, kind, body, AT)
    journal.close()
    stand_in, reason = journal_or_halt(settings)
    assert isinstance(stand_in, MemoryJournal)
    assert reason.startswith("halted: ")
    assert words in reason


def test_a_journal_of_a_whole_case_is_sound(tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'j.db'}")
    write_case(journal, healed())
    assert unsound(journal) == ""
    journal.close()


@pytest.mark.parametrize("text", ["permit(", "", '@id("x") permit (principal, action, resource);'])
def test_rules_that_cannot_be_read_permit_nothing_and_halt(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "mine.cedar").write_text(text)
    rules, reason = rules_or_none(tmp_path)
    assert reason.startswith(f"halted: {tmp_path}: ")
    plan = small_plan(Example.model_validate({"name": "x", "class": "rollback", "verdict": "allow"}))
    decision = judge(plan, Situation.model_validate(CALM), rules, Caps())
    assert decision.verdict == "deny"
    assert "the rules cannot be read, so nothing is permitted" in decision.reasons[0].text
    assert rules_or_none(None)[1] == ""


def test_checkpoints_that_cannot_be_read_halt_and_are_left_alone(tmp_path: Path) -> None:
    assert saver_or_halt(tmp_path / "fresh" / "checkpoints.db")[1] == ""
    file = tmp_path / "checkpoints.db"
    file.write_bytes(b"no database at all" * 300)
    _, reason = saver_or_halt(file)
    assert reason.startswith("halted: the checkpoints in checkpoints.db cannot be read (file is not a database)")
    assert file.read_bytes().startswith(b"no database")
