"""The auditor: whatever is done to a record is found; what was not touched is not accused."""

import random
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.audit import CHECKPOINT, Audit, Row, audit
from tools.chain import GENESIS, canonical, link
from tools.errors import Absent, Malformed, Refused
from tools.live.evidence import audit_database
from tools.live.journal import SqlJournal
from tools.live.seal import Seal, Verifier, new_key, read_seal, read_verifier

AT = datetime(2026, 1, 2, tzinfo=UTC)
KINDS = ("STEP_INTENT", "STEP_OUTCOME", "DECISION", "OUTCOME")


@dataclass(frozen=True)
class Keys:
    seal: Seal
    verifier: Verifier
    private: Path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    private = tmp_path_factory.mktemp("keys") / "journal.key"
    public = new_key(private)
    return Keys(read_seal(private), read_verifier(public), private)


def chain(count: int, seal: Seal | None = None, every: int = 10) -> list[Row]:
    """A record as the journal writes it."""
    rows: list[Row] = []

    def add(subject: str, kind: str, body: str) -> None:
        previous, seq = (rows[-1].hash if rows else GENESIS), len(rows) + 1
        fields = (str(seq), AT.isoformat(), subject, kind, body)
        rows.append(Row(seq, *fields[1:], previous, link(previous, *fields)))

    while len(rows) < count:
        add(f"inc-{len(rows) % 7}", KINDS[len(rows) % 4], canonical({"n": len(rows)}))
        if seal is not None and len(rows) % every == 0:
            last = rows[-1]
            body = {"seq": last.seq, "hash": last.hash, "key": seal.name, "signature": seal.sign(last.seq, last.hash)}
            add("audit", CHECKPOINT, canonical(body))
    return rows


def examined(rows: list[Row], verifier: Verifier | None = None, head: tuple[int, str] | None = None) -> Audit:
    return audit(rows, head or (rows[-1].seq, rows[-1].hash), verifier)


RECORD = chain(60)
HEAD = (RECORD[-1].seq, RECORD[-1].hash)


def tamper(chance: random.Random) -> list[Row]:
    """One edit of one row, one row dropped, two swapped, or one inserted."""
    rows = list(RECORD)
    place = chance.randrange(len(rows))
    row = rows[place]
    match chance.choice(("edit", "drop", "swap", "insert", "renumber")):
        case "edit":
            field = chance.choice(("at", "subject", "kind", "body", "previous", "hash"))
            rows[place] = Row(**{**row._asdict(), field: _altered(getattr(row, field), chance)})
        case "drop":
            del rows[place]
        case "swap":
            other = chance.choice([each for each in range(len(rows)) if each != place])
            rows[place], rows[other] = rows[other]._replace(seq=row.seq), row._replace(seq=rows[other].seq)
        case "insert":
            extra = row._replace(body=canonical({"forged": chance.random()}))
            rows = [*rows[:place], extra, *(each._replace(seq=each.seq + 1) for each in rows[place:])]
        case "renumber":
            rows[place] = row._replace(seq=row.seq + chance.choice((-1, 1, 100)))
            rows.sort(key=lambda each: each.seq)
    return rows


def _altered(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    return text[:place] + chance.choice([each for each in "0123456789abcx" if each != text[place]]) + text[place + 1 :]


def test_of_a_thousand_edits_a_thousand_are_found() -> None:
    chance = random.Random(7)
    assert sum(not examined(tamper(chance), head=HEAD).sound for _ in range(1000)) == 1000


@given(st.integers(1, 80))
def test_what_nobody_touched_is_sound(count: int) -> None:
    found = examined(chain(count))
    assert (found.sound, found.entries, found.faults) == (True, count, ())


@pytest.mark.parametrize(
    ("change", "what", "seq"),
    [
        (lambda rows: [*rows[:4], rows[4]._replace(body='{"n":99}'), *rows[5:]], "changed", 5),
        (lambda rows: [*rows[:4], *rows[6:]], "missing", 5),
        (lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], "missing", 5),
        (lambda rows: rows[:-1], "end", 59),
    ],
)
def test_a_fault_is_named_with_its_place(change: object, what: str, seq: int) -> None:
    found = audit(change(RECORD), HEAD, None)  # type: ignore[operator]
    assert (found.faults[0].what, found.faults[0].seq) == (what, seq)


def _rewritten(rows: list[Row], place: int) -> list[Row]:
    """What somebody with the whole file can do: change an entry and every hash after it."""
    forged = rows[:place]
    for row in rows[place:]:
        body = canonical({"forged": True}) if row.seq == place + 1 else row.body
        previous = forged[-1].hash if forged else GENESIS
        fields = (str(row.seq), row.at, row.subject, row.kind, body)
        forged.append(Row(row.seq, *fields[1:], previous, link(previous, *fields)))
    return forged


def test_a_rewritten_past_is_found_by_the_signatures_alone(keys: Keys) -> None:
    forged = _rewritten(chain(60, keys.seal), 23)
    assert examined(forged).sound  # the chain of hashes holds together again
    found = examined(forged, keys.verifier)
    assert (found.sound, found.signed, found.faults[0].what) == (False, 20, "forged checkpoint")


def test_another_key_signs_nothing_here(keys: Keys, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other.key")
    found = examined(chain(25, keys.seal), read_verifier(other))
    assert [each.what for each in found.faults] == ["forged checkpoint"] * 2
    assert found.signed == 0


def test_an_end_cut_off_with_its_links_is_found_by_a_head_noted_elsewhere(keys: Keys) -> None:
    rows = chain(60, keys.seal)
    noted = (rows[-1].seq, rows[-1].hash)
    cut = rows[:30]
    assert examined(cut, keys.verifier).sound
    found = audit(cut, (30, cut[-1].hash), keys.verifier, noted)
    assert [each.what for each in found.faults] == ["end"]
    assert audit(rows, noted, keys.verifier, (rows[9].seq, rows[9].hash)).sound
    rewritten = _rewritten(rows, 3)
    told = audit(rewritten, (rewritten[-1].seq, rewritten[-1].hash), None, noted)
    assert "the past was rewritten" in told.faults[0].text


def test_the_journal_signs_as_it_writes(keys: Keys, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'j.sqlite'}"
    journal = SqlJournal(url, keys.seal, every=5)
    for number in range(23):
        journal.append("inc-1", "K", {"n": number}, AT)
    assert journal.verify() == len(journal.entries())
    assert len(journal.entries(kinds=(CHECKPOINT,))) == 5
    journal.close()
    found = audit_database(url, keys.verifier)
    assert (found.sound, found.checkpoints, found.signed) == (True, 5, 25)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE prunella_entries SET body='{\"n\":1000}' WHERE seq=7",
        "DELETE FROM prunella_entries WHERE seq=7",
        "DELETE FROM prunella_entries WHERE seq=(SELECT max(seq) FROM prunella_entries)",
        "UPDATE prunella_head SET seq=3",
        "DELETE FROM prunella_head",
        "UPDATE prunella_entries SET seq=400 WHERE seq=7",
    ],
)
def test_what_is_done_to_the_file_is_found_and_nothing_is_mended(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "j.sqlite"
    url = f"sqlite:///{path}"
    journal = SqlJournal(url)
    for number in range(20):
        journal.append("inc-1", "K", {"n": number}, AT)
    journal.close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()
    assert not audit_database(url, None).sound
    assert not audit_database(url, None).sound
    with pytest.raises(Malformed):
        SqlJournal(url)


def test_no_journal_and_no_key_are_told_apart_from_a_sound_one(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(Absent):
        audit_database(f"sqlite:///{tmp_path / 'none.sqlite'}", None)
    (tmp_path / "text").write_text("no database")
    with pytest.raises(Malformed):
        audit_database(f"sqlite:///{tmp_path / 'text'}", None)
    with pytest.raises(Absent, match="there is no such key"):
        read_verifier(tmp_path / "none.key")
    with pytest.raises(Malformed, match="no public key"):
        read_verifier(tmp_path / "text")
    with pytest.raises(Refused, match="File exists"):
        new_key(keys.private)
    assert keys.private.stat().st_mode & 0o077 == 0
