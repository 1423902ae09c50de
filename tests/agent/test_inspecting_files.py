"""A language model's log with its scorers' columns, in Parquet and in a database: read and judged inside the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from agent.inspector import Inspector
from agent.remarks import Remark
from config.logs import LogTable, Measure
from tools.live.log import TableLog

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
pytestmark = pytest.mark.slow
MEASURES = (
    Measure(column="refused"),
    Measure(column="toxicity", limit=0.05),
    Measure(column="grounded", worse="lower"),
    Measure(column="tokens", worse="either"),
    Measure(column="cost"),
    Measure(column="corrected"),
)
PER_HOUR = 400


def answers(**lately: float) -> pa.Table:
    """Return two days of answers with what a scorer said of them; ``lately``: means within the last hour."""
    rng, count = np.random.default_rng(0), 48 * PER_HOUR
    at = NOW.timestamp() - 48 * 3600 + 3600 / PER_HOUR * np.arange(count)
    new = at >= NOW.timestamp() - 3600

    def mean(name: str, usual: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.where(new, lately.get(name, usual), usual)

    scored = rng.random(count) < 0.5  # the scorer takes a sample
    return pa.table(
        {
            "when": pa.array((at * 1e6).astype(np.int64), pa.timestamp("us", "UTC")),
            "prompt": pa.array([f"question {place}" for place in range(count)]),
            "refused": rng.random(count) < mean("refused", 0.02),
            "toxicity": pa.array(np.where(scored, rng.exponential(mean("toxicity", 0.01)), np.nan), from_pandas=True),
            "grounded": np.clip(rng.normal(mean("grounded", 0.85), 0.08), 0, 1),
            "tokens": rng.lognormal(np.log(mean("tokens", 200.0)), 0.6).astype(np.int64),
            "cost": rng.lognormal(np.log(mean("cost", 0.002)), 0.5),
            "corrected": np.where(rng.random(count) < mean("corrected", 0.01), 1, 0),
        }
    )


def inspected(rows: pa.Table, folder: Path, kind: str = "parquet") -> tuple[tuple[Remark, ...], list[str]]:
    path = folder / "chat.parquet"
    parquet.write_table(rows, path)
    where = str(path)
    if kind == "duckdb":
        with duckdb.connect(str(folder / "log.db")) as base:
            base.execute(f"create table chat as select * from read_parquet('{path}')")
        where = f"duckdb://{folder}/log.db#chat"
    logged = LogTable(service="chat", rows=where, at="when", measures=MEASURES)

    class Clock:
        def now(self) -> datetime:
            return NOW

    tables = TableLog((logged,))
    return Inspector(tables, tables, (logged,), Clock(), timedelta(minutes=10)).examine(logged, NOW)


def test_answers_as_ever_say_nothing(tmp_path: Path) -> None:
    assert inspected(answers(), tmp_path) == ((), [])


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_each_measure_that_got_worse_is_told_and_no_other(kind: str, tmp_path: Path) -> None:
    worse = answers(refused=0.12, toxicity=0.08, grounded=0.6, tokens=60.0)
    remarks, trouble = inspected(worse, tmp_path, kind)
    assert trouble == []
    told = {remark.subject: remark.text for remark in remarks}
    assert set(told) == {"refused", "toxicity", "grounded", "tokens"}
    assert "limit 0.05" in told["toxicity"]
    assert "the day before" in told["refused"]
    assert "at this hour yesterday" in told["refused"]


def test_dearer_answers_and_more_corrections_are_told(tmp_path: Path) -> None:
    remarks, _ = inspected(answers(cost=0.004, corrected=0.10), tmp_path)
    assert {remark.subject for remark in remarks} == {"cost", "corrected"}


def test_a_column_that_nobody_writes_is_one_line_of_trouble(tmp_path: Path) -> None:
    remarks, trouble = inspected(answers().drop(["toxicity"]), tmp_path)
    assert remarks == ()
    assert len(trouble) == 1
    assert "toxicity" in trouble[0]


def scored(late: timedelta, gap: float, promised: float) -> pa.Table:
    """Return 31 days of scored rows, labelled as ``late``; scores promise too much, one plan is served worse."""
    rng, count = np.random.default_rng(1), 31 * 24 * 10
    at = NOW.timestamp() - 31 * 86400 + 360.0 * np.arange(count)
    plan, score = rng.integers(0, 2, count), rng.uniform(0.5, 0.95, count)
    label = (rng.random(count) < score - promised - gap * plan).astype(float)
    label[at >= NOW.timestamp() - late.total_seconds()] = np.nan
    return pa.table(
        {
            "at": pa.array((at * 1e6).astype(np.int64), pa.timestamp("us", "UTC")),
            "x": rng.normal(size=count),
            "plan": pa.array(np.where(plan == 1, "free", "paid")),
            "score": score,
            "label": pa.array(label, from_pandas=True),
        }
    )


@pytest.mark.parametrize("days", [1, 9, 20])
def test_labels_that_come_late_reach_groups_and_calibration(days: int, tmp_path: Path) -> None:
    rows, reference = tmp_path / "rows.parquet", tmp_path / "reference.parquet"
    parquet.write_table(scored(timedelta(days=days), 0.25, 0.15), rows)
    parquet.write_table(scored(timedelta(0), 0.0, 0.0), reference)
    logged = LogTable(service="score", rows=str(rows), reference=str(reference), features=("x",), groups=("plan",))

    class Clock:
        def now(self) -> datetime:
            return NOW

    tables = TableLog((logged,))
    remarks, trouble = Inspector(tables, tables, (logged,), Clock(), timedelta(minutes=10)).examine(logged, NOW)
    assert trouble == []
    assert {"group", "calibration"} <= {remark.kind for remark in remarks}
