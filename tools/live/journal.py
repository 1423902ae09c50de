"""The durable journal, on SQLAlchemy: SQLite by default, PostgreSQL as well.

Entries are only ever added, each linked to the one before by a hash; the last link is kept a second time, so that a
missing tail is noticed too. A journal that cannot be read or whose chain is broken is ``Malformed`` at opening, never
taken for an empty one. An ``append`` whose reply was lost (``Ambiguous``) may be repeated: readers fold by operation.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    Column,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    case,
    create_engine,
    event,
    func,
    select,
    update,
)
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tools.audit import CHECKPOINT, SUBJECT
from tools.chain import GENESIS, canonical, link, stamp
from tools.errors import Ambiguous, Malformed, Refused, ToolError, Transient
from tools.journal import Entry, Json, Unless

_META = MetaData()
ENTRIES = Table(
    "prunella_entries",
    _META,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
)
Index("prunella_entries_subject", ENTRIES.c.subject, ENTRIES.c.seq)
Index("prunella_entries_kind", ENTRIES.c.kind, ENTRIES.c.seq)
HEAD = Table(  # one row: the last link; locked by whoever appends
    "prunella_head",
    _META,
    Column("id", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
_CLAIMS = Table(
    "prunella_claims",
    _META,
    Column("key", String(300), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("at", String(40), nullable=False),
)
_LEASES = Table(
    "prunella_leases",
    _META,
    Column("target", String(300), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("at", String(40), nullable=False),
)
_BUSY_SECONDS = 30.0
_AGAIN = Retrying(
    retry=retry_if_exception_type(Transient),
    stop=stop_after_attempt(3),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    reraise=True,
)
_CHUNK = 1000  # rows held at once while the chain is verified


class _Link(NamedTuple):
    """The place and hash of an entry."""

    seq: int
    hash: str


class Seal(Protocol):
    """Who signs checkpoints."""

    name: str

    def sign(self, seq: int, digest: str) -> str:
        """Return a signature of an entry and its hash, in hex."""
        ...


class SqlJournal:
    """Implements ``tools.journal.Journal`` on a database ``url``, e.g. ``sqlite:////var/lib/prunella/journal.sqlite``.

    Opening creates the tables where there are none and verifies the chain; raises ``Malformed`` where it is broken,
    ``Refused`` where the database cannot be opened. Safe to share between threads and processes. With a ``seal``, a
    signed checkpoint is added after ``every`` so many entries, in the transaction of the last of them.
    """

    def __init__(self, url: str, seal: Seal | None = None, every: int = 100) -> None:
        self._lock = threading.RLock()
        self._seal, self._every = seal, every
        self._engine = _engine(url)
        self._insert: Any = postgres_insert if self._engine.dialect.name == "postgresql" else sqlite_insert
        try:
            with self._writing() as connection:
                _META.create_all(connection)
                self._found_head(connection)
            self.verify()
        except ToolError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def append(self, subject: str, kind: str, body: Json, at: datetime) -> Entry:
        """Add one entry; returns when it is on the disk."""
        entry = self.append_if(subject, kind, body, at, ())
        if entry is None:
            raise Malformed("journal: an unconditional entry was not added")
        return entry

    def append_if(self, subject: str, kind: str, body: Json, at: datetime, unless: Sequence[Unless]) -> Entry | None:
        """Add one entry if nothing came in between, in one transaction; None otherwise."""
        text, when = canonical(body), stamp(at)
        with self._writing() as connection:
            head = connection.execute(select(HEAD).with_for_update()).one_or_none()
            if head is None:
                raise Malformed("journal: its last link is missing")
            if any(connection.execute(_came(condition)).first() for condition in unless if condition.after < head.seq):
                return None
            added = last = self._add(connection, _Link(head.seq, head.hash), (when, subject, kind, text))
            if self._seal is not None and added.seq % self._every == 0:
                signature = self._seal.sign(added.seq, added.hash)
                signed = {"seq": added.seq, "hash": added.hash, "key": self._seal.name, "signature": signature}
                last = self._add(connection, added, (when, SUBJECT, CHECKPOINT, canonical(signed)))
            connection.execute(update(HEAD).values(seq=last.seq, hash=last.hash))
        return Entry(added.seq, datetime.fromisoformat(when), subject, kind, json.loads(text))

    @staticmethod
    def _add(connection: Connection, last: _Link, fields: tuple[str, str, str, str]) -> _Link:
        """Link one row (at, subject, kind, body) to the last."""
        when, subject, kind, text = fields
        seq = last.seq + 1
        digest = link(last.hash, str(seq), *fields)
        row = {"seq": seq, "at": when, "subject": subject, "kind": kind, "body": text}
        connection.execute(plain_insert(ENTRIES), row | {"previous": last.hash, "hash": digest})
        return _Link(seq, digest)

    def entries(self, subject: str | None = None, kinds: Sequence[str] = (), after: int = 0) -> tuple[Entry, ...]:
        """Return entries in order, optionally of one subject and of some kinds, with ``seq > after``."""
        query = _entries_query(subject is not None, bool(kinds))
        wanted = {"after": after, "subject": subject, "kinds": list(kinds)}
        return tuple(_entry(row) for row in self._read(query, wanted))

    def subjects(self) -> tuple[str, ...]:
        """Return every subject, in order of first entry."""
        first = func.min(ENTRIES.c.seq)
        return tuple(row[0] for row in self._read(select(ENTRIES.c.subject).group_by("subject").order_by(first)))

    def claim(self, key: str, owner: str, at: datetime) -> bool:
        """Return True for exactly one caller per key, ever."""
        row = {"key": key, "owner": owner, "at": stamp(at)}
        with self._writing() as connection:
            return bool(connection.execute(self._insert(_CLAIMS).values(row).on_conflict_do_nothing()).rowcount == 1)

    def next_epoch(self, target: str, owner: str, at: datetime, above: int = 0) -> int:
        """Return an epoch strictly above every earlier one of the target, and above ``above``."""
        row = {"target": target, "epoch": above + 1, "owner": owner, "at": stamp(at)}
        higher = case((_LEASES.c.epoch > above, _LEASES.c.epoch + 1), else_=above + 1)
        change = {"epoch": higher, "owner": owner, "at": row["at"]}
        statement = self._insert(_LEASES).values(row).on_conflict_do_update(index_elements=["target"], set_=change)
        with self._writing() as connection:
            return int(connection.execute(statement.returning(_LEASES.c.epoch)).scalar_one())

    def verify(self) -> int:
        """Check the whole chain and return the number of entries; ``Malformed`` names the first that does not fit."""
        seq, digest = 0, GENESIS
        while rows := self._read(select(ENTRIES).where(ENTRIES.c.seq > seq).order_by(ENTRIES.c.seq).limit(_CHUNK)):
            for row in rows:
                seq, digest = seq + 1, _checked(row, seq + 1, digest)
        heads = self._read(select(HEAD))
        if [(head.seq, head.hash) for head in heads] != [(seq, digest)] and not self._grew(seq):
            raise Malformed(f"journal: entry {seq} is the last, but the last link says otherwise; entries are missing")
        return seq

    def _grew(self, seq: int) -> bool:
        """Whether another process added entries since, so that the last link rightly points further."""
        return bool(self._read(select(ENTRIES.c.seq).where(ENTRIES.c.seq > seq).limit(1)))

    def _found_head(self, connection: Connection) -> None:
        """Write the first link of a new journal; one that has entries but no link is left as it is, to be refused."""
        if connection.execute(select(ENTRIES.c.seq).limit(1)).first() is None:
            row = {"id": 1, "seq": 0, "hash": GENESIS}
            connection.execute(self._insert(HEAD).values(row).on_conflict_do_nothing())

    def _read(self, query: Any, values: Mapping[str, Any] | None = None) -> Sequence[Row[Any]]:
        """Run a query; tried again while the database is locked, which a read may always be."""
        try:
            return self._read_once(query, values)
        except Transient:
            return _AGAIN(self._read_once, query, values)

    def _read_once(self, query: Any, values: Mapping[str, Any] | None) -> Sequence[Row[Any]]:
        with self._lock, _translated(), self._engine.connect() as connection, connection.begin():
            return connection.execute(query, values).all()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock, _translated(), self._engine.connect() as plain:
            connection = plain.execution_options(prunella_write=True)
            with connection.begin():
                yield connection


@lru_cache
def _entries_query(of_subject: bool, of_kinds: bool) -> Any:
    """Return a query for entries, made once: the executor asks it several times a step."""
    query = select(ENTRIES).where(ENTRIES.c.seq > bindparam("after")).order_by(ENTRIES.c.seq)
    if of_subject:
        query = query.where(ENTRIES.c.subject == bindparam("subject"))
    return query.where(ENTRIES.c.kind.in_(bindparam("kinds", expanding=True))) if of_kinds else query


def _came(unless: Unless) -> Any:
    """Return the query for an entry that spoils a condition."""
    query = select(ENTRIES.c.seq).where(ENTRIES.c.seq > unless.after, ENTRIES.c.kind.in_(unless.kinds)).limit(1)
    return query if unless.subject is None else query.where(ENTRIES.c.subject == unless.subject)


def _engine(url: str) -> Engine:
    """Return an engine whose SQLite connections are durable (WAL, FULL) and take the write lock at once."""
    memory = url in ("sqlite://", "sqlite:///:memory:")
    lite = url.startswith("sqlite")
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    if lite:
        options["connect_args"] = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    try:
        engine = create_engine(url, **options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise Refused(f"journal: cannot use database url: {error}") from error
    if lite:
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.isolation_level = None  # the driver must not begin transactions on its own
    cursor = dbapi_connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A write that begins as a read may fail half-way when another process writes; IMMEDIATE waits its turn instead.
    write = connection.get_execution_options().get("prunella_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the database's exceptions into ours."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(error) from error


def _ours(error: DBAPIError) -> ToolError:
    text = f"journal: {error.orig}"
    if error.connection_invalidated:
        return Ambiguous(text)
    if "locked" in text or "busy" in text:
        return Transient(text)
    if "unable to open" in text or "readonly" in text or "full" in text or "connection" in text:
        return Refused(text)
    return Malformed(text)


def _checked(row: Row[Any], seq: int, previous: str) -> str:
    """Return the hash of a row that fits in its place; ``Malformed`` where it does not."""
    digest = link(previous, str(row.seq), row.at, row.subject, row.kind, row.body)
    if (row.seq, row.previous, row.hash) != (seq, previous, digest):
        raise Malformed(f"journal: entry {row.seq} does not fit the chain after entry {seq - 1}")
    return digest


def _entry(row: Row[Any]) -> Entry:
    try:
        return Entry(row.seq, datetime.fromisoformat(row.at), row.subject, row.kind, json.loads(row.body))
    except ValueError as error:
        raise Malformed(f"journal: entry {row.seq} cannot be read: {error}") from error
