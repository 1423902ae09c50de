"""One expression, two engines: Apache Spark, on this machine, gives the figures that DuckDB gives."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.lab.binaries import LabError
from tests.contracts.spark import find_spark, on_spark
from tests.contracts.table_figures import figures
from tools.live.tables import open_table

ROWS = 3000
MODULE = "tests.contracts.table_figures"
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]  # dozens of queries of a machine just begun


def rows(seed: int, shift: float) -> pa.Table:
    """Columns of every kind, with what engines disagree on: null and NaN, infinities, time zones, letter case."""
    rng = np.random.default_rng(seed)
    load = rng.normal(shift, 1.0, ROWS)
    load[3:6] = np.nan, np.inf, -np.inf
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = [start + timedelta(minutes=5 * place) for place in range(ROWS)]
    cities = np.array(["Oslo", "Bergen", "oslo", None])[
        rng.choice(4, ROWS, p=[0.4, 0.3 - 0.1 * shift, 0.1, 0.2 + 0.1 * shift])
    ]
    return pa.table(
        {
            "load": pa.array([None if place % 97 == 7 else float(value) for place, value in enumerate(load)]),
            "bent": pa.array(rng.lognormal(0, 3, ROWS)),
            "n": pa.array(rng.integers(0, 900, ROWS)),
            "single": pa.array(rng.normal(size=ROWS), pa.float32()),
            "flag": pa.array([True, None, False] * (ROWS // 3)),
            "city": pa.array(cities.tolist(), pa.string()),
            "seen_at": pa.array([each.replace(tzinfo=None) for each in at], pa.timestamp("us")),
            "zoned_at": pa.array(at, pa.timestamp("us", "UTC")),
            "vector": pa.array(rng.normal(size=(ROWS, 3)).tolist(), pa.list_(pa.float64())),
        }
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("spark")
    for name, shift in (("reference", 0.0), ("current", 0.3)):
        pq.write_table(rows(len(name), shift), folder / f"{name}.parquet", row_group_size=1000)
    return folder / "reference.parquet", folder / "current.parquet"


def test_spark_and_duckdb_give_the_same_figures(files: tuple[Path, Path]) -> None:
    try:
        find_spark()
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    theirs = on_spark(MODULE, [str(path) for path in files], files[0].parent)
    ours = json.loads(json.dumps(figures(*(open_table(str(path)) for path in files))))
    assert ours["report"]["headline"].startswith("Look at ")
    _same(theirs, ours, "")


def _same(theirs: Any, ours: Any, where: str) -> None:
    """Whole numbers and words are equal; what is summed in another order agrees to eleven places."""
    assert type(theirs) is type(ours), where
    if isinstance(ours, dict):
        assert list(theirs) == list(ours), where
        for key in ours:
            _same(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(ours, list):
        assert len(theirs) == len(ours), where
        for place, (one, two) in enumerate(zip(theirs, ours, strict=True)):
            _same(one, two, f"{where}[{place}]")
    elif isinstance(ours, float):
        assert theirs == pytest.approx(ours, rel=1e-11, abs=1e-12, nan_ok=True), where
    else:
        assert theirs == ours, where
