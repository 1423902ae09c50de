"""The fault taxonomy: what can go wrong, and by which findings it is known. One YAML file, no Python per fault."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from config.frozen import Frozen


class FaultProfile(Frozen):
    """One fault: whose it is, what must be seen, and what speaks for (> 0) and against (< 0) it."""

    id: str
    layer: str
    scope: str  # kind of the entity: service, replica, gpu, node, vendor, model
    about: str
    person: bool = False  # no machine should act on it: no playbook cures it, and a person is told what it is
    prior: float = 0.0
    needs: tuple[str, ...]  # findings without which it is not considered
    signs: Mapping[str, float]
    against: Mapping[str, float] = {}  # what speaks against it where it is seen, and for nothing where it is not


def parse_faults(text: str) -> tuple[FaultProfile, ...]:
    """Read profiles; ``ValueError`` on anything that does not fit."""
    raw: list[dict[str, Any]] = yaml.safe_load(text)
    return tuple(FaultProfile.model_validate(item) for item in raw)


@cache
def shipped_faults() -> tuple[FaultProfile, ...]:
    """Return the shipped taxonomy."""
    return parse_faults(resources.files("playbooks").joinpath("faults.yaml").read_text())
