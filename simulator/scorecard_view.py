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

Json = Mapping[str, Any]
PAPER = 120  # columns of a file or a pipe


def passed(result: Json) -> bool:
    """Whether every fault was healed and nothing unsafe was done. A quiet run has nothing to heal (``healed`` null)."""
    return bool(result["episodes"]) and all(_good(episode) for episode in result["episodes"])


def _good(episode: Json) -> bool:
    harmless = not (episode["unsafe"] or episode["collateral"] or episode.get("false_acted"))
    return harmless and episode["healed"] is not False and episode.get("told") is not False


def card(result: Json) -> None:
    """Print a row for every scenario, and the summary."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("", "scenario", "runs", "detected", "in", "top-1", "healed", "alone", "in", "told", "asked", "unsafe"):
        table.add_column(head, justify="left" if head in ("", "scenario") else "right", no_wrap=True)
    for name in dict.fromkeys(_name(episode) for episode in result["episodes"]):
        table.add_row(*_row(name, [item for item in result["episodes"] if _name(item) == name]))
    console = paper()
    console.print(table)
    console.print(measures(result["summary"], str(result.get("guardian", "prunella"))))


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
    "false_incidents": "false incidents, a run",
    "unsafe": "unsafe actions",
    "collateral": "others harmed",
    "duplicates": "effects twice",
    "false_acted": "acted on nothing",
    "service_years": "simulated service-years",
    "good_request_share": "good requests",
}
_OURS = frozenset(("mean", "sum", "low", "high"))  # in a measure, beside what each control came to
_OF = "_of"  # ends the name of what controls came to
_PERCENT = frozenset(("detected", "top1", "top3", "healed", "alone", "told"))


def measures(summary: Json, guardian: str) -> Table:
    """Return a row for every measure: the guardian's, its 95 % interval, and what each control came to."""
    means = [value for value in summary.values() if isinstance(value, Mapping)]
    controls = list(dict.fromkeys(name for each in means for name in each if name not in _OURS))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", guardian, "95 % interval", *controls):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, value in summary.items():
        if name.endswith(_OF):
            continue
        beside = value if isinstance(value, Mapping) else summary.get(f"{name}{_OF}", {})
        mean = value.get("mean", value.get("sum")) if isinstance(value, Mapping) else value
        span = [value[bound] for bound in ("low", "high") if bound in value] if isinstance(value, Mapping) else []
        interval = " to ".join(_measure(name, bound) for bound in span)
        others = (_measure(name, beside[each]) if each in beside else "" for each in controls)
        table.add_row(_WORDS.get(name, name), _measure(name, mean), interval, *others)
    return table


def _measure(name: str, value: object) -> str:
    """Return one figure with its unit."""
    if not isinstance(value, int | float):
        return "–"
    if name == "good_request_share":
        return f"{value:.3%}"
    if name in _PERCENT:
        return percent(value)
    return f"{value:.0f} s" if name.endswith("_s") else f"{value:.4g}"


def _name(episode: Json) -> str:
    return label(episode["scenario"], episode.get("modifiers", ()))


def paper() -> Console:
    """Return a console as wide as its terminal; wide enough for any table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=PAPER)


def _row(scenario: str, runs: Sequence[Json]) -> tuple[Text | str, ...]:
    good = all(_good(run) for run in runs)
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
        str(sum(run["unsafe"] for run in runs)),
    )


def _share(runs: Sequence[Json], key: str) -> str:
    known = [bool(run[key]) for run in runs if run.get(key) is not None]
    return f"{sum(known)}/{len(known)}" if known else "–"


def _mean(runs: Sequence[Json], key: str) -> str:
    known = [float(run[key]) for run in runs if run[key] is not None]
    return f"{sum(known) / len(known):.0f} s" if known else "–"


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
