"""A drift report on Parquet through DuckDB, beside a plain scan of the same columns; arguments: FOLDER ROWS FEATURES.

The current side is ROWS rows, the reference a twenty-fifth of them. At most three different files are written; more
rows are the same files by other names.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from agent.drift.compare import compare
from tests.bench.peer_evidently import peak
from tools.live.tables import MEMORY, expression, open_table

MOST, DIFFERENT, GROUP = 10_000_000, 3, 250_000  # rows of a file, files, rows of a row group
SIDES = {"reference": 25, "current": 1}  # of so many rows, one
MOVED = 0.1  # deviations, by which the first feature of the current side is elsewhere

T = TypeVar("T")


def main() -> None:
    """Print wall and processor seconds of the scan and of the report, the peak of memory, and what moved."""
    folder, rows, features = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sides = [_written(folder / name, rows // part, features, at) for at, (name, part) in enumerate(SIDES.items())]
    _, scan = _timed("scan", lambda: [_sums(side) for side in sides])
    found, took = _timed("report", lambda: compare(open_table(str(sides[0])), open_table(str(sides[1]))))
    moved = [move.feature for move in found.moves if move.verdict == "moved"]
    print(json.dumps({**scan, **took, "peak": peak(), "moved": moved}))


def _written(folder: Path, rows: int, features: int, side: int) -> Path:
    """Write a side as a folder of files: single precision, Snappy, rounded as exporters do."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    each = min(rows, MOST)
    for number in range(-(-rows // each)):
        file = folder / f"{number:03}.parquet"
        if number >= DIFFERENT:
            file.hardlink_to(folder / f"{number % DIFFERENT:03}.parquet")
            continue
        rng = np.random.default_rng((side, number))
        schema = pa.schema([(f"f{at}", pa.float32()) for at in range(features)])
        with pq.ParquetWriter(file, schema, compression="snappy") as writer:
            for start in range(0, each, GROUP):
                many = min(GROUP, each - start)
                values = rng.standard_normal((features, many), dtype=np.float32)
                values[0] += np.float32(MOVED * side)
                values = np.round(values * 1000) / np.float32(1000)
                writer.write_table(pa.table(list(values), schema=schema))
    return folder


def _sums(folder: Path) -> object:
    """Decode every value once."""
    table = expression(str(folder), MEMORY)
    return table.aggregate([table[name].sum().name(name) for name in table.columns]).execute()


def _timed(name: str, work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """Return what some work returns, and its wall and processor seconds."""
    wall, own = time.perf_counter(), time.process_time()
    done = work()
    took = {f"{name}_seconds": time.perf_counter() - wall, f"{name}_processor": time.process_time() - own}
    return done, took


if __name__ == "__main__":
    main()
