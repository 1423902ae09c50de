"""The options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, see config/example.yaml.", metavar="FILE")]
SomeConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="Read the journal that this file names.", metavar="FILE")
]
RulesConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="Take the rules that this file names.", metavar="FILE")
]
SomeJournal = Annotated[
    str | None,
    typer.Option("--journal", help="Read this journal: a SQLite file or an SQLAlchemy URL.", metavar="WHERE"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Headless = Annotated[bool, typer.Option("--headless", help="Plain log lines instead of the picture.")]
By = Annotated[str, typer.Option("--by", help="Your name, for the record.", envvar="USER", show_default=False)]
Note = Annotated[str, typer.Option("--note", help="Why, for the record.", show_default=False)]
