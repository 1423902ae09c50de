"""What every command needs: one-line errors with the right exit code, JSON out, journals found and opened."""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from tools.journal import Journal

if TYPE_CHECKING:
    from config.settings import Settings

NOT_WELL, WRONG_USE = 1, 2
INTERRUPTED = 130  # as shells say it of Ctrl-C
QUIET_FOR = 10.0  # seconds between two lines of progress where there is no terminal


def wiring() -> Any:
    """Return ``agent.wiring``, imported only now: it names every client library."""
    return importlib.import_module("agent.wiring")


def now() -> datetime:
    """Return the present instant; the command line is outside the pure core."""
    return datetime.now(UTC)


def fail(message: str, code: int = WRONG_USE) -> NoReturn:
    """Print one line per line of ``message`` on standard error and leave."""
    for line in message.splitlines() or [message]:
        typer.echo(f"prunella: {line}", err=True)
    raise typer.Exit(code)


def meant(name: str, there: Iterable[str]) -> str:
    """Return what to add to a refusal of a name: the nearest one there is; empty where none is near.

    >>> meant("kv_cache_saturaton", ["kv_cache_saturation"])
    ' (did you mean kv_cache_saturation?)'
    """
    import difflib

    near = difflib.get_close_matches(name, list(there), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def person(by: str) -> str:
    """Return who says it: what people decide bears a name."""
    return by.strip() or fail("who are you? Give --by NAME")


def somebody(by: str) -> str:
    """Return who says it, or else whose process this is: holding Prunella back must never fail for want of a name."""
    import getpass

    try:
        return by.strip() or getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return f"uid {os.getuid()}"


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors that we raise on purpose into one line and an exit code; others keep their traceback."""
    from config.load import ConfigError
    from tools.errors import ToolError

    try:
        yield
    except ConfigError as error:
        fail(str(error))
    except ToolError as error:
        fail(" ".join(str(error).split()), NOT_WELL)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield what is told (done, of, label): it draws a bar on a terminal, else writes a line now and then."""
    from rich.console import Console
    from rich.progress import Progress

    console, told_at = Console(stderr=True), time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None)

        def progress(done: int, of: int, label: str) -> None:
            nonlocal told_at
            bars.update(task, completed=done, total=of, description=label)
            if not console.is_terminal and time.monotonic() - told_at > QUIET_FOR:
                told_at = time.monotonic()
                typer.echo(f"{what}: {done} of {of}, {label}", err=True)

        yield progress


def put_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False))


def put(value: Any, words: str, *, as_json: bool) -> None:
    """Say what was found or done: a noun or plain value as JSON for scripts, else in words."""
    if as_json:
        put_json(value.model_dump(mode="json") if hasattr(value, "model_dump") else value)
    else:
        typer.echo(words)


def state_dir() -> Path:
    """Return ``$XDG_STATE_HOME/prunella``, or the same under ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "prunella"


def demo_journal() -> Path:
    """Return the file that keeps the journal of the last demo."""
    return state_dir() / "demo.db"


def journal_named(config: Path | None, journal: str | None) -> tuple[str, "Settings | None"]:
    """Return the address of the journal that the options name, and the settings where they were given."""
    from config.load import load

    if config is not None and journal is not None:
        fail("give --config or --journal, not both")
    settings = load(config) if config is not None else None
    url = settings.journal.url if settings else _as_url(journal or str(demo_journal()))
    file = url.partition(":///")[2] if url.startswith("sqlite") else ""
    if file and not Path(file).is_file():
        hint = "" if config or journal else "; prunella demo makes one"
        fail(f"no journal at {file}{hint}")
    return url, settings


def open_records(config: Path | None, journal: str | None) -> Journal:
    """Open the journal that the options name; without any, that of the last demo. It must exist."""
    return open_named(config, journal)[0]


def open_named(config: Path | None, journal: str | None) -> tuple[Journal, "Settings | None"]:
    """Open the same, and return the settings where they were given."""
    url, settings = journal_named(config, journal)
    opened: Journal = wiring().open_journal(url)
    return opened, settings


def _as_url(journal: str) -> str:
    return journal if "://" in journal else f"sqlite:///{Path(journal).expanduser().resolve()}"
