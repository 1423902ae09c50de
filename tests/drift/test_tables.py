"""The adapter: files and databases through Ibis give the same counts as arrays."""

import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from agent.drift.compare import compare
from agent.drift.counted import strays
from tests.drift.tables import Rows
from tools.errors import Absent, Malformed, Refused, ToolError
from tools.grid import fit_grid
from tools.live.tables import open_table
from tools.live.translating import translated
from tools.summary import Bounds
from tools.tables import Kind, Labels, Numbers, tally

ROWS = 1200


def _rows() -> pa.Table:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    x[3:6] = np.nan, np.inf, -np.inf
    start = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    return pa.table(
        {
            "x": pa.array([None if at == 7 else float(value) for at, value in enumerate(x)]),
            "bent": pa.array(rng.lognormal(0, 3, ROWS)),
            "n": pa.array(range(ROWS)),
            "single": pa.array([None, *rng.normal(size=ROWS - 1)], pa.float32()),
            "flag": pa.array([True, None] * (ROWS // 2)),
            "city": pa.array(["a", "b", None, "c"] * (ROWS // 4)),
            "at": pa.array([start + timedelta(minutes=at) for at in range(ROWS)]),
        }
    )


@pytest.fixture(params=["parquet", "csv", "folder", "duckdb"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    rows = _rows()
    if request.param == "csv":
        pc.write_csv(rows, tmp_path / "rows.csv")
        return str(tmp_path / "rows.csv")
    (tmp_path / "part").mkdir()
    pq.write_table(rows, tmp_path / "part" / "rows.parquet")
    if request.param == "duckdb":
        import duckdb

        with duckdb.connect(str(tmp_path / "log.db")) as log:
            log.execute(f"create table requests as select * from '{tmp_path}/part/rows.parquet'")
        return f"duckdb://{tmp_path}/log.db#requests"
    return str(tmp_path / "part" / ("rows.parquet" if request.param == "parquet" else ""))


def test_kinds_and_rows(address: str) -> None:
    table = open_table(address)
    assert table.rows == ROWS
    kinds = [Kind.number, Kind.number, Kind.number, Kind.number, Kind.flag, Kind.text, Kind.time]
    assert [field.kind for field in table.fields] == kinds


def test_counts_in_the_engine_are_those_of_arrays(address: str) -> None:
    table = open_table(address)
    columns = {name: table.column(name) for name in ("x", "bent", "n", "single")}
    values = {name: column.values for name, column in columns.items() if isinstance(column, Numbers)}
    grids = {name: fit_grid(of[np.isfinite(of)], 256) for name, of in values.items()}
    assert grids["bent"].scale == "log"
    for way in (table.tallies, table.counted):
        for name, found in way(grids).items():
            mine = tally(values[name], grids[name])
            assert found.counts.tolist() == mine.counts.tolist()
            assert (found.nulls, found.strange) == (mine.nulls, mine.strange)
            assert (found.lowest, found.highest) == pytest.approx((mine.lowest, mine.highest))


def test_one_reading_counts_and_samples(address: str) -> None:
    table = open_table(address)
    grid = fit_grid(np.arange(ROWS, dtype=np.float64), 64)
    found = table.survey({"n": grid}, ["n", "city"], 50, seed=1)
    assert found.tallies["n"].counts.sum() == ROWS
    n, city = found.sample["n"], found.sample["city"]
    assert isinstance(n, Numbers)
    assert isinstance(city, Labels)
    assert 40 < len(n) == len(city) <= 50
    names = ["a", "b", None, "c"]
    assert [city.names[code] if code >= 0 else None for code in city.codes] == [names[int(at) % 4] for at in n.values]


def test_one_reading_is_the_same_with_compiled_loops(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_table(address)
    names = ["x", "bent", "n", "single"]
    columns = {name: table.column(name) for name in names}
    values = {name: column.values for name, column in columns.items() if isinstance(column, Numbers)}
    grids = {name: fit_grid(of[np.isfinite(of)], 256) for name, of in values.items()}
    slow = table.survey(grids, [*names, "city"], 50, seed=1)
    monkeypatch.setattr("tools.live.reading.MANY", 1)
    monkeypatch.setattr("tools.live.reading.WATCHED", 100)  # few rows are held against each other, as of many
    swift = table.survey(grids, [*names, "city"], 50, seed=1)
    for name in names:
        assert swift.tallies[name].counts.tolist() == slow.tallies[name].counts.tolist()
        assert swift.tallies[name].nulls == slow.tallies[name].nulls
    for name in (*names, "city"):
        assert repr(swift.sample[name]) == repr(slow.sample[name])
    assert (slow.repeats, swift.repeats) == (0, 0)


def test_rows_that_repeat_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    rows = pa.concat_tables([_rows(), _rows().slice(0, ROWS // 2)])
    pq.write_table(rows, tmp_path / "rows.parquet")
    found = open_table(str(tmp_path / "rows.parquet")).survey({}, ["n", "city"], 50, seed=1)
    assert found.repeats == pytest.approx(1 / 3)


def test_values_samples_and_columns(address: str) -> None:
    table = open_table(address)
    assert table.values("city", 2) == {"a": ROWS // 4, "b": ROWS // 4}
    city = table.column("city")
    assert isinstance(city, Labels)
    assert (city.codes < 0).sum() == ROWS // 4
    drawn = table.sample(["x", "city"], 10, seed=1)
    assert {len(column) for column in drawn.values()} == {10}
    at = table.column("at")
    assert isinstance(at, Numbers)
    assert at.values[1] - at.values[0] == 60
    with pytest.raises(Absent, match="no column 'z'"):
        table.column("z")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("nothing.csv", Absent),
        ("nothing.parquet", Absent),
        ("duckdb:///nothing.db", Refused),
        ("duckdb://{tmp}/nothing.db#rows", Absent),
        ("sqlite://{tmp}/nothing.db#rows", Absent),
        ("postgres://localhost:1/logs#rows", Refused),
        ("nonsense://x#y", Refused),
        ("{tmp}/text.parquet", Malformed),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(address: str, error: type[ToolError], tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no parquet\n" * 9)
    with pytest.raises(error) as caught:
        open_table(address.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")  # of the pandas that Ibis reads SQLite with
def test_a_report_from_sqlite_is_that_of_arrays(tmp_path: Path) -> None:
    rng, held = np.random.default_rng(0), dict[str, Rows]()
    with closing(sqlite3.connect(tmp_path / "log.db")) as log, log:
        for name, shift in (("before", 0.0), ("after", 0.5)):
            x, city = rng.normal(shift, 1, 600), rng.choice(["Bergen", "Oslo"], 600)
            log.execute(f"CREATE TABLE {name} (x REAL, city TEXT)")
            log.executemany(f"INSERT INTO {name} VALUES (?, ?)", list(zip(x.tolist(), city.tolist(), strict=True)))
            held[name] = Rows(name, x=x, city=[str(each) for each in city])
    tables = [open_table(f"sqlite://{tmp_path}/log.db#{name}") for name in ("before", "after")]
    found, right = compare(tables[0], tables[1]), compare(held["before"], held["after"])
    assert (found.headline, found.moves, found.faults) == (right.headline, right.moves, right.faults)
    known = Labels(np.zeros(1, np.int32), ("Oslo",))
    assert tables[0].strays("city", known) == strays(held["before"].column("city"), known)


def test_what_a_driver_raises_is_said_without_the_password() -> None:
    class Error(Exception):
        """The root of a driver's own errors, as PEP 249 asks."""

    class OperationalError(Error): ...

    with (
        pytest.raises(Absent, match=r"^cannot read postgres://me@host/db#rows: connection refused$"),
        translated("postgres://me:secret@host/db#rows"),
    ):
        raise OperationalError("connection refused\nis it running?")
    with pytest.raises(ZeroDivisionError), translated("a.csv"):
        raise ZeroDivisionError


def test_hours_are_counted_and_picked_in_the_engine(address: str) -> None:
    table = open_table(address)  # from a Thursday's midnight, 20 hours
    assert table.hours("at") == dict.fromkeys(range(20), 60)
    night = table.during("at", {1, 2, 33})
    assert (night.rows, night.hours("at")) == (120, {1: 60, 2: 60})
    column = night.column("n")
    assert isinstance(column, Numbers)
    assert set(column.values.tolist()) == set(range(60, 180))
    with pytest.raises(Refused, match="no column of instants"):
        table.hours("n")


def test_a_summary_in_the_engine_is_that_of_arrays(address: str) -> None:
    table = open_table(address)
    asked = {
        "x": Bounds(least=-1.0, most=2.0),
        "n": Bounds(unique=True),
        "flag": Bounds(),
        "city": Bounds(allowed=("a", "b"), unique=True),
        "at": Bounds(),
    }
    mine = Rows("mine", **{name: table.column(name) for name in asked}).summary(asked)
    for name, found in table.summary(asked).items():
        one, two = asdict(found), asdict(mine[name])
        assert {key: one[key] for key in ("unseen", "unallowed")} == {key: two[key] for key in ("unseen", "unallowed")}
        for key in ("rows", "nulls", "out", "lowest", "highest", "mean", "variance", "repeats"):
            assert one[key] == pytest.approx(two[key], nan_ok=True), (name, key)


def test_a_summary_of_no_rows_and_of_huge_ones(tmp_path: Path) -> None:
    wanted = {"x": Bounds(most=1.0), "t": Bounds(allowed=("a",), unique=True)}
    for values, out in (([], 0), ([1e308, -1e308, 1e308], 2)):
        columns = {"x": pa.array(values, pa.float64()), "t": pa.array(["a"] * len(values), pa.string())}
        pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
        found = open_table(str(tmp_path / "rows.parquet")).summary(wanted)
        assert (found["x"].rows, found["x"].out, found["t"].nulls) == (len(values), out, 0)
        assert np.isnan(found["x"].mean)
        assert found["t"].repeats == max(len(values) - 1, 0)
