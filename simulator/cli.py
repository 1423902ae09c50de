"""The ``prunella`` command: production's commands, and those that play: demo, drill, lab.

Everything heavy is imported inside the commands, so that ``--help`` is quick.
"""

import errno
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli import TRY, app
from agent.options import AsJson, Headless
from agent.terminal import INTERRUPTED, NOT_WELL, demo_journal, fail, meant, put, put_json, told, wiring
from simulator import drill_options as opt

__all__ = ["app", "main"]


class LabVerb(StrEnum):
    """What can be done with the lab."""

    up = "up"
    break_ = "break"
    status = "status"
    run = "run"
    down = "down"


@app.command(rich_help_panel=TRY, epilog="Example: prunella demo --scenario bad_rollout_errors --speed 120")
def demo(  # noqa: PLR0913, PLR0917 - each is an option
    scenario: opt.Shown = "",
    speed: Annotated[
        float,
        typer.Option(min=0, help="Simulated seconds per second, tenfold while all is quiet; 0: as fast as it goes."),
    ] = 60.0,
    length: Annotated[
        float | None,
        typer.Option(
            "--for", parser=opt.length, metavar="DURATION", help="Simulated time, such as 30m; else until healed."
        ),
    ] = None,
    headless: Headless = False,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same story.")] = 1,
    svg: Annotated[
        Path | None, typer.Option(help="Save the last picture as SVG.", metavar="FILE", show_default=False)
    ] = None,
    modifier: opt.Modifier = None,
    fleet: opt.OwnFleet = None,
) -> None:
    """Watch Prunella heal a simulated fleet: no cluster, GPU, key or server needed."""
    with told():
        from datetime import timedelta

        from simulator.stage import Pace, closing, perform

        play = _demo(scenario, seed, tuple(modifier or ()), fleet)
        pace = Pace(speed, None if length is None else timedelta(seconds=length), headless)
        try:
            last = perform(play, pace, _fresh_journal())
        except KeyboardInterrupt:
            typer.echo("stopped; what there was to see so far:  prunella incidents", err=True)
            raise typer.Exit(INTERRUPTED) from None
        if svg is not None:
            from agent.view.picture import svg as drawn
            from simulator.drill_cli import write

            write(str(svg), drawn(last))
        words, well = closing(last)
        typer.echo(words)
    raise typer.Exit(0 if well else NOT_WELL)


def _demo(scenario: str, seed: int, modifiers: tuple[str, ...], fleet: Path | None) -> Any:
    from simulator.casting import cast

    module = importlib.import_module("simulator.demo")
    if not (scenario or modifiers or fleet):
        return module.Demo(seed=seed)
    return module.Demo(seed=seed, cast=cast(scenario or module.SCENARIO, modifiers, fleet))


def _fresh_journal() -> Any:
    """Open an empty journal for ``prunella explain`` to read later; the last demo's gives way."""
    file = demo_journal()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for old in file.parent.glob(f"{file.name}*"):
            old.unlink()
    except OSError as error:
        fail(f"{file}: {error.strerror}: the demo keeps its journal there; set XDG_STATE_HOME elsewhere")
    return wiring().open_journal(f"sqlite:///{file}")


@app.command(rich_help_panel=TRY, epilog="Example: prunella drill --suite first --seeds 5 --json build/drill.json")
def drill(  # noqa: PLR0913, PLR0917 - each is an option
    ids: opt.Ids = None,
    suite: opt.Suite = None,
    seeds: opt.Seeds = 1,
    first_seed: opt.FirstSeed = 0,
    jobs: opt.Jobs = 1,
    length: opt.Length = None,
    as_json: opt.JsonFile = None,
    html: opt.Html = None,
    beside: opt.Beside = None,
    modifier: opt.Modifier = None,
    days: opt.Days = 30.0,
    resume: opt.Resume = None,
    engine: opt.EngineOption = opt.Engine.processes,
    record: opt.Record = None,
    fleet: opt.FleetFile = None,
    copies: opt.Copies = 1,
    listing: opt.Listing = False,
    against: opt.Against = None,
    service: opt.Patient = "",
    ttl: opt.Ttl = "10m",  # type: ignore[assignment]
    approve: opt.Approve = "",
    by: opt.Who = "",
    revert: opt.Revert = False,
) -> None:
    """Drill the controller on simulated faults and score it; 1 when anything was not healed or not safe."""
    with told():
        from datetime import timedelta

        from simulator.drill_cli import Wanted, drilled, read_fleet
        from simulator.staging_cli import Asked, at_large

        named, lasts = tuple(ids or ()), timedelta(seconds=ttl)
        if against is not None:
            well = at_large(Asked(against, named, service, lasts, approve, by, revert, listing, as_json))
        else:
            if service or approve or revert:
                fail("--service, --approve and --revert go with --against")
            others, besides = tuple(beside or ()), tuple(modifier or ())
            asked = (named, suite, seeds, jobs, days, length, others, besides)
            wanted = Wanted(*asked, read_fleet(fleet), engine.value, copies, first_seed)
            well = drilled(wanted, resume, record, (listing, as_json, html))
    raise typer.Exit(0 if well else NOT_WELL)


@app.command(rich_help_panel=TRY, epilog="Example: prunella twin --scenario bad_rollout_errors --speed 10")
def twin(  # noqa: PLR0913, PLR0917 - each is an option
    scenario: opt.Shown = "",
    after: Annotated[
        float, typer.Option(parser=opt.length, metavar="DURATION", help="Simulated time before it goes wrong.")
    ] = "10m",  # type: ignore[assignment]
    speed: Annotated[float, typer.Option(min=0.1, max=120, help="Simulated seconds per second.")] = 1.0,
    tick: Annotated[float, typer.Option(min=1, max=60, help="Simulated seconds between two scrapes.")] = 15.0,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the Prometheus API; 0: any.")] = 0,
    cluster_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the Kubernetes API; 0: any.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where kubeconfig and prunella.yaml are written.")] = Path("twin"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weather.")] = 1,
    length: Annotated[
        float | None, typer.Option("--for", parser=opt.length, metavar="DURATION", help="Then leave; else Ctrl-C.")
    ] = None,
    modifier: opt.Modifier = None,
    fleet: opt.OwnFleet = None,
) -> None:
    """Serve a simulated fleet behind real interfaces: Prometheus and Kubernetes APIs, model servers, vendors."""
    with told():
        from simulator.casting import cast
        from simulator.twin.show import Stage, show

        stage = Stage(cast(scenario, tuple(modifier or ()), fleet), after, speed, tick, seed)
        try:
            show(stage, folder, (metrics_port, cluster_port), length, typer.echo)
        except ModuleNotFoundError as error:
            fail(f"{error.name} is not installed: pip install 'prunella[lab]'")
        except OSError as error:
            fail(f"{folder}: {error.strerror}")


@app.command(rich_help_panel=TRY, epilog="Example: prunella lab up && prunella lab break bad_release")
def lab(
    verb: Annotated[LabVerb, typer.Argument(help="up, break, status, run or down.")],
    fault: Annotated[str | None, typer.Argument(metavar="[ID]", help="What to break.", show_default=False)] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Where the lab lives.", show_default=False)] = None,
    headless: Headless = False,
    as_json: AsJson = False,
) -> None:
    """A small fleet that is real: control plane, Prometheus, model servers, load. The verb run guards it."""
    with told(), _lab_told():
        from simulator.lab.lab import default_run_dir

        folder = run_dir or default_run_dir()
        match verb:
            case LabVerb.up:
                _lab_up(folder, as_json)
            case LabVerb.break_:
                _lab_break(folder, fault, as_json)
            case LabVerb.status:
                raise typer.Exit(0 if _lab_status(folder, as_json) else NOT_WELL)
            case LabVerb.down:
                _lab_down(folder)
            case LabVerb.run:
                raise typer.Exit(0 if _lab_run(folder, headless) else NOT_WELL)


@contextmanager
def _lab_told() -> Iterator[None]:
    from simulator.lab.binaries import LabError

    try:
        yield
    except LabError as error:
        fail(str(error), NOT_WELL)


def _lab_up(folder: Path, as_json: bool) -> None:
    from simulator.lab.lab import status, up

    if status(folder).up:
        fail(f"a lab is up in {folder}; prunella lab down ends it, and its journal with it", NOT_WELL)
    handle = up(folder, progress=lambda text: typer.echo(text, err=True))
    if as_json:
        put_json(handle.facts())
        return
    typer.echo(f"The lab is up. Guard it:  prunella lab run    Break it:  prunella lab break {' | '.join(_breaks())}")


def _breaks() -> list[str]:
    from simulator.lab.breaks import BREAKS

    return sorted(BREAKS)


def _lab_break(folder: Path, fault: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    from simulator.lab.breaks import break_

    if fault is None or fault not in _breaks():
        fail(f"break what? There are {', '.join(_breaks())}{meant(fault or '', _breaks())}")
    done = break_(folder, fault)
    put(asdict(done), f"{done.id}: {done.target}", as_json=as_json)


def _lab_status(folder: Path, as_json: bool) -> bool:
    from dataclasses import asdict

    from simulator.lab.lab import status

    found = status(folder)
    if as_json:
        put_json(asdict(found))
    else:
        typer.echo(
            f"{'up' if found.up else 'down'}: {len(found.processes)} processes, revision {found.revision or '-'}"
        )
        for pod in found.pods:
            typer.echo("  " + "  ".join(f"{key} {value}" for key, value in pod.items()))
        typer.echo(f"last 30 s: {found.ok} good answers, {found.bad} bad")
    return found.up and found.bad == 0


def _lab_down(folder: Path) -> None:
    from simulator.lab.lab import down

    typer.echo(f"{down(folder)} processes stopped")


def _lab_run(folder: Path, headless: bool) -> bool:
    """Guard the lab with the production daemon; it is told what an owner would tell it, and nothing else."""
    from agent.watching import guard
    from config.load import load
    from simulator.lab.lab import LabHandle
    from simulator.lab_config import write_config

    settings = load(write_config(LabHandle.read(folder.resolve())))
    return guard(wiring().build(settings), settings.log, headless=headless)


def main() -> None:
    """Run the command. What a terminal's encoding lacks is shown as a question mark, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            app(prog_name="prunella")
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be written there
        sys.stderr.write(f"prunella: what it says cannot be written: {error.strerror}\n")
        sys.exit(NOT_WELL)
