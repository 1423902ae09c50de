"""Episodes on a real Ray cluster are those of processes here, to the last byte."""

import os
from pathlib import Path

import pytest

from simulator.lab.binaries import LabError
from tests.drill.ray_cluster import find_ray, with_ray

pytestmark = pytest.mark.real
WORDS = ("drill", "vendor_outage", "--seeds", "2", "--for", "30m")


def test_a_real_ray_plays_what_processes_play(tmp_path: Path) -> None:
    try:
        find_ray()
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    cards = {engine: tmp_path / f"{engine}.json" for engine in ("ray", "processes")}
    for engine, card in cards.items():
        done = with_ray((*WORDS, "--engine", engine, "--json", str(card)), tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
    assert cards["ray"].read_bytes() == cards["processes"].read_bytes()
