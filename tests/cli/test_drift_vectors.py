"""prunella drift on columns of embeddings: another encoder, a cloud that moved, and the same one, from Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

import agent.wiring
from simulator.cli import app

ROWS, WIDE = 2000, 32
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _real_wiring(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "agent.wiring", agent.wiring)


def write(path: Path, seed: int, shift: float = 0.0, wide: int = WIDE, *, fixed: bool = False) -> str:
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(ROWS, wide))
    place[:, 0] += shift
    kind = pa.list_(pa.float32(), wide) if fixed else pa.list_(pa.float32())
    vectors = pa.array(list(place.astype(np.float32)), kind)
    parquet.write_table(pa.table({"length": rng.normal(80, 9, ROWS), "emb": vectors}), path)
    return str(path)


def report(*words: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, ["drift", *words, "--json"])
    found: dict[str, Any] = json.loads(told.output)
    return found


@pytest.mark.parametrize("fixed", [False, True])
def test_a_cloud_that_moved_is_looked_at_first(tmp_path: Path, *, fixed: bool) -> None:
    old = write(tmp_path / "old.parquet", 0, fixed=fixed)
    same, moved = write(tmp_path / "same.parquet", 1, fixed=fixed), write(tmp_path / "new.parquet", 2, 0.5, fixed=fixed)
    assert report(old, same)["headline"].startswith("Nothing to look at")
    found = report(old, moved)
    assert found["headline"].startswith("Look at emb: a classifier tells the embeddings apart")
    assert {one["test"]: one["verdict"] for one in found["joint"] if one["feature"] == "emb"} == {
        "classifier": "moved",
        "mmd": "moved",
    }
    assert not [note for note in found["notes"] if "emb" in note]


def test_vectors_of_another_length_are_another_encoder_s(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old.parquet", 0), write(tmp_path / "new.parquet", 1, wide=48)
    assert report(old, new)["headline"] == (
        "Look at emb first: vectors of 48 numbers, were 32: another encoder wrote them."
    )


def test_vectors_of_many_lengths_are_said_not_to_be_compared(tmp_path: Path) -> None:
    rows = pa.table({"x": np.arange(600.0), "emb": pa.array([[1.0] * (1 + at % 2) for at in range(600)])})
    parquet.write_table(rows, tmp_path / "odd.parquet")
    found = report(str(tmp_path / "odd.parquet"), str(tmp_path / "odd.parquet"))
    assert "emb: not compared, vectors of 1 to 2 numbers" in found["notes"]
