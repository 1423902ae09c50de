"""A journal's rows as they lie in the database, read without trusting, mending or changing anything."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from tools.audit import Audit, Row, Verify, audit
from tools.errors import Absent, Malformed, Refused
from tools.live.journal import ENTRIES, HEAD

_CHUNK = 10_000  # rows held at once


def audit_database(url: str, verify: Verify | None, expect: tuple[int, str] | None = None) -> Audit:
    """Audit the journal at an SQLAlchemy address; raises ``Absent``, ``Refused`` or ``Malformed``."""
    engine = _reading(url)
    try:
        with engine.connect() as connection:
            return audit(_rows(connection), _head(connection), verify, expect)
    except DBAPIError as error:
        raise Malformed(f"journal: {error.orig}") from error
    finally:
        engine.dispose()


def _reading(url: str) -> Engine:
    """Return an engine that cannot write a SQLite file."""
    file = url.partition(":///")[2] if url.startswith("sqlite") else ""
    if file:
        if not Path(file).is_file():
            raise Absent(f"no journal at {file}")
        url = f"sqlite:///file:{file}?mode=ro&uri=true"
    try:
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise Refused(f"journal: cannot use database url: {error}") from error


def _rows(connection: Connection) -> Iterator[Row]:
    columns = [ENTRIES.c[name] for name in Row._fields]
    last = None
    while True:
        query = select(*columns).order_by(ENTRIES.c.seq).limit(_CHUNK)
        found = connection.execute(query if last is None else query.where(ENTRIES.c.seq > last)).all()
        if not found:
            return
        yield from (Row(*row) for row in found)
        last = found[-1].seq


def _head(connection: Connection) -> tuple[int, str] | None:
    heads = connection.execute(select(HEAD.c.seq, HEAD.c.hash)).all()
    return (int(heads[0].seq), str(heads[0].hash)) if len(heads) == 1 else None
