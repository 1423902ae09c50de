"""What is said of a feature is true also where its values have left the range of the reference."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from agent.drift.compare import compare
from agent.drift.finding import Limits
from tools.live.tables import open_table


def said(folder: Path, before: object, after: object, exact_rows: int) -> str:
    for name, values in (("a", before), ("b", after)):
        parquet.write_table(pa.table({"x": values}), folder / f"{name}.parquet")
    one, two = (open_table(str(folder / f"{name}.parquet")) for name in ("a", "b"))
    (move,) = compare(one, two, Limits(exact_rows=exact_rows)).moves
    return move.text


@pytest.mark.parametrize("exact_rows", [1_000_000, 10])
@pytest.mark.parametrize(("factor", "median", "spread"), [(1, 70, 1), (3, 210, 3), (1000, 7e4, 1e3), (0.01, 0.7, 0.01)])
def test_the_median_is_that_of_the_rows(
    factor: float, median: float, spread: float, exact_rows: int, tmp_path: Path
) -> None:
    before = np.random.default_rng(0).normal(70, 15, 20_000)
    text = said(tmp_path, before, before * factor, exact_rows)
    told = text.split(" -> ")[1].split(" ")[0]
    ratio = text.rsplit(" x ", 1)[1].split(" ")[0] if " x " in text else "1"
    assert float(told) == pytest.approx(median, rel=0.02), text
    assert float(ratio.rstrip(",;")) == pytest.approx(spread, rel=0.03), text
