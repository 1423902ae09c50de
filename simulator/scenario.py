"""Scenarios as data: one YAML file each under ``simulator/scenarios``."""

from functools import cache
from pathlib import Path

import yaml

from simulator.world.script import Mutation, Scenario, Truth

__all__ = ["FOLDER", "Mutation", "Scenario", "Truth", "load_scenarios", "read_scenario", "scenario_named"]

ENDINGS = (".yaml", ".yml")
FOLDER = Path(__file__).with_name("scenarios")


def scenario_named(name: str) -> Scenario:
    """Return a shipped scenario by id, or one of a file's path; ``KeyError``, ``OSError`` or ``ValueError``."""
    return read_scenario(Path(name)) if name.endswith(ENDINGS) else load_scenarios()[name]


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of one file; ``ValueError`` names the file that is wrong."""
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error


@cache
def load_scenarios(folder: Path = FOLDER) -> dict[str, Scenario]:
    """Return every scenario by id, in order of id. ``ValueError`` names the file that is wrong."""
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        scenario = read_scenario(path)
        if scenario.id != path.stem:
            raise ValueError(f"{path.name}: id {scenario.id!r} is not the file's name")
        found[scenario.id] = scenario
    return found
