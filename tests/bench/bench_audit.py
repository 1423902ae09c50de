"""A journal of a million entries, signed every hundred: how long the auditor takes, and whether it finds every edit."""

import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.journal.test_audit import HEAD, examined, tamper
from tools.audit import CHECKPOINT, SUBJECT
from tools.chain import GENESIS, canonical, link
from tools.live.evidence import audit_database
from tools.live.journal import SqlJournal
from tools.live.seal import Seal, new_key, read_seal, read_verifier

AT = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
INSERT = "INSERT INTO prunella_entries (seq, at, subject, kind, body, previous, hash) VALUES (?,?,?,?,?,?,?)"


def figures(entries: int = 1_000_000, edits: int = 1000) -> Mapping[str, float]:
    """Return seconds for one audit with signatures, and how many of some random edits are found."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        public = new_key(path / "key")
        url = f"sqlite:///{path / 'journal.sqlite'}"
        SqlJournal(url).close()
        _fill(path / "journal.sqlite", read_seal(path / "key"), entries)
        started = time.perf_counter()
        found = audit_database(url, read_verifier(public))
        took = time.perf_counter() - started
    if not found.sound or found.entries != entries:
        raise RuntimeError(f"{found.count} faults in a record that nobody touched: {found.faults[:3]}")
    chance = random.Random(11)
    return {
        "audit_million_seconds": round(took * 1_000_000 / entries, 2),
        "audit_edits": float(edits),
        "audit_edits_found": float(sum(not examined(tamper(chance), head=HEAD).sound for _ in range(edits))),
    }


def _fill(path: Path, seal: Seal, entries: int) -> None:
    """Write rows as the journal would, without a flush for each."""
    connection = sqlite3.connect(path)
    with connection:
        last = None
        for row in _rows(seal, entries):
            connection.execute(INSERT, row)
            last = row
        if last is not None:
            connection.execute("UPDATE prunella_head SET seq=?, hash=?", (last[0], last[-1]))
    connection.close()


def _rows(seal: Seal, entries: int) -> Iterator[tuple[int, str, str, str, str, str, str]]:
    previous = GENESIS
    body = {"plan": "inc-1-plan-1", "operation": "op-1", "epoch": 3, "text": "a step as long as they usually are " * 6}
    for seq in range(1, entries + 1):
        subject, kind, text = f"inc-{seq // 40}", "STEP_INTENT", canonical({**body, "n": seq})
        if seq % 100 == 1 and seq > 1:
            signed = {"seq": seq - 1, "hash": previous, "key": seal.name, "signature": seal.sign(seq - 1, previous)}
            subject, kind, text = SUBJECT, CHECKPOINT, canonical(signed)
        digest = link(previous, str(seq), AT, subject, kind, text)
        yield seq, AT, subject, kind, text, previous, digest
        previous = digest
