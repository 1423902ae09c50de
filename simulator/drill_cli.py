"""What ``prunella drill`` does with its options: checks them, plays, records, replays, and shows what came of it."""

import importlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from agent.terminal import INTERRUPTED, counted, fail, meant, put_json
from simulator.pairs import split

MONTH = "month"  # the suite that is no set of scenarios


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a drill was asked for."""

    ids: tuple[str, ...]
    suite: str | None
    seeds: int
    jobs: int
    days: float
    length: float | None
    beside: tuple[str, ...]
    modifiers: tuple[str, ...]
    fleet: Any = None
    engine: str = "processes"
    copies: int = 1
    first_seed: int = 0

    def check(self, known: dict[str, Any]) -> None:
        """Refuse what does not exist."""
        if self.length is not None and self.length <= 0:
            fail("--for takes a time above 0, such as 6h")
        if self.suite == MONTH:
            self._check_month()
            return
        files = [name for name in self.ids if name.endswith((".yaml", ".yml"))]
        for file in files:
            _scenario(file, self.fleet)
        if self.suite is not None or len(files) < len(self.ids) or not files:
            known_or_fail([name for name in self.ids if name not in files], self.suite, known)
        for kind, names, options in (
            ("baseline", self.beside, known["baselines"]),
            ("modifier", self.modifiers, known["with"]),
        ):
            if unknown := sorted(set(names) - set(options)):
                fail(f"no {kind} {', '.join(unknown)}{meant(unknown[0], options)}; there are {', '.join(options)}")

        self._check_model()
        if self.copies > 1:
            self._check_copies(known)

    def _check_month(self) -> None:
        """Refuse what the month has no use for, rather than play one that was not asked for."""
        if self.ids:
            fail(f"--suite month plays faults of its own: leave {', '.join(self.ids)} out, or the suite")
        if self.copies > 1:
            fail("--copies is for quiet runs; the month has forty services of its own")
        unused = {"--modifier": self.modifiers, "--for": self.length, "--fleet": self.fleet}
        unused["--engine ray"] = self.engine != "processes"
        if named := [option for option, given in unused.items() if given]:
            fail(f"{', '.join(named)}: not for --suite month, whose fleet and faults are its own; --days is its length")
        from simulator.episode import MODEL
        from simulator.month_score import EVERYBODY

        options = (*EVERYBODY[1:], MODEL)
        if unknown := sorted(set(self.beside) - set(options)):
            fail(f"nobody guards a month as {unknown[0]}{meant(unknown[0], options)}; there are {', '.join(options)}")
        self._check_model()

    def _check_model(self) -> None:
        """Refuse a baseline that needs a language model where none is named or answers: it would seem to do nothing."""
        if not self.beside:
            return
        from config.load import ConfigError, load_reasoner
        from simulator.episode import MODEL, NO_MODEL
        from tools.errors import ToolError
        from tools.live.openai import OpenAIReasoner

        if MODEL not in self.beside:
            return
        try:
            settings = load_reasoner()
            if settings is None:
                fail(NO_MODEL)
            OpenAIReasoner(settings).reachable()
        except (ConfigError, ToolError) as error:
            fail(str(error))

    def _check_copies(self, known: dict[str, Any]) -> None:
        """Refuse to play a fault in copies of the fleet: it would hit one of them, and say nothing about the rest."""
        named = [*(split(name)[0] for name in self.ids), *known["suites"].get(self.suite or "", ())]
        if ill := [name for name in named if _scenario(name, self.fleet).truth.fault]:
            fail(f"--copies is for runs in which nothing is wrong, and {ill[0]} is a fault")

    def play(self, backend: Any, progress: Any, resume: Path | None) -> dict[str, Any]:
        """Run it."""
        if self.suite == MONTH:
            month = importlib.import_module("simulator.month")
            months = range(self.first_seed, self.first_seed + self.seeds)
            played: dict[str, Any] = month.run_months(
                months, self.days, self.jobs, progress, resume, beside=self.beside
            )
            return played
        options = {
            "modifiers": self.modifiers,
            "length": self.length and timedelta(seconds=self.length),
            "beside": self.beside,
            "kept": resume,
            "fleet": self.fleet,
            "engine": self.engine,
            "copies": self.copies,
            "first_seed": self.first_seed,
        }
        result: dict[str, Any] = backend.run_drill(
            list(self.ids), self.suite, self.seeds, self.jobs, progress, **options
        )
        return result

    def record(self, folder: Path, known: dict[str, Any]) -> None:
        """Play every scenario with each seed, and write the stories down."""
        if self.copies > 1:
            fail("--record writes the story of one fleet: leave --copies out")
        from simulator.story import Played, tell

        names = [*self.ids, *(known["suites"].get(self.suite or "", ()))]
        length = None if self.length is None else timedelta(seconds=self.length)
        for name, with_it in map(split, names):
            for seed in range(self.first_seed, self.first_seed + self.seeds):
                played = Played(_scenario(name, self.fleet), seed, (*with_it, *self.modifiers), length, self.fleet)
                write(str(folder / played.name), tell(played))
                typer.echo(str(folder / played.name))


def _scenario(name: str, fleet: Any) -> Any:
    """Read a scenario, of the shipped ones or of a file; refuse one that hits nobody of the fleet."""
    from simulator.episode import demo_fleet
    from simulator.scenario import fit

    try:
        return fit(name, fleet or demo_fleet())
    except OSError as error:
        fail(f"{name}: {error.strerror}")
    except ValueError as error:
        fail(str(error))


def read_fleet(file: Path | None) -> Any:
    """Read the fleet to drill: a file whose top holds ``services``."""
    if file is None:
        return None
    from config.load import load_fleet

    return load_fleet(file)


def replayed(stories: list[str]) -> bool:
    """Play stories again; say which are the same, and where the others first differ."""
    from simulator.story import replay

    same = True
    for name in stories:
        try:
            difference = replay(Path(name))
        except OSError as error:
            fail(f"{name}: {error.strerror}")
        except ValueError as error:
            fail(str(error))
        typer.echo(f"{name}: the same" if not difference else f"{name}: differs from {difference}")
        same = same and not difference
    return same


def shown(result: dict[str, Any], as_json: str | None, html: Path | None) -> bool:
    """Write and print a result; return whether it is well."""
    monthly = result["suite"] == MONTH
    if as_json:
        write_json(result, as_json)
    if html:
        drawn = importlib.import_module("simulator.month_html" if monthly else "simulator.scorecard_html")
        write(str(html), drawn.page(result))
    if as_json != "-":
        shown_as = importlib.import_module("simulator.month_view" if monthly else "simulator.scorecard_view")
        (shown_as.calendar if monthly else shown_as.card)(result)
    return monthly or bool(importlib.import_module("simulator.scorecard_view").passed(result))


def known_or_fail(ids: list[str], suite: str | None, known: dict[str, Any]) -> None:
    """Refuse what does not exist, and nothing at all: an empty selection is never everything."""
    suites = (*known["suites"], MONTH)
    if not ids and suite is None:
        fail(f"drill what? Give scenarios, or --suite {' or '.join(suites)}; drill --list shows them")
    scenarios = {*known["faults"], *known["modifiers"]}
    for name, with_it in map(split, ids):
        if name not in scenarios:
            fail(f"no scenario {name}{meant(name, scenarios)}; prunella drill --list shows them")
        if strange := [each for each in with_it if each not in known["with"]]:
            fail(f"no modifier {strange[0]}{meant(strange[0], known['with'])}; there are {', '.join(known['with'])}")
    if suite is not None and suite not in suites:
        fail(f"no suite {suite!r}{meant(suite, suites)}; there are {', '.join(suites)}")


def drilled(
    wanted: Wanted, resume: Path | None, record: Path | None, out: tuple[bool, str | None, Path | None]
) -> bool:
    """Do what a drill in the simulator was asked for; ``out``: list only, JSON, HTML. True when all is well."""
    backend = importlib.import_module("simulator.drill")
    known, (listing, as_json, html) = backend.listing(), out
    if listing:
        from simulator.scorecard_view import names

        write_json(known, as_json) if as_json else names(known)
        return True
    if stories := [name for name in wanted.ids if name.endswith(".story")]:
        return replayed(stories)
    wanted.check(known)
    writable(as_json, html)
    if record is not None:
        if as_json is not None or html is not None:
            fail("--record writes stories and no score: leave --json and --html out")
        wanted.record(record, known)
        return True
    try:
        with counted("drilling") as progress:
            result = wanted.play(backend, progress, resume)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'prunella[ray]'")
    except KeyboardInterrupt:
        left = f"what was finished is in {resume}: the same command goes on" if resume else "--resume FILE keeps it"
        typer.echo(f"stopped; {left}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    return shown(result, as_json, html)


def write_json(value: dict[str, Any], where: str) -> None:
    """Write a result to a file; ``-`` prints it."""
    if where == "-":
        put_json(value)
        return
    import json

    write(where, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def writable(*files: str | Path | None) -> None:
    """Refuse files that cannot be written before hours are spent on what would be written there; leave them as is."""
    for file in (Path(each) for each in files if each is not None and str(each) != "-"):
        there = file.exists()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8"):
                pass
            if not there:
                file.unlink()
        except OSError as error:
            fail(f"{file}: cannot be written: {error.strerror}")


def write(where: str, text: str) -> None:
    """Write a file and the folders above it."""
    try:
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        Path(where).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{where}: cannot be written: {error.strerror}")
