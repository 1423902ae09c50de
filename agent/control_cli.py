"""``prunella pause``, ``resume``, ``halt`` and ``breaker``: how people hold Prunella back, and let her go again."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agent.options import AsJson, By, Config, SomeConfig, SomeJournal
from agent.terminal import fail, meant, now, open_named, open_records, person, put, put_json, somebody, told, wiring

if TYPE_CHECKING:
    from config.settings import Settings
    from tools.journal import Journal

HOUR = "1h"  # how long a pause lasts of which nobody says it
Why = Annotated[str, typer.Option("--why", help="For the record, and for whoever wonders.", show_default=False)]


class Stale(StrEnum):
    """What becomes of what was decided before a reset."""

    drop = "drop"
    replay = "replay"


class Deed(StrEnum):
    """What to do with the breaker."""

    trip = "trip"
    reset = "reset"


def pause(  # noqa: PLR0913, PLR0917 - one parameter for each option
    name: Annotated[
        str | None,
        typer.Argument(help="What the pause is called; resume by this name. Left out: list those that hold."),
    ] = None,
    lasts: Annotated[
        str | None, typer.Option("--for", help="How long, at most 31 days.", metavar="TIME", show_default=HOUR)
    ] = None,
    service: Annotated[str, typer.Option(help="One service; left out: the whole fleet.", show_default=False)] = "",
    by: By = "",
    why: Why = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Begin nothing for a while: no new step is taken, undoing goes on. It ends by itself."""
    with told():
        from policies.controls import FLEET, Pause
        from policies.controls import pause as begin

        (records, settings), at = open_named(config, journal), now()
        if name is None:
            if lasts or service or why:  # who meant to hold her back must not read that nothing is paused, and leave
                fail("a pause needs a name: prunella pause NAME, with the same options")
            _holding(records, at, as_json)
            return
        if service and settings is not None:
            _known(service, settings)
        wanted = Pause(name=name, scope=service or FLEET, until=at + _length(lasts or HOUR), by=somebody(by), why=why)
        made = begin(records, wanted, at)
        unsure = "" if settings or not service else "; no --config was given, so nobody checked that name"
        words = f"{made.name}: {made.words()}{unsure}"
        put(made, words, as_json=as_json)


def resume(
    name: Annotated[str, typer.Argument(help="Of the pause.")],
    by: By = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """End a pause before its time."""
    with told():
        from policies.controls import resume as end

        ended = end(open_records(config, journal), name, person(by), now())
        words = f"{ended.name} is over, by {ended.resumed_by}"
        put(ended, words, as_json=as_json)


def halt(
    config: Config,
    lift: Annotated[bool, typer.Option("--lift", help="Let her act again.")] = False,
    by: By = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Stop everything at once, undoing included: writes the halt file, so it works with the journal down."""
    with told():
        from config.load import load

        file = wiring().halt_file(load(config))
        file.lift() if lift else file.pull(somebody(by), why, now())
        reason = file.reason()
        put({"halted": bool(reason), "reason": reason}, reason or "not halted any more", as_json=as_json)


def breaker(  # noqa: PLR0913, PLR0917 - one parameter for each option
    deed: Annotated[Deed | None, typer.Argument(help="Left out: say how it stands.", show_default=False)] = None,
    stale: Annotated[
        Stale, typer.Option(help="At a reset: drop what was decided before and look anew, or replay it.")
    ] = Stale.drop,
    by: By = "",
    why: Why = "",
    config: SomeConfig = None,
    journal: SomeJournal = None,
    as_json: AsJson = False,
) -> None:
    """Show, trip or reset the breaker. While it is tripped nothing is done but undoing, whoever asks for it."""
    with told():
        from policies.breaker import KIND, fold, reset, trip

        records = open_records(config, journal)
        if deed is Deed.trip:
            trip(records, why or "by hand", somebody(by), now())
        elif deed is Deed.reset:
            reset(records, person(by), stale.value, now())
        standing = fold(records.entries(kinds=(KIND,)))
        since = f" since {standing.since:%Y-%m-%d %H:%M} UTC" if standing.since else ""
        words = f"tripped{since}: {standing.reason}" if standing.tripped else f"closed{since}"
        said = {"tripped": standing.tripped, "since": standing.since and standing.since.isoformat()}
        put({**said, "reason": standing.reason, "by": standing.by}, words, as_json=as_json)


def _holding(records: "Journal", at: datetime, as_json: bool) -> None:
    """List the pauses that hold now."""
    from policies.controls import KIND, in_force

    found = in_force(records.entries(kinds=(KIND,)), at)
    if as_json:
        put_json([each.model_dump(mode="json") for each in found])
        return
    typer.echo("\n".join(f"{each.name}: {each.words()}" for each in found) or "nothing is paused")


def _known(service: str, settings: "Settings") -> None:
    """Refuse a service that the fleet has not: a pause of nothing would look like protection."""
    names = [each.name for each in settings.fleet.services]
    if service not in names:
        fail(f"the fleet has no service {service!r}{meant(service, names)}; it has {', '.join(names)}")


def _length(text: str) -> timedelta:
    from config.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        fail(f"--for: {error}")
