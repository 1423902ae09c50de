"""All that a table port says of two Parquet files, as JSON: run here on DuckDB, and by itself on a local Spark."""

import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from agent.drift.compare import compare
from tools.grid import fit_grid
from tools.live.tables import IbisTable, open_table
from tools.summary import Bounds
from tools.tables import Kind, Numbers

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
    """Return what each of two tables says, and the whole report on both."""
    report = compare(reference, current).model_dump(mode="json")
    for side in ("reference", "current"):
        report[side].pop("name")
    return {"reference": _of(reference), "current": _of(current), "report": report}


def _of(table: IbisTable) -> dict[str, Any]:
    numbers = [field.name for field in table.fields if field.kind in {Kind.number, Kind.flag, Kind.time}]
    grids = {name: fit_grid(_finite(table, name), 256) for name in numbers}
    night = table.during("zoned_at", {1, 2, 33})
    return {
        "rows": table.rows,
        "fields": [[field.name, field.kind, field.vector] for field in table.fields],
        "grids": [grid.scale for grid in grids.values()],
        "tallies": {
            name: {"counts": found.counts.tolist(), "ends": [found.nulls, found.strange, found.lowest, found.highest]}
            for name, found in table.counted(grids).items()
        },
        "summary": {name: asdict(found) for name, found in table.summary(ASKED).items()},
        "values": {name: table.values(name, 3) for name in ("city", "n")},
        "hours": {name: {str(k): n for k, n in sorted(table.hours(name).items())} for name in ("seen_at", "zoned_at")},
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
