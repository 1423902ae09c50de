"""Scenarios as data: one YAML file each under ``simulator/scenarios``."""

from functools import cache
from pathlib import Path

import yaml

from simulator.world.script import Mutation, Scenario, Truth

__all__ = ["FOLDER", "Mutation", "Scenario", "Truth", "load_scenarios"]

FOLDER = Path(__file__).with_name("scenarios")


@cache
def load_scenarios(folder: Path = FOLDER) -> dict[str, Scenario]:
    """Return every scenario by id, in order of id. ``ValueError`` names the file that is wrong."""
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        scenario = Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        if scenario.id != path.stem:
            raise ValueError(f"{path.name}: id {scenario.id!r} is not the file's name")
        found[scenario.id] = scenario
    return found
