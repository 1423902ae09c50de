"""Every fault tells the same story, byte for byte, in two processes with hash seeds of their own."""

import os
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from simulator.modifiers import MODIFIERS
from simulator.scenario import load_scenarios
from simulator.story import Played, tell

ROOT = Path(__file__).parents[2]
SOON, LENGTH = (300.0, 600.0), timedelta(minutes=40)
MODIFIED = ("long_prompt_burst", "node_not_ready", "retry_storm", "covariate_drift")  # each with a quarter of them


def stories() -> list[Played]:
    """Every scenario, begun early and cut short; then every modifier."""
    early = {name: scenario.model_copy(update={"onset": SOON}) for name, scenario in load_scenarios().items()}
    plain = [Played(scenario, number, (), LENGTH) for number, scenario in enumerate(early.values())]
    bases = [early[name] for name in MODIFIED]
    return plain + [
        Played(bases[number % len(bases)], number, (name,), LENGTH) for number, name in enumerate(MODIFIERS)
    ]


def digests() -> None:
    """Print what each story comes to, as the processes of the test do."""
    for played in stories():
        text = tell(played)
        sys.stdout.write(f"{played.name} {len(text.splitlines())} {sha256(text.encode()).hexdigest()}\n")


def _process(hash_seed: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", "from tests.drill.test_same_story import digests; digests()"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_every_fault_and_modifier_tells_the_same_story_whatever_the_hash_seed() -> None:
    both = [_process(seed) for seed in ("0", "4242")]
    one, other = (process.communicate()[0].splitlines() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert [(a, b) for a, b in zip(one, other, strict=True) if a != b] == []
    assert len(one) == len(load_scenarios()) + len(MODIFIERS)
    spoke = [line for line in one if int(line.split()[1]) > 2]  # a head, what came of it, and something between
    assert len(spoke) > len(one) / 2
