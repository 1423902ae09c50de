"""Files as people have them: decimal commas, words for missing numbers, JSON lines, folders that grew a column."""

import gzip
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from agent.drift.compare import compare
from agent.drifting import look
from tools.errors import Malformed
from tools.live.tables import IbisTable, open_table
from tools.tables import Column, Kind, Numbers


def held(path: Path, name: str) -> list[float]:
    column = open_table(str(path)).column(name)
    assert isinstance(column, Numbers)
    return [float(value) for value in column.values]


def test_decimal_commas_are_numbers_where_fields_are_set_apart_by_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "at;load\n2026-01-01 00:00:00;0,5\n2026-01-01 00:01:00;-12,25\n2026-01-01 00:02:00;3\n"
    )
    assert held(tmp_path / "a.csv", "load") == [0.5, -12.25, 3.0]
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write((tmp_path / "a.csv").read_text())
    assert held(tmp_path / "b.csv.gz", "load") == [0.5, -12.25, 3.0]


def test_a_comma_in_a_quoted_field_is_no_decimal_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('n,price\n1,"1,250"\n2,"3,100"\n')
    (_, price) = open_table(str(tmp_path / "a.csv")).fields
    assert price.kind is Kind.text  # a thousand and a quarter, or one and a quarter: nobody can tell


def test_words_for_a_missing_number_are_nulls_and_words_of_people_stay(tmp_path: Path) -> None:
    rows = ["1.5,n/a,a", "n/a,NA,2", "2,none,3"]
    (tmp_path / "a.csv").write_text("x,country,mixed\n" + "\n".join(rows) + "\n")
    table = open_table(str(tmp_path / "a.csv"))
    assert [field.kind for field in table.fields] == [Kind.number, Kind.text, Kind.text]
    assert np.array_equal(held(tmp_path / "a.csv", "x"), [1.5, np.nan, 2.0], equal_nan=True)
    assert table.values("country", 5) == {"NA": 1, "n/a": 1, "none": 1}


def test_json_lines_are_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1.5, "city": "Voss"}\n{"x": 2.5, "city": null}\n')
    assert held(tmp_path / "a.jsonl", "x") == [1.5, 2.5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_text_may_be_written_as_older_programs_do(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Größe;Ort\n1,5;Tromsø\n2,5;Ålesund\n", encoding=encoding)
    table = open_table(str(tmp_path / "a.csv"))
    assert [field.name for field in table.fields] == ["Größe", "Ort"]
    assert held(tmp_path / "a.csv", "Größe") == [1.5, 2.5]
    assert table.values("Ort", 5) == {"Tromsø": 1, "Ålesund": 1}


def test_what_is_not_compressed_as_its_name_says_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_text("x\n1\n")
    with pytest.raises(Malformed, match="cannot be unpacked"):
        open_table(str(tmp_path / "a.csv.gz"))


def test_signs_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("price €;said\n1,5;“no”\n", encoding="cp1252")
    assert held(tmp_path / "a.csv", "price €") == [1.5]
    assert open_table(str(tmp_path / "a.csv")).values("said", 2) == {"“no”": 1}


def test_a_text_in_two_encodings_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("x,city\n1,Tromsø\n".encode() + "2,Tromsø\n".encode("latin-1"))
    with pytest.raises(Malformed, match="no text of one encoding: save it as UTF-8"):
        open_table(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_wrong_lines_of_an_older_encoding_are_named(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,city\n" + "1,Tromsø\n" * 25_000 + "1,Oslo,Norge\n", encoding=encoding)
    with pytest.raises(Malformed, match="line 25002 has 3 fields"):
        open_table(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["412 ms", "1.2 s", "n/a", "95 µs"], [0.412, 1.2, np.nan, 95e-6]),
        (["38 %", "2.5%", "-1 %", "100%"], [38.0, 2.5, -1.0, 100.0]),
        (["3.5 GiB", "12 KiB", "0 B", "1 B"], [3.5 * 2**30, 12 * 2**10, 0.0, 1.0]),
        (["950", "1.2 K", "3 Mil", "0"], [950.0, 1200.0, 3e6, 0.0]),
        (["12 req/s", "3 req/s", "0 req/s", "5e3 req/s"], [12.0, 3.0, 0.0, 5000.0]),
    ],
)
def test_units_behind_numbers_are_brought_together(cells: list[str], numbers: list[float], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,x\n" + "".join(f"{at},{cell}\n" for at, cell in enumerate(cells)))
    assert held(tmp_path / "a.csv", "x") == pytest.approx(numbers, nan_ok=True)


@pytest.mark.parametrize(
    "cells",
    [
        ["3 EUR", "4 USD", "5 EUR"],  # money of two kinds
        ["12a", "14b", "9c"],  # house numbers
        ["10:30", "11:30", "12:15"],
        ["5 ms", "6 ms", "slow"],
        ["2 ms", "3 GiB", "4 ms"],
    ],
)
def test_what_no_unit_brings_together_stays_text(cells: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,x\n" + "".join(f'{at},"{cell} "\n' for at, cell in enumerate(cells)))
    (_, x) = open_table(str(tmp_path / "a.csv")).fields
    assert x.kind is not Kind.number


def test_decimal_commas_have_units_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n;x\n1;0,5 s\n2;250 ms\n")
    assert held(tmp_path / "a.csv", "x") == [0.5, 0.25]


def test_a_folder_whose_files_grew_a_column_is_one_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [3.0], "b": [4.0]}), tmp_path / "2.parquet")
    table = open_table(str(tmp_path))
    assert [field.name for field in table.fields] == ["a", "b"]
    assert np.array_equal(held(tmp_path, "b"), [np.nan, np.nan, 4.0], equal_nan=True)


def test_numbers_of_rows_name_them_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, first in (("a", 0), ("b", 5000)):
        ids = rng.permutation(np.arange(first, first + 1000))
        pq.write_table(pa.table({"id": ids, "age": rng.integers(18, 80, 1000)}), tmp_path / f"{name}.parquet")
    one, two = (open_table(str(tmp_path / f"{name}.parquet")) for name in ("a", "b"))
    report = compare(one, two)
    assert [move.feature for move in report.moves] == ["age"]
    assert not report.alarming


def test_columns_of_a_wide_table_are_read_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({f"c{at}": [float(at), 0.0] for at in range(40)}), tmp_path / "wide.parquet")
    table, asked, read = open_table(str(tmp_path / "wide.parquet")), list[int](), IbisTable._columns

    def noted(self: IbisTable, of: object, names: list[str]) -> dict[str, Column]:
        asked.append(len(names))
        return read(self, of, names)

    monkeypatch.setattr(IbisTable, "_columns", noted)
    columns = [table.column(f"c{at}") for at in range(40)]
    assert [column.values[0] for column in columns if isinstance(column, Numbers)] == list(range(40))
    assert asked == [40]


def test_a_file_that_breaks_off_while_it_is_read_is_wrong_use_and_no_drift(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("good", "torn"):
        pq.write_table(pa.table({"x": rng.normal(size=5000)}), tmp_path / f"{name}.parquet")
    torn = bytearray((tmp_path / "torn.parquet").read_bytes())
    torn[4:3000] = bytes(2996)
    (tmp_path / "torn.parquet").write_bytes(torn)
    good, bad = (open_table(str(tmp_path / f"{name}.parquet")) for name in ("good", "torn"))
    with pytest.raises(typer.Exit) as left:
        look(good, bad, (None, None, None))
    assert left.value.exit_code == 2


def lines(path: Path, sep: str, wrong: dict[int, str]) -> str:
    rows = [
        sep.join(("time", "x", "y")),
        *(sep.join((f"2026-03-02 {n // 60:02}:{n % 60:02}", "1.5", "2")) for n in range(300)),
    ]
    path.write_text("\n".join(wrong.get(place, row) for place, row in enumerate(rows, 1)) + "\n")
    return str(path)


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_fields_may_be_set_apart_by_the_usual_signs(sep: str, tmp_path: Path) -> None:
    assert [field.name for field in open_table(lines(tmp_path / "a.csv", sep, {})).fields] == ["time", "x", "y"]


@pytest.mark.parametrize(
    ("sep", "wrong", "said"),
    [
        (",", {40: "2026-03-02 00:38,1.5"}, "line 40 has 2 fields set apart by ',', the first line has 3"),
        (";", {40: "oops"}, "line 40 has 1 field set apart by ';', the first line has 3"),
        (
            "\t",
            dict.fromkeys(range(9, 100), "a\tb\tc\td"),
            "line 9 has 4 fields set apart by a tab, the first line has 3",
        ),
    ],
)
def test_a_text_whose_lines_differ_in_fields_is_refused_in_words(
    sep: str, wrong: dict[int, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Malformed, match=re.escape(said)):
        open_table(lines(tmp_path / "a.csv", sep, wrong))


def test_a_line_that_differs_after_many_is_found_too(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" * 25_000 + "1,2,3\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(Malformed, match="line 25002 has 3 fields"):
        open_table(str(tmp_path / "a.csv"))


def test_prose_is_a_column_of_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt\n" + "Hello, how are you, today?\nTell me, please\n" * 20)
    assert [field.name for field in open_table(str(tmp_path / "a.csv")).fields] == ["prompt"]
