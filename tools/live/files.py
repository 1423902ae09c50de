"""Files as tables of an embedded DuckDB: Parquet, text with separators, JSON lines."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.errors import Absent, Malformed
from tools.live.encodings import in_utf8, is_single, opened, says_utf16
from tools.live.numerals import numerals
from tools.live.ragged import ragged

LINES = {".jsonl", ".ndjson", ".json"}
TEXTUAL = {".csv", ".tsv", ".txt", ".gz"} | LINES
DATELESS = ["BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR"]  # what a column of text may be read as, but instants
PARSE = "CREATE TEMP TABLE parsed AS SELECT * FROM read_csv(?, header=true, auto_detect=true)"
PARSE_DATELESS = PARSE.replace(")", ", auto_type_candidates=?)")


def read_file(address: str, memory: str, dates: bool = True) -> Any:
    """Return the expression of a file, a folder or a glob; raises foreign exceptions too.

    Without ``dates``, those of a text that begin with the day or month stay text: the engine would guess which it is.
    """
    import duckdb
    import ibis

    path = Path(address)
    engine = ibis.duckdb.connect(memory_limit=memory, threads=2)
    with suppress(duckdb.Error):  # hours are those of UTC; an engine that knows no zones has none but that
        engine.raw_sql("SET TimeZone = 'UTC'")
    if set(path.suffixes) & TEXTUAL:
        return _parsed(engine, address, path, dates)
    found = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    if "*" not in address:
        _demand_parquet(address, path, found)
    files = address if "*" in address else [str(file) for file in found]
    many = "*" in address or len(found) > 1  # columns may have come and gone between them
    return engine.read_parquet(files, union_by_name=True) if many else engine.read_parquet(files)


def _parsed(engine: Any, address: str, path: Path, dates: bool) -> Any:
    """Parse a text once; what spills goes beyond the memory to disk."""
    import duckdb

    if not path.is_file():
        raise Absent(f"no file at {address}")
    if set(path.suffixes) & LINES:
        return engine.create_table("parsed", engine.read_json(path), temp=True)
    if says_utf16(path):
        with in_utf8(path, "utf-16") as text:
            return _fields(engine, address, text, dates)
    try:
        return _fields(engine, address, path, dates)
    except duckdb.InvalidInputException as error:
        if "utf-8" not in str(error).lower():
            raise
        if not is_single(path):
            raise Malformed(f"{address} is no text of one encoding: save it as UTF-8") from error
    with in_utf8(path, "cp1252") as text:
        return _fields(engine, address, text, dates)


def _fields(engine: Any, address: str, path: Path, dates: bool) -> Any:
    """Parse a text in UTF-8; one whose lines differ in their number of fields is refused in words."""
    import duckdb

    try:
        table = _table(engine, path, dateless=not dates and _guessed(engine, path))
    except duckdb.InvalidInputException as error:
        if "utf-8" not in str(error).lower() and (said := ragged(path)) is not None:
            raise Malformed(f"{address} is no table: {said}") from error
        raise
    if len(table.columns) == 1 and (said := ragged(path)) is not None:
        raise Malformed(f"{address} is no table: {said}")
    return numerals(table, _decimal_comma(path))


def _table(engine: Any, path: Path, dateless: bool) -> Any:
    """Parse into a table in one statement: with a view in between, the file's form is found out thrice."""
    if dateless:
        engine.con.execute(PARSE_DATELESS, [str(path), DATELESS])
    else:
        engine.con.execute(PARSE, [str(path)])
    return engine.table("parsed")


def _guessed(engine: Any, path: Path) -> bool:
    """Whether the engine reads dates that do not begin with the year."""
    asked = engine.con.execute("SELECT DateFormat, TimestampFormat FROM sniff_csv(?)", [str(path)])
    return any(form and not form.startswith("%Y") for form in asked.fetchone())


def _decimal_comma(path: Path) -> bool:
    """Whether a comma may stand in a number: fields are set apart by something else."""
    with opened(path) as file:
        head = file.readline()
    return b"," not in head and (b";" in head or b"\t" in head)


def _demand_parquet(address: str, path: Path, found: Sequence[Path]) -> None:
    """Say in words of the user's what is there instead of Parquet."""
    if path.is_dir() and not found:
        raise Absent(f"{address} is a folder without Parquet files; name a CSV file itself")
    if not any(file.is_file() for file in found):
        raise Absent(f"no file at {address}")
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(4)
        if begin not in {b"PAR1", b"PARE"}:
            raise Malformed(f"{address} is no Parquet; a table of text must be named {', '.join(sorted(TEXTUAL))}")
