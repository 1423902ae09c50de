"""A drift report on 50 columns of Parquet through DuckDB, beside DuckDB's own scan of the same columns.

Ten million rows; `BENCH_PARQUET_ROWS=100000000` for as many as the bar speaks of (a few minutes, 6 GB of disk).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from tests.bench.peers import ROOT

ROWS, FEATURES = "10000000", "50"


def figures() -> Mapping[str, float]:
    """Return seconds and processor seconds of a scan and of a report, their ratio, and the peak of memory in MB."""
    rows = os.environ.get("BENCH_PARQUET_ROWS", ROWS)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.own_parquet", folder, rows, FEATURES]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    named = {
        "rows_millions": int(rows) / 1e6,
        "scan_seconds": found["scan_seconds"],
        "report_seconds": found["report_seconds"],
        "report_over_scan": found["report_seconds"] / found["scan_seconds"],
        "report_over_scan_processor": found["report_processor"] / found["scan_processor"],
        "peak_mb": found["peak"],
        "moved": len(found["moved"]),
    }
    return {f"parquet_{name}": round(value, 3) for name, value in named.items()}
