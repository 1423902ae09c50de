"""The durable journal: what survives, and what is never taken for empty."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.errors import Malformed, Refused
from tools.live.journal import SqlJournal

AT = datetime(2026, 1, 2, tzinfo=UTC)


def _written(path: Path, count: int = 4) -> str:
    url = f"sqlite:///{path}"
    journal = SqlJournal(url)
    for index in range(count):
        journal.append("inc-1", "K", {"i": index}, AT)
    journal.claim("c", "a", AT)
    journal.next_epoch("t", "a", AT)
    journal.close()
    return url


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_all_of_it_survives_reopening(tmp_path: Path) -> None:
    journal = SqlJournal(_written(tmp_path / "j.sqlite"))
    assert [e.body["i"] for e in journal.entries()] == [0, 1, 2, 3]
    assert not journal.claim("c", "b", AT)
    assert journal.next_epoch("t", "b", AT) == 2
    assert journal.append("inc-1", "K", {}, AT).seq == 5
    assert journal.verify() == 5
    journal.close()


def test_sqlite_is_durable_at_every_commit(tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'j.sqlite'}")
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    journal.close()


def test_two_processes_worth_of_journals_interleave(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'j.sqlite'}"
    first, second = SqlJournal(url), SqlJournal(url)
    for index in range(6):
        (first if index % 2 else second).append("s", "K", {"i": index}, AT)
    assert [e.body["i"] for e in first.entries()] == list(range(6))
    assert [first.claim("k", "a", AT), second.claim("k", "b", AT)] == [True, False]
    assert first.verify() == 6
    first.close()
    second.close()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE prunella_entries SET body = '{\"i\":9}' WHERE seq = 2",
        "UPDATE prunella_entries SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 1",
        "UPDATE prunella_entries SET kind = 'X' WHERE seq = 4",
        "DELETE FROM prunella_entries WHERE seq = 2",
        "DELETE FROM prunella_entries WHERE seq = 4",
        "DELETE FROM prunella_entries",
        "DROP TABLE prunella_entries",
        "DELETE FROM prunella_head",
        "DROP TABLE prunella_head",
        "ALTER TABLE prunella_entries DROP COLUMN kind",
    ],
)
def test_a_journal_that_was_tampered_with_does_not_open(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "j.sqlite"
    url = _written(path)
    if "DROP COLUMN" in harm:
        _sql(path, "DROP INDEX prunella_entries_kind")
    _sql(path, harm)
    with pytest.raises(Malformed, match="journal"):
        SqlJournal(url)


def test_a_file_of_something_else_does_not_open_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"this is no database at all, " * 200)
    before = path.read_bytes()
    with pytest.raises(Malformed):
        SqlJournal(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_torn_file_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    url = _written(path, 400)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Malformed):
        SqlJournal(url)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/j.sqlite", "nonsense", "oddbase://x"])
def test_what_cannot_be_opened_says_so(url: str) -> None:
    with pytest.raises(Refused, match="journal"):
        SqlJournal(url)
