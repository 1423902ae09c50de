"""The command ``prunella detect``: the eyes on a file of one's own."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.options import AsJson
from agent.terminal import counted, fail, put_json, told, wiring

if TYPE_CHECKING:
    from agent.eyes.stream import Sight


class By(StrEnum):
    """The change detectors on offer: ``agent.eyes.changes.KINDS``."""

    adwin = "adwin"
    page_hinkley = "page-hinkley"
    gaussian = "gaussian"


def detect(
    file: Annotated[str, typer.Argument(help="CSV or Parquet: a time column, and columns of numbers.")],
    time: Annotated[
        str | None,
        typer.Option(
            "--time", help="The time column, and how its dates are written; left out: found.", metavar="COLUMN[=FORM]"
        ),
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", help="How many false alerts you can bear, in words.", metavar="WORDS")
    ] = "one false alert per series per week",
    by: Annotated[
        By | None,
        typer.Option(
            "--by", help="Watch with this change detector instead: thresholds in units of the series, no budget."
        ),
    ] = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with the picture to this file.", metavar="FILE")
    ] = None,
) -> None:
    """Say where the series of a file departed from what their past led one to expect, and since when."""
    with told():
        from agent.view.detecting import as_json as in_json
        from agent.view.detecting import page, show_sight

        sight = _watched(file, budget, time, by)
        if html is not None:
            _write(html, page(sight))
        if as_json:
            put_json(in_json(sight))
            for note in sight.notes:
                typer.echo(f"prunella: {note}", err=True)
        else:
            show_sight(sight)


def _watched(file: str, words: str, time: str | None, by: By | None) -> "Sight":
    """Watch a file, with a bar on a terminal; what cannot be watched is said in one line."""
    from agent.eyes.budget import budget
    from agent.eyes.stream import watch
    from tools.errors import ToolError

    try:
        borne, table = budget(words), _opened(file)
        with counted("rows") as progress:
            return watch(table, borne, time, lambda done, of: progress(done, of, table.name), by and by.value)
    except (ToolError, ValueError) as error:
        fail(" ".join(str(error).split()))


def _opened(file: str) -> Any:
    table = wiring().table(file, dates=False)
    return table if table.rows else fail(f"{file} has no rows")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")
