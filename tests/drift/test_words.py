"""What is said of a feature is true also where its values have left the range of the reference."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from agent.drift.compare import compare
from agent.drift.finding import Fault, Limits
from agent.drift.headline import headline
from tests.drift.tables import Rows
from tools.errors import ToolError
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


def test_one_row_out_of_range_is_not_named_before_a_category_that_tripled() -> None:
    rng = np.random.default_rng(0)
    colours = np.array(["red", "blue", "green"])
    before, after = (
        Rows(age=rng.normal(40, 8, 2000), colour=colours[rng.choice(3, 2000, p=chances)].tolist())
        for chances in ([0.1, 0.45, 0.45], [0.3, 0.35, 0.35])
    )
    rare = Fault(column="age", kind="range", text="1 value lies outside", share=1 / 2000, sure=1.0)
    report = compare(before, after)
    told = headline(report.moves, (rare,), report.joint, report.segments, report.limits)
    assert told.startswith("Look at colour first")
    assert "1 fault of few rows" in told
    wide = rare.model_copy(update={"share": 0.02})
    assert headline(report.moves, (wide,), (), (), report.limits).startswith("Look at age first")
    assert headline((), (rare,), (), (), report.limits).startswith("Look at age first")


def test_a_move_that_no_fault_explains_is_named_beside_the_fault() -> None:
    rng = np.random.default_rng(0)
    one, two = (Rows(age=rng.normal(40, 8, 2000), income=rng.normal(mean, 1, 2000)) for mean in (9.0, 11.0))
    moves = compare(one, two).moves
    wide = Fault(column="age", kind="range", text="half lies outside", share=0.5, sure=1.0)
    told = headline(moves, (wide,), (), (), Limits())
    assert told == "Look at age first: half lies outside; income moved besides."
    own = wide.model_copy(update={"column": "income"})
    assert headline(moves, (own,), (), (), Limits()) == "Look at income first: half lies outside."


def test_a_single_infinity_is_told_and_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.normal(40, 8, 2000) for _ in range(2))
    assert not any("infinite" in note for note in compare(Rows(x=before), Rows(x=after)).notes)
    after[7] = np.inf
    report = compare(Rows(x=before), Rows(x=after))
    assert "x: 1 value is infinite, none of the reference" in report.notes
    assert not report.alarming


@pytest.mark.parametrize(
    ("name", "words"), [("picture.png", "is no Parquet"), ("folder", "a folder without Parquet"), ("gone", "no file")]
)
def test_what_is_no_table_is_said_in_words(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG and then some more bytes than a Parquet file needs to end")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ToolError, match=words):
        open_table(str(tmp_path / name))


def test_three_slashes_are_the_roots_and_the_file_of_this_folder_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prunella-words.db").touch()
    with pytest.raises(ToolError, match=r"that of this folder is sqlite://prunella-words\.db"):
        open_table("sqlite:///prunella-words.db#rows")
