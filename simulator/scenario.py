"""Scenarios as data: one YAML file each under ``simulator/scenarios``."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from config.fleet import Fleet
from config.load import ConfigError
from simulator.mistakes import TROUBLES, Mistake, Place, misfits, mistakes, near
from simulator.modifiers import modified
from simulator.world.script import Mutation, Scenario, Truth

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FOLDER", "TROUBLES", "Mutation", "Scenario", "Truth", "load_scenarios", "read_scenario", "scenario_named"]

ENDINGS = (".yaml", ".yml")
FOLDER = Path(__file__).with_name("scenarios")
DEEPEST = 6  # levels of a file in which a place is looked for: aliases may make it endless


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
    """Return the scenario of one file, with the modifiers that it names; ``ScenarioError`` tells every mistake."""
    text, scenario = _read(path)
    _refuse(path, text, mistakes(scenario))
    return modified(scenario.model_copy(update={"modifiers": ()}), scenario.modifiers)


def fit(name: str, fleet: Fleet) -> Scenario:
    """Return a scenario that this fleet can play; ``KeyError`` or ``ScenarioError``."""
    scenario = scenario_named(name)
    if name.endswith(ENDINGS):
        text, plain = _read(Path(name))
        _refuse(Path(name), text, misfits(plain, fleet))
    elif wrong := tuple(f"{name}: {_place(place)}: {told}" for place, told in misfits(scenario, fleet)):
        raise ScenarioError(wrong)
    return scenario


def _read(path: Path) -> tuple[str, Scenario]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, Scenario.model_validate(yaml.safe_load(text))
    except OSError as error:
        raise ScenarioError((f"{path}: {error.strerror}",)) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ScenarioError((f"{path}: {' '.join(str(error).split())}",)) from error
    except ValidationError as error:
        _refuse(path, text, ((each["loc"], _said(each)) for each in error.errors()))
        raise ScenarioError((f"{path}: {error}",)) from error


def _refuse(path: Path, text: str, wrong: Iterable[Mistake]) -> None:
    """Raise where anything is wrong: file, line, place, and what may stand there."""
    if found := tuple(wrong):
        lines = _lines(text)
        raise ScenarioError(tuple(f"{path}:{_line(place, lines)}: {_place(place)}: {told}" for place, told in found))


def _lines(text: str) -> dict[Place, int]:
    """Return the line on which each key or entry stands, by its place."""
    found: dict[Place, int] = {}
    left: list[tuple[Place, yaml.Node | None, int]] = [((), yaml.compose(text, Loader=yaml.SafeLoader), 0)]
    while left:
        place, node, line = left.pop()
        found[place] = line + 1
        if len(place) > DEEPEST:
            continue
        if isinstance(node, yaml.MappingNode):
            left += [((*place, str(key.value)), value, key.start_mark.line) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            left += [((*place, i), value, value.start_mark.line) for i, value in enumerate(node.value)]
    return found


def _line(place: Place, lines: dict[Place, int]) -> int:
    """Return the line of the innermost part of a place that the file has."""
    return next(lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines)


def _place(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"


def _said(error: "ErrorDetails") -> str:
    """Return a mistake in words: of words that may stand there the nearest, and not all of them where they are many."""
    known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    if error["type"] == "extra_forbidden":
        return f"no such key{near(str(error['loc'][-1]), _keys(error['loc']))}"
    if error["type"] != "literal_error" or not known:
        return error["msg"]
    return f"no {str(error['input'])!r}{near(str(error['input']), known)}"


def _keys(place: Place) -> Iterable[str]:
    inner = str(place[0]) if len(place) > 1 else ""
    if inner == "mutations":
        return Mutation.model_fields
    return Truth.model_fields if inner == "truth" else Scenario.model_fields
