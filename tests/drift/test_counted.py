"""Large tables, counted inside the engine in one reading: what is found in columns held whole is found there too."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.drift.compare import compare
from agent.drift.finding import DriftReport, Limits
from tools.grid import Reals, fit_grid
from tools.live.tables import IbisTable, open_table
from tools.rowhash import sieved, spelt
from tools.tables import Labels, Numbers

ROWS = 6_000
Columns = dict[str, "np.ndarray[tuple[int], np.dtype[np.float64 | np.int64 | np.str_]]"]
WAYS = {"whole": Limits(sample=0), "counted": Limits(sample=0, exact_rows=0)}


def columns(seed: int, first: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "id": np.arange(first, first + ROWS),
        "load": rng.normal(50, 5, ROWS),
        "size": rng.integers(0, 40, ROWS),
        "city": np.array(["Bergen", "Oslo", "Voss"])[rng.integers(0, 3, ROWS)],
    }


def written(path: Path, held: Columns) -> IbisTable:
    pq.write_table(pa.table(dict(held)), path, row_group_size=1_000)
    return open_table(str(path))


def report(folder: Path, limits: Limits, change: Callable[[Columns], Columns] = lambda now: now) -> DriftReport:
    one = written(folder / "before.parquet", columns(1))
    return compare(one, written(folder / "now.parquet", change(columns(2, first=ROWS))), limits)


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_go_on_being_numbered_are_no_drift(way: str, tmp_path: Path) -> None:
    found = report(tmp_path, WAYS[way])
    assert not found.alarming, found.headline
    assert found.notes == ("id: names rows, not compared",)


@pytest.mark.parametrize("way", WAYS)
def test_repeated_rows_are_found(way: str, tmp_path: Path) -> None:
    def again(now: Columns) -> Columns:
        picked = np.concatenate([np.arange(ROWS - 300), np.arange(300)])
        return {name: column[picked] for name, column in now.items()}

    (fault,) = report(tmp_path, WAYS[way], again).faults
    assert (fault.column, fault.kind, fault.text) == (
        "(rows)",
        "duplicates",
        "5.0% of the rows repeat another row, were 0.0%",
    )


@pytest.mark.parametrize("way", WAYS)
def test_values_beyond_all_that_was_known_are_found(way: str, tmp_path: Path) -> None:
    def far(now: Columns) -> Columns:
        return now | {"load": np.where(np.arange(ROWS) % 50 == 0, np.linspace(75.0, 77.0, ROWS), now["load"])}

    faults = report(tmp_path, WAYS[way], far).faults
    assert [(fault.column, fault.kind) for fault in faults] == [("load", "range")]
    assert faults[0].text.startswith("2.0% of the values lie outside")


def test_repeats_of_a_part_are_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.live.reading.WATCHED", ROWS // 8)
    held = columns(3)
    again = np.random.default_rng(0).permutation(np.concatenate([np.arange(ROWS * 3 // 4), np.arange(ROWS // 4)]))
    table = written(tmp_path / "rows.parquet", {name: column[again] for name, column in held.items()})
    found = table.survey({}, list(held), 100, seed=1)
    assert found.repeats == pytest.approx(0.25, abs=0.06)
    lone = written(tmp_path / "lone.parquet", held).survey({}, list(held), 100, seed=1)
    assert lone.repeats == 0.0
    assert table.survey({}, ["city"], 100, seed=1).repeats is None  # nothing there tells rows apart


def test_a_glance_reaches_from_the_first_row_to_the_last(tmp_path: Path) -> None:
    table = written(tmp_path / "rows.parquet", columns(4))
    seen = table.glance(["id", "city"], 320, seed=0)
    ids, city = seen["id"], seen["city"]
    assert isinstance(ids, Numbers)
    assert isinstance(city, Labels)
    assert len(ids) == len(city) == 320
    assert (ids.values.min(), ids.values.max()) == (0, ROWS - 1)
    grid = fit_grid(ids.values, 64)
    assert table.tallies({"id": grid})["id"].counts.max() < ROWS / 40  # a sorted column is still spread evenly


def test_the_hash_of_a_value_is_the_same_in_every_piece() -> None:
    one, two = Labels(np.array([0, 1, -1], np.int32), ("a", "b")), Labels(np.array([1, 0, -1], np.int32), ("b", "a"))
    assert spelt(one).tolist() == spelt(two).tolist()
    assert spelt(Numbers(np.array([0.0]))).tolist() == spelt(Numbers(np.array([-0.0]))).tolist()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 0.001, 1e6])
def test_a_sieve_lets_one_value_in_so_many_through_and_a_value_everywhere_or_nowhere(kind: type, scale: float) -> None:
    values: Reals = (np.random.default_rng(0).permutation(200_000) * scale).astype(kind)
    through = values[sieved(values, 4)]
    assert len(through) == pytest.approx(len(values) / 16, rel=0.1)
    assert set(through) == set(values[::-1][sieved(values[::-1], 4)])
    assert len(sieved(values, 0)) == len(values)


def test_a_sieve_holds_minus_nought_for_nought() -> None:
    signs = np.tile(np.array([0.0, -0.0]), 8)
    assert len(sieved(signs, 3)) in {0, len(signs)}
