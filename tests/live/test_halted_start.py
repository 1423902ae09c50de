"""A journal that cannot be trusted starts the engine halted, never on an empty one."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.wiring import _journal_or_halt
from config.load import load
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

MINIMAL = "fleet: {services: [{name: chat, kind: language}]}\nmetrics: {url: http://prometheus:9090}\n"


@pytest.mark.parametrize("harm", ["UPDATE prunella_entries SET body='{}'", "DELETE FROM prunella_entries WHERE seq=2"])
def test_a_journal_that_was_tampered_with_halts(tmp_path: Path, harm: str) -> None:
    config = tmp_path / "prunella.yaml"
    config.write_text(MINIMAL)
    settings = load(config)
    journal = SqlJournal(settings.journal.url)
    for number in range(2):
        journal.append("inc-1", "K", {"n": number}, datetime(2026, 3, 1, tzinfo=UTC))
    journal.close()
    trusted, reason = _journal_or_halt(settings)
    assert (type(trusted), reason) == (SqlJournal, "")
    trusted.close()  # type: ignore[attr-defined]
    database = sqlite3.connect(tmp_path / "prunella.db")
    database.execute(harm)
    database.commit()
    database.close()
    stand_in, reason = _journal_or_halt(settings)
    assert isinstance(stand_in, MemoryJournal)
    assert reason.startswith("halted: journal: entry")
