"""``prunella autonomy``: how far each playbook has climbed, on what evidence; and the people's side of the ladder."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.options import AsJson, By, Note, SomeConfig, SomeJournal
from agent.terminal import fail, journal_named, now, person, put, put_json, told, wiring

if TYPE_CHECKING:
    from agent.standing import Ladder
    from policies.ladder import Standing
    from tools.journal import Journal

app = typer.Typer(
    name="autonomy",
    help="What each playbook may do alone, the evidence for it, and how people hold it down or push it up.\n\n"
    "Example: prunella autonomy show --config prunella.yaml",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Level(StrEnum):
    """The rungs."""

    watch = "watch"
    propose = "propose"
    ask = "ask"
    act = "act"


class Said(StrEnum):
    """What a person says of a plan."""

    right = "right"
    wrong = "wrong"
    harm = "harm"


Playbook = Annotated[str, typer.Argument(metavar="PLAYBOOK", help="Its id, as prunella autonomy show lists it.")]
Environment = Annotated[str, typer.Option("--environment", "-e", help="Where: production or staging.")]


@app.command(epilog="Example: prunella autonomy show --config prunella.yaml")
def show(config: SomeConfig = None, journal: SomeJournal = None, as_json: AsJson = False) -> None:
    """Show where each playbook stands, the evidence from production and drills apart, and what is wanting."""
    with told():
        from agent.view.ladder import ladder_table
        from agent.view.listing import print_out
        from playbooks.library import shipped

        found = _ladder(config, journal).all(book.id for book in shipped())
        put_json([each.model_dump(mode="json") for each in found]) if as_json else print_out(ladder_table(found))


@app.command(epilog="Example: prunella autonomy push scale_out --by dana --config prunella.yaml")
def push(  # noqa: PLR0913, PLR0917 - each is an option
    playbook: Playbook,
    environment: Environment = "production",
    by: By = "",
    note: Note = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Let a playbook climb one rung, if the evidence suffices; 1 where it does not."""
    with told():
        ladder = _ladder(config, journal)
        _tell(ladder.push(_known(ladder, playbook), environment, person(by), note, now()), as_json)


@app.command(epilog="Example: prunella autonomy hold scale_in --at ask --by dana --config prunella.yaml")
def hold(  # noqa: PLR0913, PLR0917 - each is an option
    playbook: Playbook,
    at: Annotated[Level, typer.Option("--at", help="The most that it may do until released.")],
    environment: Environment = "production",
    by: By = "",
    note: Note = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Hold a playbook down, whatever it has earned."""
    with told():
        ladder, who = _ladder(config, journal), person(by)
        _tell(ladder.hold(_known(ladder, playbook), environment, at.value, who, note, now()), as_json)


@app.command(epilog="Example: prunella autonomy release scale_in --by dana --config prunella.yaml")
def release(  # noqa: PLR0913, PLR0917 - each is an option
    playbook: Playbook,
    environment: Environment = "production",
    by: By = "",
    note: Note = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """End a hold: the playbook stands again where it has climbed to."""
    with told():
        ladder = _ladder(config, journal)
        _tell(ladder.release(_known(ladder, playbook), environment, person(by), note, now()), as_json)


@app.command(epilog="Example: prunella autonomy review inc-7 right --by dana --config prunella.yaml")
def review(  # noqa: PLR0913, PLR0917 - each is an option
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or last.")],
    said: Annotated[Said, typer.Argument(help="Would the plan have been right, or wrong; or did it do harm?")],
    by: By = "",
    note: Note = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Say what you think of a plan that was watched or proposed, or that it did harm: this is evidence."""
    with told():
        ladder = _ladder(config, journal)
        incident = _of_last(ladder.journal) if incident == "last" else incident
        ladder.review(incident, said.value, person(by), note, now())
        words = {"incident": incident, "said": said.value, "by": by.strip()}
        put(words, f"{incident}: {said.value}, says {by.strip()}", as_json=as_json)


@app.command(epilog="Example: prunella autonomy credit build/drill.json --config prunella.yaml")
def credit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What prunella drill --json wrote.")],
    environment: Environment = "production",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Count the episodes of a drill as evidence, once; drills alone never lead to act."""
    with told():
        import json

        try:
            drill = json.loads(file.read_text(encoding="utf-8"))
            count = _ladder(config, journal).credit(drill, environment, now())
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        except (ValueError, KeyError, TypeError):
            fail(f"{file}: not what prunella drill --json writes")
        put({"deeds": count}, f"{count} deeds counted", as_json=as_json)


def _of_last(records: "Journal") -> str:
    from agent.casebook import last_case

    case = last_case(records)
    return case.incident.id if case else fail("there is no incident in this journal")


def _ladder(config: Path | None, journal: str | None) -> "Ladder":
    """Open the ladder of a configuration; of a journal alone, with the default bars and no ceiling."""
    from agent.standing import Ladder
    from config.settings import LadderSettings

    url, settings = journal_named(config, journal)
    opened = wiring().open_journal(url)
    return Ladder(opened, settings.ladder if settings else LadderSettings(), settings.autonomy if settings else "act")


def _known(ladder: "Ladder", playbook: str) -> str:
    from playbooks.library import shipped

    names = sorted({each.playbook for each in ladder.all(book.id for book in shipped())})
    return playbook if playbook in names else fail(f"no playbook {playbook!r}; there are {', '.join(names)}")


def _tell(found: "Standing", as_json: bool) -> None:
    put(found, f"{found.playbook} in {found.environment}: {found.rung}; {found.why}", as_json=as_json)
