"""All that a table port says of two Parquet files, as JSON: run here on DuckDB, and by itself on a local Spark."""

import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from agent.drift.compare import compare
from tools.grid import Grid
from tools.live.tables import IbisTable, open_table
from tools.summary import Bounds
from tools.tables import Labels, Numbers

GRIDS = {
    "load": Grid(-4.0, 1 / 32, 256),
    "bent": Grid(0.0, 1 / 64, 256, "log", 0.1),
    "n": Grid(-0.5, 1.0, 256),
    "single": Grid(-4.0, 1 / 32, 256),
    "flag": Grid(-0.5, 1.0, 2),
    "zoned_at": Grid(1_767_225_600.0, 3600.0, 256),
}
ASKED = {
    "load": Bounds(least=-1.0, most=2.0),
    "bent": Bounds(most=1.0),
    "n": Bounds(unique=True),
    "flag": Bounds(),
    "city": Bounds(allowed=("Bergen", "Oslo"), unique=True),
    "seen_at": Bounds(),
    "zoned_at": Bounds(least=1_767_300_000.0),
}


def figures(reference: IbisTable, current: IbisTable) -> dict[str, Any]:
    """Return what the second of two tables says, and the whole report on both."""
    report = compare(reference, current).model_dump(mode="json")
    for side in ("reference", "current"):
        report[side].pop("name")
    return {"current": _of(current), "report": report}


def _of(table: IbisTable) -> dict[str, Any]:
    night = table.during("zoned_at", {1, 2, 33})
    return {
        "rows": table.rows,
        "fields": [[field.name, field.kind, field.vector] for field in table.fields],
        "tallies": {
            name: {"counts": found.counts.tolist(), "ends": [found.nulls, found.strange, found.lowest, found.highest]}
            for name, found in table.counted(GRIDS).items()
        },
        "summary": {name: asdict(found) for name, found in table.summary(ASKED).items()},
        "values": table.values("city", 3),
        "strays": [table.strays("city", Labels(np.arange(2, dtype=np.int32), ("Bergen", "Oslo")))],
        "unknown": [table.strays(name, Numbers(np.arange(9.0))) for name in ("n", "load")],
        "hours": {str(hour): n for hour, n in sorted(table.hours("seen_at").items())},
        "night": [night.rows, sorted(_finite(night, "n").tolist())],
        "drawn": [50 < len(column) <= 100 for column in table.sample(["load", "city"], 100, seed=1).values()],
        "vectors": np.sort(table.vectors("vector", 10_000, seed=1), axis=0).tolist(),
    }


def _finite(table: IbisTable, name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    column = table.column(name)
    assert isinstance(column, Numbers)
    return column.values[np.isfinite(column.values)]


def main() -> None:
    """Read two Parquet files as tables of a local Spark session; their addresses are those that a user would give."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.getOrCreate()
    for name, path in zip(("reference", "current"), sys.argv[1:], strict=True):
        session.read.parquet(path).createOrReplaceTempView(name)
    found = figures(open_table("pyspark://#reference"), open_table("pyspark://#current"))
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
