"""The commands of production: guard a fleet, look at its cases, answer its questions, see the doctor.

Everything heavy is imported inside the commands, so that ``--help`` is quick.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.approvals_cli import approvals
from agent.audit_cli import app as records
from agent.autonomy_cli import app as ladder
from agent.control_cli import breaker, halt, pause, resume
from agent.costs_cli import costs
from agent.detect_cli import detect
from agent.digest_cli import digest
from agent.options import AsJson, Config, Headless, SomeConfig, SomeJournal
from agent.policy_cli import app as policies
from agent.terminal import NOT_WELL, fail, now, open_records, put_json, told, wiring
from tools.journal import Journal

if TYPE_CHECKING:
    from agent.casebook import Case
    from tools.tables import Table

LAST = "last"
GUARD, LOOK, TRY = "Guard a fleet", "Look and decide", "Try it out"

app = typer.Typer(
    name="prunella",
    help="Prunella heals machine-learning and language-model services in production, within limits that you set.\n\n"
    "Example: prunella demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 not healed or not well, 2 wrong use.",
)
app.add_typer(policies, rich_help_panel=LOOK)
app.add_typer(records, rich_help_panel=LOOK)
app.command(rich_help_panel=LOOK, epilog="Example: prunella approvals approve apr-3 --by dana --config prunella.yaml")(
    approvals
)
app.command(rich_help_panel=LOOK, epilog="Example: prunella detect latency.csv --html latency.html")(detect)
app.command(rich_help_panel=LOOK, epilog="Example: prunella costs --config prunella.yaml --hours 168")(costs)
app.command(rich_help_panel=LOOK, epilog="Example: prunella digest --weekly --config prunella.yaml")(digest)
app.add_typer(ladder, rich_help_panel=LOOK)
app.command(rich_help_panel=GUARD, epilog="Example: prunella pause migration --for 2h --config prunella.yaml")(pause)
app.command(rich_help_panel=GUARD, epilog="Example: prunella resume migration --config prunella.yaml")(resume)
app.command(rich_help_panel=GUARD, epilog="Example: prunella halt --why 'bad day' --config prunella.yaml")(halt)
app.command(rich_help_panel=GUARD, epilog="Example: prunella breaker reset --config prunella.yaml")(breaker)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"prunella {version('prunella')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


@app.command(rich_help_panel=GUARD, epilog="Example: prunella run --config prunella.yaml --headless")
def run(
    config: Config,
    headless: Headless = False,
    once: Annotated[bool, typer.Option("--once", help="Look once, show it, and leave; 1 when not well.")] = False,
) -> None:
    """Guard the fleet of a configuration until told to stop."""
    with told():
        from agent.watching import guard, look_once
        from config.load import load

        settings = load(config)
        daemon = wiring().build(settings)
        well = look_once(daemon) if once else guard(daemon, settings.log, headless=headless)
    raise typer.Exit(0 if well else NOT_WELL)


@app.command(rich_help_panel=LOOK, epilog="Example: prunella incidents inc-3 --journal prunella.db")
def incidents(
    incident: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one.", show_default=False)] = None,
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """List the incidents of a journal, or show one. Without options: those of the last demo."""
    with told():
        from agent.casebook import read_cases
        from agent.view.listing import cases_table, in_brief, print_out, show_case

        records = open_records(config, journal)
        if incident is not None:
            case = _found(records, incident)
            put_json(case.model_dump(mode="json")) if as_json else show_case(case)
            return
        cases = sorted(read_cases(records), key=lambda case: case.incident.at, reverse=True)
        put_json([in_brief(case) for case in cases]) if as_json else print_out(cases_table(cases))


@app.command(rich_help_panel=LOOK, epilog="Example: prunella explain last > postmortem.md")
def explain(
    incident: Annotated[
        str,
        typer.Argument(
            metavar="INCIDENT", help="Its id, or [bold]last[/bold]: the newest in which something was done."
        ),
    ],
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Write a case as Markdown with its figures, fit to paste into a postmortem."""
    with told():
        from agent.report import explain as written

        case = _found(open_records(config, journal), incident)
        put_json(case.model_dump(mode="json")) if as_json else typer.echo(written(case), nl=False)


@app.command(rich_help_panel=LOOK, epilog="Example: prunella replay last --config prunella.yaml")
def replay(
    incident: Annotated[
        str,
        typer.Argument(
            metavar="INCIDENT", help="Its id, or [bold]last[/bold]: the newest in which something was done."
        ),
    ],
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild a case from the journal alone: evidence, every hypothesis, plan, decision, steps, verified effect."""
    with told():
        from agent.replay import as_text, chapters

        records = open_records(config, journal)
        case = _found(records, incident)
        found = chapters(records.entries(subject=case.incident.id))
        put_json([each.model_dump(mode="json") for each in found]) if as_json else typer.echo(as_text(found), nl=False)


@app.command(rich_help_panel=LOOK, epilog="Example: prunella drift january.parquet today.parquet --html drift.html")
def drift(  # noqa: PLR0913, PLR0917 - one parameter for each option
    reference: Annotated[str, typer.Argument(help="Rows as they should be: CSV, Parquet, or an Ibis URL#TABLE.")],
    current: Annotated[str, typer.Argument(help="Rows to compare with them.")],
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write a page.", metavar="FILE", show_default=False)] = None,
    propose: Annotated[
        Path | None, typer.Option(help="Write rules that REFERENCE keeps, as YAML.", metavar="FILE", show_default=False)
    ] = None,
    constraints: Annotated[
        Path | None, typer.Option(help="Hold CURRENT to these rules.", metavar="FILE", show_default=False)
    ] = None,
    importance: Annotated[
        str | None,
        typer.Option(
            help="What the model leans on: a JSON or YAML file of feature: weight, or the COLUMN that it predicts.",
            metavar="WHAT",
            show_default=False,
        ),
    ] = None,
    season: Annotated[
        str | None,
        typer.Option(
            help="Compare with the same hours of working days or weekends alone, by this column of instants.",
            metavar="COLUMN",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say what moved between two tables, how much, and which data-quality fault stands behind it."""
    with told():
        from agent.drifting import look
        from agent.view.drifting import show_drift

        open_table = wiring().table
        files = (html, propose, constraints)
        report = look(_opened(open_table, reference), _opened(open_table, current), files, importance, season)
        put_json(report.model_dump(mode="json")) if as_json else show_drift(report)
    raise typer.Exit(NOT_WELL if report.alarming else 0)


@app.command(rich_help_panel=GUARD, epilog="Example: prunella doctor --config prunella.yaml")
def doctor(config: Config, as_json: AsJson = False) -> None:
    """Say what is reachable, which metrics are missing, and what the role may do. Changes nothing."""
    with told():
        from agent.doctor import examine
        from agent.view.listing import checks_table, print_out
        from config.load import load

        settings = load(config)
        checks = examine(settings, wiring().reach(settings), now())
        put_json([check.model_dump() for check in checks]) if as_json else print_out(checks_table(checks))
    raise typer.Exit(NOT_WELL if any(check.state == "bad" for check in checks) else 0)


def _found(records: Journal, incident: str) -> "Case":
    """Return a case by id, or the last one."""
    from agent.casebook import last_case, read_case

    case = last_case(records) if incident == LAST else read_case(records, incident)
    return case or fail(f"no incident {incident!r} in this journal; prunella incidents lists them")


def _opened(open_table: Callable[[str], "Table"], address: str) -> "Table":
    """Open a table, or say in one line what is wrong with its address; an empty one cannot be compared."""
    from tools.errors import ToolError

    try:
        table = open_table(address)
    except ToolError as error:
        fail(" ".join(str(error).split()))
    return table if table.rows else fail(f"{address} has no rows")
