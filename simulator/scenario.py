"""Scenarios as data: one YAML file each under ``simulator/scenarios``."""

import difflib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from config.load import ConfigError
from playbooks.faults import shipped_faults
from playbooks.library import shipped
from simulator.world.script import Mutation, Scenario, Truth
from tools.action import VERBS
from tools.marks import MARKS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FOLDER", "Mutation", "Scenario", "Truth", "load_scenarios", "read_scenario", "scenario_named"]

ENDINGS = (".yaml", ".yml")
FOLDER = Path(__file__).with_name("scenarios")
NAMES = frozenset({"service", "replica", "node", "gpu", "vendor", "model", "zone"})  # that a truth may leave open
_AMOUNT, _FACTOR, _RATE = frozenset({"amount"}), frozenset({"factor"}), frozenset({"rate"})
_EFFECT = frozenset({"errors", "slow", "output", "prompt"})
PARAMS = {  # by what changes; the rest take ``amount``
    **dict.fromkeys(("traffic", "prompt", "output", "slow", "noise", "bursts", "price", "label_delay"), _FACTOR),
    **dict.fromkeys(("errors", "vendor_errors"), _RATE),
    "vendor_slow": _FACTOR,
    "heat": frozenset({"clock"}),
    "gpu_lost": frozenset({"xid"}),
    "restart": frozenset({"seconds"}),
    "scale": frozenset({"add"}),
    "release": _EFFECT,
    "autoscaler": frozenset({"target", "low", "high"}),
    "promote": frozenset({"bias", "days", "mislabelled", "rows"}),
    "ail": _EFFECT | {"prefix", "traffic", "down", "dead", "skew", "throttled", "nonsense", "outdated"},
    **dict.fromkeys(("hang", "owner", "own", "gap"), frozenset[str]()),
}

NEEDED = {  # without which a mutation cannot be played
    "errors": _RATE,
    "vendor_errors": _RATE,
    "heat": PARAMS["heat"],
    "scale": PARAMS["scale"],
    "autoscaler": PARAMS["autoscaler"],
    **{what: names for what, names in PARAMS.items() if names == _FACTOR},
}
TROUBLES = frozenset(
    {  # of the controller's own: simulator.trouble and simulator.crew
        *("clock_jump", "cluster_api_errors", "cluster_api_throttled", "controller_killed", "database_locked"),
        *("disk_full_own", "metrics_outage", "model_endpoint_down", "model_is_hostile", "model_talks_nonsense"),
        *("partial_scrape", "partitioned", "registry_unavailable", "reply_lost", "stale_metrics", "two_controllers"),
    }
)
SHARES = frozenset({"rate", "errors", "down", "dead", "throttled", "nonsense", "mislabelled", "clock"})
ABOVE = frozenset({"factor", "slow", "output", "prompt"})  # what something is multiplied by


class ScenarioError(ConfigError, ValueError):
    """A scenario file cannot be used."""


def scenario_named(name: str) -> Scenario:
    """Return a shipped scenario by id, or one of a file's path; ``KeyError`` or ``ScenarioError``."""
    return read_scenario(Path(name)) if name.endswith(ENDINGS) else load_scenarios()[name]


@cache
def load_scenarios(folder: Path = FOLDER) -> dict[str, Scenario]:
    """Return every scenario by id, in order of id. ``ScenarioError`` names the file that is wrong, and where."""
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        scenario = read_scenario(path)
        if scenario.id != path.stem:
            raise ScenarioError((f"{path}: id {scenario.id!r} is not the file's name",))
        found[scenario.id] = scenario
    return found


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of one file. ``ScenarioError`` names the file and every mistake."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        scenario = Scenario.model_validate(content)
    except OSError as error:
        raise ScenarioError((f"{path}: {error.strerror}",)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError((f"{path}: {' '.join(str(error).split())}",)) from error
    except ValidationError as error:
        raise ScenarioError(
            tuple(f"{path}: {_place(each['loc'])}: {_said(each)}" for each in error.errors())
        ) from error
    if mistakes := tuple(f"{path}: {mistake}" for mistake in _mistakes(scenario)):
        raise ScenarioError(mistakes)
    return scenario


def _place(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place)) or "the file"


def _said(error: "ErrorDetails") -> str:
    """Return a mistake in words: of words that may stand there the nearest, and not all of them where they are many."""
    known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    if error["type"] != "literal_error" or not known:
        return error["msg"]
    name = str(error["input"])
    near = difflib.get_close_matches(name, known, n=1)
    return f"no {name!r}" + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}")


def _mistakes(scenario: Scenario) -> Iterator[str]:
    """Yield what no type can tell: names that nothing bears. Services are those of the fleet that is drilled."""
    early, late = scenario.onset
    if not 0 <= early <= late:
        yield f"onset: from {early:g} to {late:g} s is no range of seconds after the start"
    for place, mutation in enumerate(scenario.mutations):
        yield from (f"mutations.{place}: {text}" for text in _of_mutation(mutation))
    yield from (f"truth.{text}" for text in _of_truth(scenario.truth))


def _of_mutation(mutation: Mutation) -> Iterator[str]:
    known = PARAMS.get(mutation.what, _AMOUNT)
    for name in mutation.params.keys() - known:
        yield f"params: {mutation.what} takes {', '.join(sorted(known)) or 'none'}, not {name!r}"
    if missing := sorted(NEEDED.get(mutation.what, frozenset()) - mutation.params.keys()):
        yield f"params: {mutation.what} needs {', '.join(missing)}"
    for name, value in mutation.params.items():
        yield from (f"params.{name}: {text}" for text in _of_value(name, value))
    if mutation.what == "own" and mutation.text not in TROUBLES:
        yield f"text: no trouble {mutation.text!r}; there are {', '.join(sorted(TROUBLES))}"
    marks = {mark.finding for mark in MARKS}
    for name in mutation.marks.keys() - marks:
        yield f"marks: no mark {name!r}; they are in tools/marks.py"


def _of_value(name: str, value: float | tuple[float, float]) -> Iterator[str]:
    low, high = value if isinstance(value, tuple) else (value, value)
    if low > high:
        yield f"from {low:g} to {high:g} is no range: the lower one comes first"
    if name in SHARES and not (low >= 0 and high <= 1):
        yield "a share is between 0 and 1"
    if name in ABOVE and not low > 0:
        yield "what something is multiplied by is above 0"


def _of_truth(truth: Truth) -> Iterator[str]:
    faults, books = _remedies()
    if truth.fault and truth.fault not in faults:
        yield f"fault: {truth.fault!r} is not in playbooks/faults.yaml"
    for kind in ("acceptable_playbooks", "easing_playbooks"):
        for name in getattr(truth, kind):
            if name not in books:
                yield f"{kind}: there is no playbook {name!r}"
    for verb in truth.forbidden_verbs:
        if verb not in VERBS:
            yield f"forbidden_verbs: there is no verb {verb!r}; there are {', '.join(VERBS)}"
    for name in set(re.findall(r"\$(\w+)", truth.entity)) - NAMES:
        yield f"entity: ${name} is no name; there are {', '.join(sorted(f'${each}' for each in NAMES))}"


@cache
def _remedies() -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(fault.id for fault in shipped_faults()), frozenset(book.id for book in shipped())
