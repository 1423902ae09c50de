"""What every inference log must tell: the pretend one, and the same rows read back from tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from config.logs import LogTable
from simulator.episode import demo_fleet
from simulator.scenario import scenario_named
from simulator.twin.logs import TwinLogs
from simulator.twin.twin import Twin
from simulator.world.world import World
from tools.errors import Absent, Malformed, ToolError
from tools.live.log import TableLog
from tools.ports import InferenceLog
from tools.records import InferenceWindow
from tools.tables import Labels

HOUR = timedelta(hours=1)


@dataclass
class Logged:
    """A log of ``service``, and the pretend world's own beside it."""

    log: InferenceLog
    world: World
    service: str


def lived() -> tuple[World, str]:
    world = World(demo_fleet())
    for _ in range(120):
        world.advance(30.0)
    return world, next(each.name for each in world.fleet.services if each.model)


def from_world(_: Path) -> Logged:
    world, service = lived()
    return Logged(world.log, world, service)


def from_parquet(folder: Path) -> Logged:
    world, service = lived()
    made = TwinLogs(Twin(world), folder / "logs")
    made.follow()
    return Logged(_tables(made.tables(), folder, ""), world, service)


def from_duckdb(folder: Path) -> Logged:
    world, service = lived()
    made = TwinLogs(Twin(world), folder / "logs")
    made.follow()
    path = folder / "log.db"
    with duckdb.connect(str(path)) as base:
        for file in (folder / "logs").glob("*.parquet"):
            base.execute(f"create table \"{file.stem}\" as select * from read_parquet('{file}')")
    return Logged(_tables(made.tables(), folder, f"duckdb://{path}#"), world, service)


def _tables(entries: list[dict[str, Any]], folder: Path, prefix: str) -> TableLog:
    def place(text: str) -> str:
        return prefix + Path(text).stem if prefix else str(folder / text)

    placed = [entry | {key: place(entry[key]) for key in ("rows", "reference", "recomputed")} for entry in entries]
    return TableLog(tuple(LogTable.model_validate(entry) for entry in placed))


def _texts(made: Callable[[Path], Logged]) -> Callable[[Path], Logged]:
    """The same log, of the service that reads texts: its inputs are vectors, and numbers beside them."""
    return lambda folder: replace(made(folder), service="recommend")


@pytest.fixture(
    scope="module",
    params=[from_world, from_parquet, from_duckdb, _texts(from_parquet), _texts(from_duckdb)],
    ids=["world", "parquet", "duckdb", "texts-parquet", "texts-duckdb"],
)
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """A log that is only read, so that all tests of a kind share one."""
    made: Callable[[Path], Logged] = request.param
    return made(tmp_path_factory.mktemp("log"))


def same(one: InferenceWindow, other: InferenceWindow) -> None:
    assert one.names == other.names
    for column in ("at", "features", "scores", "labels"):
        np.testing.assert_allclose(getattr(one, column), getattr(other, column), atol=1.0 if column == "at" else 1e-12)
    assert one.version.tolist() == other.version.tolist()


def test_a_window_is_what_was_logged_oldest_first_with_the_labels_known_by_now(logged: Logged) -> None:
    now = logged.world.clock.now()
    rows = logged.log.window(logged.service, now - HOUR, now)
    assert len(rows.at) > 1000
    assert (np.diff(rows.at) >= 0).all()
    assert 0 < np.isfinite(rows.labels).sum() < len(rows.at)
    same(rows, logged.world.log.window(logged.service, now - HOUR, now))


def test_the_ends_of_a_window_are_in_and_out(logged: Logged) -> None:
    now = logged.world.clock.now()
    whole = logged.log.window(logged.service, now - HOUR, now)
    parts = [logged.log.window(logged.service, now - HOUR / n, now - HOUR / (n + 1)) for n in (1, 2, 3)]
    rest = logged.log.window(logged.service, now - HOUR / 4, now)
    assert sum(len(part.at) for part in (*parts, rest)) == len(whole.at)


def test_answers_are_read_without_their_features(logged: Logged) -> None:
    now = logged.world.clock.now()
    whole = logged.log.window(logged.service, now - HOUR, now, labelled=True)
    bare = logged.log.window(logged.service, now - HOUR, now, labelled=True, features=False)
    assert (bare.features.shape, bare.names) == ((len(whole.at), 0), ())
    for name in ("at", "scores", "labels", "version"):
        np.testing.assert_array_equal(getattr(bare, name), getattr(whole, name))


def test_rows_stand_beside_the_same_computed_anew(logged: Logged) -> None:
    now = logged.world.clock.now()
    found = logged.log.recomputed(logged.service, now - HOUR / 6, now)
    rows = logged.log.window(logged.service, now - HOUR / 6, now)
    assert found.names == rows.names
    np.testing.assert_allclose(found.at, rows.at, atol=1.0)
    np.testing.assert_allclose(found.served, rows.features, atol=1e-12)
    np.testing.assert_array_equal(found.served, found.again)  # nothing is wrong with this world
    with pytest.raises(Absent):
        logged.log.recomputed("nobody", now - HOUR, now)


def test_rows_that_a_release_serves_otherwise_differ_from_the_same_computed_anew(tmp_path: Path) -> None:
    world = World(
        demo_fleet(), scenario=scenario_named("training_serving_skew").model_copy(update={"onset": (950.0, 950.0)})
    )
    for _ in range(60):
        world.advance(30.0)
    happened = world.ledger.happened
    assert happened is not None
    made = TwinLogs(Twin(world), tmp_path / "logs")
    made.follow()
    now = world.clock.now()
    for log in (world.log, _tables(made.tables(), tmp_path, "")):
        found = log.recomputed(happened.service, now - HOUR / 20, now)
        assert (found.served != found.again).any(axis=1).mean() > 0.9
        before = log.recomputed(happened.service, now - HOUR, now - HOUR / 4)
        assert (before.served == before.again).all()


def test_before_the_first_row_there_is_none(logged: Logged) -> None:
    start = datetime(2001, 1, 1, tzinfo=UTC)
    assert len(logged.log.window(logged.service, start, start + HOUR).at) == 0


def test_the_reference_has_the_same_features(logged: Logged) -> None:
    now = logged.world.clock.now()
    reference = logged.log.reference(logged.service)
    assert reference.names == logged.log.window(logged.service, now - HOUR, now).names
    assert len(reference.at) > 100


def test_a_service_that_logs_nothing_is_absent(logged: Logged) -> None:
    now = logged.world.clock.now()
    with pytest.raises(Absent):
        logged.log.window("chat", now - HOUR, now)
    with pytest.raises(Absent):
        logged.log.reference("chat")


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def written(path: Path, **columns: Any) -> TableLog:
    parquet.write_table(pa.table(columns), path)
    return TableLog((LogTable(service="fraud", rows=str(path), at="when", score="p", label="y", version="v"),))


@pytest.mark.parametrize(
    "when",
    [
        pa.array([NOW, NOW + timedelta(seconds=1)], pa.timestamp("us", "UTC")),
        pa.array([NOW, NOW + timedelta(seconds=1)], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([NOW.replace(tzinfo=None), NOW.replace(tzinfo=None) + timedelta(seconds=1)], pa.timestamp("ms")),
        pa.array([NOW.timestamp(), NOW.timestamp() + 1]),
        pa.array([int(NOW.timestamp()), int(NOW.timestamp()) + 1]),
        pa.array(["2026-03-01 12:00:00", "2026-03-01 12:00:01"]),
    ],
    ids=["utc", "zone", "naive", "seconds", "whole seconds", "text"],
)
def test_an_instant_is_an_instant_however_it_is_written(when: Any, tmp_path: Path) -> None:
    log = written(tmp_path / "log.parquet", when=when, p=[0.1, 0.9], x=[1, 2])
    rows = log.window("fraud", NOW, NOW + timedelta(seconds=1))
    assert rows.at.tolist() == [NOW.timestamp()]
    assert (rows.names, rows.features.tolist(), rows.version.tolist()) == (("x",), [[1.0]], [""])
    assert np.isnan(rows.labels).all()  # no column of labels: none is known


def test_the_newest_rows_are_read_where_there_are_too_many(tmp_path: Path) -> None:
    times = [NOW.timestamp() + second for second in range(500)]
    log = written(tmp_path / "log.parquet", when=times, p=[0.5] * 500, y=[None] * 250 + [1] * 250, x=times)
    cut = TableLog((log._tables["fraud"].model_copy(update={"most": 100}),))
    rows = cut.window("fraud", NOW, NOW + HOUR)
    assert rows.at.tolist() == times[400:]
    assert rows.labels.tolist() == [1.0] * 100


def test_a_column_that_is_missing_or_no_number_is_named(tmp_path: Path) -> None:
    log = written(tmp_path / "log.parquet", when=[NOW.timestamp()], q=[0.5])
    with pytest.raises(Malformed, match="'p'"):
        log.window("fraud", NOW, NOW + HOUR)
    log = written(tmp_path / "log.parquet", when=[NOW.timestamp()], p=["high"])
    with pytest.raises(Malformed, match="'p'"):
        log.window("fraud", NOW, NOW + HOUR)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no parquet")])
def test_a_file_that_is_gone_or_broken_is_one_line(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    log = written(path, when=[NOW.timestamp()], p=[0.5])
    spoil(path)
    with pytest.raises(ToolError) as told:
        log.window("fraud", NOW, NOW + HOUR)
    assert "\n" not in str(told.value)


@pytest.fixture(params=[from_parquet, from_duckdb], ids=["parquet", "duckdb"])
def tabled(request: pytest.FixtureRequest, tmp_path: Path) -> Logged:
    made: Callable[[Path], Logged] = request.param
    return made(tmp_path)


def test_as_tables_a_window_has_the_same_rows_and_the_reference_all_of_its_columns(tabled: Logged) -> None:
    tables, now = tabled.log, tabled.world.clock.now()
    assert isinstance(tables, TableLog)
    rows = tables.rows(tabled.service, now - HOUR, now)
    assert rows.rows == len(tables.window(tabled.service, now - HOUR, now).at)
    here = [field.name for field in rows.fields]
    assert {"request", "score", "c0"} <= set(here)
    assert "prunella_at" not in here
    assert tables.accepted(tabled.service).rows == len(tables.reference(tabled.service).at)


def test_recomputed_features_are_those_of_the_keys_alone(tabled: Logged) -> None:
    tables, now = tabled.log, tabled.world.clock.now()
    assert isinstance(tables, TableLog)
    rows = tables.rows(tabled.service, now - HOUR / 4, now)
    keys = rows.column("request")
    again = tables.again(tabled.service, keys)
    assert again.rows == rows.rows > 0
    assert isinstance(keys, Labels)
    assert set(again.column("request").names) == set(keys.names)  # type: ignore[union-attr]
    one = Labels(keys.codes[:0], ("nobody",))
    assert tables.again(tabled.service, one).rows == 0
    bare = TableLog((tables._tables[tabled.service].model_copy(update={"recomputed": ""}),))
    with pytest.raises(Absent):
        bare.again(tabled.service, keys)
    with pytest.raises(Absent):
        bare.recomputed(tabled.service, now - HOUR, now)
