"""The command ``prunella digest``: the day or the week, for people or scripts."""

from datetime import datetime
from typing import Annotated

import typer

from agent.options import AsJson, SomeConfig, SomeJournal
from agent.terminal import fail, now, open_records, put_json, told
from tools.journal import Journal


def _last(records: Journal) -> datetime:
    """Return when the last entry was written."""
    entries = records.entries()
    return entries[-1].at if entries else now()


def digest(
    daily: Annotated[bool, typer.Option("--daily", help="The last day (this is the default).")] = False,
    weekly: Annotated[bool, typer.Option("--weekly", help="The last week.")] = False,
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Say what a person should know of the last day or week: what waits, what happened, what was unusual."""
    with told():
        from agent.digest import digest as fold
        from agent.view.digesting import as_markdown, headline

        if daily and weekly:
            fail("give --daily or --weekly, not both")
        records = open_records(config, journal)
        at = now() if config or journal else _last(records)  # the demo's days are its own
        found = fold(records, "weekly" if weekly else "daily", at)
        if as_json:
            put_json({"headline": headline(found), **found.model_dump(mode="json")})
        else:
            typer.echo(as_markdown(found), nl=False)
