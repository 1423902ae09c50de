"""A drill's result on the terminal. Renders values and decides nothing but the exit code."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.view.style import BAD, GOOD, QUIET
from simulator.page import percent
from simulator.pairs import label
from simulator.summary import ENOUGH, FALSE_A_YEAR, SHARES, calm, quiet

Json = Mapping[str, Any]
PAPER = 120  # columns of a file or a pipe


def passed(result: Json) -> bool:
    """Whether every fault was healed, nothing unsafe was done, nothing was done about nothing, and health was calm.

    A quiet run has nothing to heal (``healed`` null), nor has a fault that hurt nobody.
    """
    return bool(result["episodes"]) and all(_good(each) for each in result["episodes"]) and calm(result["summary"])


def _good(episode: Json) -> bool:
    harmless = not (episode["unsafe"] or episode["collateral"] or episode.get("false_acted"))
    return harmless and episode["healed"] is not False and episode.get("told") is not False


def card(result: Json) -> None:
    """Print a row for every scenario, the summary, those who guarded the same faults, and what is amiss."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in _HEADS:
        table.add_column(head, justify="left" if head in ("", "scenario") else "right", no_wrap=True)
    still = calm(result["summary"])
    for name in dict.fromkeys(_name(episode) for episode in result["episodes"]):
        table.add_row(*_row(name, [item for item in result["episodes"] if _name(item) == name], still))
    console, guardian = paper(), str(result.get("guardian", "prunella"))
    console.print(table)
    console.print(measures(result["summary"], guardian))
    if others := result.get("beside"):
        console.print(Text("The same faults, guarded by others: means and 95 % intervals", style="bold"))
        everybody = {guardian: result["summary"], **{name: each["summary"] for name, each in others.items()}}
        console.print(guardians(everybody))
        console.print(Text(NO_LEAVE, style=QUIET))
    for line in remarks(result["summary"]):
        console.print(Text(line))


def remarks(summary: Json) -> list[str]:
    """Return what figures alone do not say."""
    said = []
    if nothing := summary.get("nothing_to_heal"):
        said.append(f"{nothing} of {summary['episodes']} runs had nothing to heal: the fault hurt nobody.")
    if not calm(summary):
        false, years = summary["healthy_false_incidents"], summary["healthy_service_years"]
        what = "1 false incident" if false == 1 else f"{false} false incidents"
        said.append(f"{what} in {years:.2g} service-years of health: more than {FALSE_A_YEAR:g} a year.")
    if "detected" in summary and summary["seeds"] < ENOUGH:
        said.append(f"Of fewer than {ENOUGH} seeds the intervals say little: --seeds {ENOUGH}.")
    return said


_HEADS = (
    *("", "scenario", "runs", "detected", "in", "top-1", "healed", "alone", "in", "told", "asked", "called", "spent"),
    *("false", "unsafe"),
)
_WORDS = {
    "detected": "noticed",
    "top1": "right cause first",
    "top3": "right cause among three",
    "healed": "healed",
    "alone": "healed, nobody asked or called",
    "told": "rightly left to a person",
    "steps_off": "steps from the cause that was named to the true one",
    "detect_s": "until noticed",
    "heal_s": "until healed",
    "asked": "asked, a run",
    "called": "called a person, a run",
    "money": "money of the whole fleet, a run",
    "money_acts": "money that its acts cost, a run",
    "money_incident": "money that the incident cost, a run",
    "tokens": "tokens of language models, a run",
    "false_incidents": "false incidents, a run",
    "unsafe": "unsafe actions",
    "collateral": "others harmed",
    "duplicates": "effects twice",
    "false_acted": "acted on nothing",
    "nothing_to_heal": "runs with nothing to heal",
    "service_years": "simulated service-years",
    "healthy_service_years": "service-years of health",
    "healthy_false_incidents": "false incidents in health",
    "false_per_service_day": "the same, a service-day",
    "false_per_service_year": "the same, a service-year",
    "good_request_share": "good requests",
}


def measures(summary: Json, guardian: str) -> Table:
    """Return a row for every measure: what it came to, and its 95 % interval."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", guardian, "95 % interval"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, value in summary.items():
        mean, interval = split(name, value)
        table.add_row(_WORDS.get(name, name), mean, interval)
    return table


BESIDE = (
    *("healed", "heal_s", "good_request_share", "money_acts", "tokens", "asked", "called"),
    *("unsafe", "collateral", "false_acted", "actions"),
)
_SPANS = BESIDE[:4]  # whose intervals are shown too
HEADS = ("healed", "in", "good requests", "spent", "tokens", "asked", "called", "unsafe", "harm", "idly", "acts")
NO_LEAVE = (
    "Good requests are the whole fleet's, each over its own episodes. Unsafe counts every act that no journal shows a "
    "plan and leave for; simple rules keep no journal."
)


def guardians(everybody: Mapping[str, Json]) -> Table:
    """Return a row for everybody who guarded the same faults, with intervals below the means."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("", *HEADS):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, summary in everybody.items():
        table.add_row(name, *("\n".join(cell) for cell in beside(summary)))
    return table


def beside(summary: Json) -> list[tuple[str, ...]]:
    """Return a cell for each of ``BESIDE``: a figure, and its interval where that is shown."""
    cells = [(key, *split(key, summary.get(key))) for key in BESIDE]
    return [(mean, _short(interval)) if interval and key in _SPANS else (mean,) for key, mean, interval in cells]


def _short(interval: str) -> str:
    """Return an interval with its unit said once.

    >>> _short("51% to 100%"), _short("55 s to 276 s"), _short("-2.5 to 12")
    ('51–100%', '55–276 s', '-2.5 to 12')
    """
    low, high = interval.split(" to ")
    unit = high.lstrip("-.0123456789")
    return interval if "-" in interval else f"{low.removesuffix(unit)}–{high}"


def split(name: str, value: object) -> tuple[str, str]:
    """Return a figure and its interval, empty where there is none."""
    if not isinstance(value, Mapping):
        return figure(name, value), ""
    bounds = [figure(name, value[bound]) for bound in ("low", "high") if bound in value]
    return figure(name, value.get("mean")), " to ".join(bounds)


def figure(name: str, value: object) -> str:
    """Return one figure of a measure with its unit."""
    if not isinstance(value, int | float):
        return "–"
    if name == "good_request_share":
        return f"{value:.3%}".replace(".000%", "%")
    if name.startswith("money"):
        return f"{value:.2f}"
    if name in SHARES:
        return percent(value)
    return f"{value:.0f} s" if name.endswith("_s") else f"{value:.4g}"


def _name(episode: Json) -> str:
    return label(episode["scenario"], episode.get("modifiers", ()))


def paper() -> Console:
    """Return a console as wide as its terminal; wide enough for any table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=PAPER)


def _row(scenario: str, runs: Sequence[Json], still: bool) -> tuple[Text | str, ...]:
    """Return the row of a scenario; ``still``: false incidents are within what health may bring."""
    false = sum(run["false_incidents"] for run in runs)
    good = all(_good(run) for run in runs) and (still or not (false and quiet(runs[0])))
    return (
        Text("✔" if good else "✖", style=GOOD if good else BAD),
        Text(scenario),
        str(len(runs)),
        _share(runs, "detected"),
        _mean(runs, "detect_s"),
        _share(runs, "top1"),
        _share(runs, "healed"),
        _share(runs, "alone"),
        _mean(runs, "heal_s"),
        _share(runs, "told"),
        str(sum(run["asked"] for run in runs)),
        str(sum(run.get("called", 0) for run in runs)),
        _money(runs),
        str(false),
        str(sum(run["unsafe"] for run in runs)),
    )


def _share(runs: Sequence[Json], key: str) -> str:
    known = [bool(run[key]) for run in runs if run.get(key) is not None]
    return f"{sum(known)}/{len(known)}" if known else "–"


def _mean(runs: Sequence[Json], key: str) -> str:
    known = [float(run[key]) for run in runs if run[key] is not None]
    return f"{sum(known) / len(known):.0f} s" if known else "–"


def _money(runs: Sequence[Json]) -> str:
    known = [float(run["money_acts"]) for run in runs if run.get("money_acts") is not None]
    return f"{sum(known) / len(known):.1f}" if known else "–"


def names(known: Json) -> None:
    """Print what can be drilled."""
    console = Console()
    groups = {"faults": "faults", "modifiers": "quiet runs", "with": "modifiers: FAULT+MODIFIER, or --modifier NAME"}
    for group, title in {**groups, "baselines": "baselines: --beside NAME"}.items():
        console.print(Text(title, style="bold"))
        for name in known[group]:
            console.print(Text(f"  {name}"))
    console.print(Text("suites: --suite NAME", style="bold"))
    for name, members in known["suites"].items():
        console.print(Text.assemble(f"  {name}", (f"  {len(members)} scenarios", QUIET)))
