"""A process that carries out one plan on a durable journal and a file-backed world, to be killed at any moment.

``python -m tests.playbooks.kill9_driver FOLDER PLAYBOOK``. Waits are ``SPEED`` times shorter than they say; a successor
begins ``GAP`` after the last word of the dead. So nothing depends on how fast the machine is. The world is a database
of its own; it never de-duplicates, so what is done twice is seen twice.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from playbooks.executor import Executor
from playbooks.plan import Plan
from tests.playbooks.fake import BINDINGS, START, FakeClock, FakeWorld, first_state, holds, plan_of
from tools.action import Action, Operation, Preimage, Receipt
from tools.live.journal import SqlJournal

SPEED = 250.0
GAP = timedelta(minutes=3)  # a lease lapses in it
MANY: Mapping[str, Mapping[str, str | tuple[str, ...]]] = {
    **BINDINGS,
    "failover_node": {"node": "n1", "service": "chat", "replicas": tuple(f"chat/r-{n}" for n in range(8))},
    "scale_in": {"service": "chat", "fewer_replicas": ("7", "6", "5", "4", "3", "2")},
}


def plan_for(playbook: str) -> Plan:
    """The plan that is carried out: the same in every process."""
    return plan_of(playbook, bindings=MANY[playbook])


class FastClock(FakeClock):
    """Wall time from a given instant on, and more for whoever waits."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._start, self._since = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._since)

    def wait(self, until: datetime) -> None:
        """Sleep for a small part of the time that is left, and find all of it gone."""
        left = max(0.0, (until - self.now()).total_seconds())
        time.sleep(left / SPEED)
        self._start += timedelta(seconds=left)


class FileWorld(FakeWorld):
    """The fake world on a file: effect and receipt in one transaction, with time to die before and after it."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(clock)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS effects(n INTEGER PRIMARY KEY, op TEXT, verb TEXT, receipt TEXT)")
        many = {f"replica/chat/r-{n}": "here" for n in range(8)}
        if self._db.execute("SELECT count(*) FROM state").fetchone() == (0,):
            self._db.executemany("INSERT OR IGNORE INTO state VALUES(?, ?)", list({**first_state(), **many}.items()))
        self._load()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _load(self) -> None:
        self.state = dict(self._db.execute("SELECT key, value FROM state").fetchall())
        rows = self._db.execute("SELECT op, verb, receipt FROM effects ORDER BY n").fetchall()
        self.effects = [(op, verb) for op, verb, _ in rows]
        self.receipts = {op: Receipt.model_validate_json(receipt) for op, _, receipt in rows}

    def preimage(self, action: Action) -> Preimage:
        self._load()
        return super().preimage(action)

    def lookup(self, action: Action, operation: Operation) -> Receipt | None:
        self._load()
        return super().lookup(action, operation)

    def apply(self, action: Action, operation: Operation) -> Receipt:
        time.sleep(0.01)
        self._load()
        receipt = super().apply(action, operation)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM state")
        self._db.executemany("INSERT INTO state VALUES(?, ?)", list(self.state.items()))
        row = (operation.id, action.verb, receipt.model_dump_json())
        self._db.execute("INSERT INTO effects(op, verb, receipt) VALUES(?, ?, ?)", row)
        self._db.execute("COMMIT")
        time.sleep(0.01)
        return receipt


def main(folder: Path, playbook: str) -> None:
    """Carry the plan out to its end, and write down how it ended."""
    plan = plan_for(playbook)
    journal = SqlJournal(f"sqlite:///{folder / 'journal.sqlite'}")
    said = [entry.at for entry in journal.entries()]
    clock = FastClock(max(said) + GAP if said else START)
    executor = Executor(FileWorld(folder / "world.sqlite", clock), journal, clock, holds, f"pid-{time.time_ns()}")
    (folder / "ready").touch()
    while True:
        execution = executor.advance(plan)
        if execution.state != "holding" or execution.resume_at is None:
            break
        clock.wait(execution.resume_at)
    (folder / "end.json").write_text(json.dumps({"state": execution.state, "reason": execution.reason}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
