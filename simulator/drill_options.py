"""The options of ``prunella drill``, each with its help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Engine(StrEnum):
    """What plays the episodes of a drill."""

    processes = "processes"
    ray = "ray"


def length(text: str) -> float:
    """Return seconds of a duration as people write it."""
    from config.duration import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


REAL = "Against a real staging cluster"
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Scenarios.", show_default=False)]
Suite = Annotated[str | None, typer.Option(help="A named set of scenarios.", show_default=False)]
Seeds = Annotated[int, typer.Option(min=1, help="Runs of each, with as many seeds.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first of these seeds: runs that nothing was chosen on.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Length = Annotated[
    float | None,
    typer.Option("--for", parser=length, metavar="DURATION", help="Simulated time of a quiet run; else 7d."),
]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write every episode there; - prints it.", show_default=False),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots.", show_default=False)
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Let this baseline play the same faults; may be repeated. Of --suite month: else everybody.",
        show_default=False,
    ),
]
Modifier = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What else is the matter, such as red_herring; may be repeated."),
]
Days = Annotated[float, typer.Option(min=0.01, help="Length of --suite month.")]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Keep finished episodes there, and do not play them again.", show_default=False),
]
EngineOption = Annotated[Engine, typer.Option(help="What plays the episodes: processes here, or a Ray cluster.")]
Record = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write every episode there as a story.", show_default=False)
]
FleetFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Drill the services of this file.", show_default=False)
]
Shown = Annotated[
    str,
    typer.Option("--scenario", "-s", metavar="ID|FILE", help="What goes wrong; see drill --list.", show_default=False),
]
OwnFleet = Annotated[
    Path | None,
    typer.Option("--fleet", metavar="FILE", help="Show the services of this file instead.", show_default=False),
]
Copies = Annotated[
    int,
    typer.Option(min=1, max=1000, help="Guard so many copies of the fleet at once: service-years of quiet, cheaply."),
]
Listing = Annotated[bool, typer.Option("--list", help="Say what there is, and run nothing.")]
Against = Annotated[
    Path | None,
    typer.Option(
        metavar="CONFIG",
        help="Put one real fault into the staging cluster of this configuration; see docs/staging.md.",
        show_default=False,
        rich_help_panel=REAL,
    ),
]
Patient = Annotated[
    str, typer.Option("--service", help="Whom the fault hurts.", show_default=False, rich_help_panel=REAL)
]
Ttl = Annotated[
    float,
    typer.Option(
        parser=length, metavar="DURATION", help="When the reverter takes it back, healed or not.", rich_help_panel=REAL
    ),
]
Approve = Annotated[
    str,
    typer.Option(
        metavar="DIGEST",
        help="The plan's digest, as the first run prints it; left out: show the plan, change nothing.",
        show_default=False,
        rich_help_panel=REAL,
    ),
]
Who = Annotated[
    str, typer.Option("--by", help="Your name, one of drills.approvers.", show_default=False, rich_help_panel=REAL)
]
Revert = Annotated[
    bool, typer.Option("--revert", help="Take back every fault that stands there, now.", rich_help_panel=REAL)
]
