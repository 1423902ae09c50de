"""Pairs of a fault and a modifier: ``oom_kill+red_herring`` is a scenario's name too. A sample of them is a suite."""

from collections.abc import Iterable, Mapping
from random import Random

from simulator.modifiers import MODIFIERS

EACH = 3  # faults with which every modifier is drilled


def split(name: str) -> tuple[str, tuple[str, ...]]:
    """Return scenario and modifiers of a name.

    >>> split("oom_kill+red_herring")
    ('oom_kill', ('red_herring',))
    """
    scenario, *modifiers = name.split("+") if not name.endswith((".yaml", ".yml")) else [name]
    return scenario, tuple(modifiers)


def label(scenario: str, modifiers: Iterable[str]) -> str:
    """Return the name of a pair."""
    return "+".join((scenario, *modifiers))


def sampled(layers: Mapping[str, str]) -> list[str]:
    """Return ``EACH`` faults with every modifier, of as many layers; ``layers`` by fault. The same ones for ever."""
    by_layer: dict[str, list[str]] = {}
    for fault in sorted(layers):
        by_layer.setdefault(layers[fault], []).append(fault)
    pairs = []
    for modifier in MODIFIERS:
        draw = Random(f"pairs/{modifier}")
        for layer in draw.sample(sorted(by_layer), min(EACH, len(by_layer))):
            pairs.append(label(draw.choice(by_layer[layer]), (modifier,)))
    return pairs
