"""Dates as people write them: read, told where they had to be guessed, refused in one line where they are none."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.eyes.budget import budget
from agent.eyes.dates import read
from agent.eyes.stream import Sight, watch
from simulator.cli import app
from tools.errors import Malformed
from tools.live.tables import open_table

BORNE = budget("one false alert per series per week")
START = datetime(2026, 1, 28)  # noqa: DTZ001 - the file tells no zone
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


def written(path: Path, form: str, start: datetime = START, rows: int = 8, head: str = "time") -> str:
    at = (start + timedelta(days=2, hours=7) * row for row in range(rows))
    path.write_text(f"{head},x\n" + "".join(f'"{one.strftime(form)}",{row % 3}\n' for row, one in enumerate(at)))
    return str(path)


def seen(file: str, time: str | None = None) -> Sight:
    return watch(open_table(file, dates=False), BORNE, time)


@pytest.mark.parametrize(
    "form",
    [
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %H:%M",
        "%m/%d/%Y %I:%M:%S %p",
        "%d.%m.%Y %H:%M:%S",
        "%d.%m.%y, %H:%M",
        "%Y/%m/%d %H:%M",
        "%Y%m%d%H%M%S",
        "%a, %d %b %Y %H:%M:%S GMT",
        "%d/%b/%Y:%H:%M:%S +0000",
        "%B %d, %Y %I:%M %p",
        "%Y-%m-%dT%H:%M:%SZ",
    ],
)
def test_a_date_is_read_however_it_is_written_and_its_column_is_found(tmp_path: Path, form: str) -> None:
    sight = seen(written(tmp_path / "a.csv", form, head="when it was"))
    expected = [(START + timedelta(days=2, hours=7) * row - EPOCH).total_seconds() for row in range(8)]
    assert sight.at.tolist() == expected
    assert not [note for note in sight.notes if "may be" in note]


def test_what_could_be_either_is_read_where_instants_lie_closer_and_that_is_said(tmp_path: Path) -> None:
    first_of_march = datetime(2026, 3, 1)  # noqa: DTZ001
    sight = seen(written(tmp_path / "a.csv", "%m/%d/%Y %H:%M:%S", first_of_march, rows=5))
    assert [int(at - sight.at[0]) for at in sight.at] == [198_000 * row for row in range(5)]
    assert sight.notes[0].startswith(
        "time: '03/01/2026 00:00:00' may be 3 January or 1 March 2026: read with the month first; --time 'time="
    )


def test_a_person_may_say_how_dates_are_written(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "%m/%d/%Y %H:%M", datetime(2026, 3, 4), rows=1)  # noqa: DTZ001
    assert [str(np.datetime64(int(seen(file, time).at[0]), "s"))[:10] for time in (None, "time=%m/%d/%Y %H:%M")] == [
        "2026-04-03",
        "2026-03-04",
    ]


def test_what_is_no_date_is_shown_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('time,x\n"28 Brumaire 7",1\n"29 Brumaire 7",2\n')
    with pytest.raises(
        Malformed, match=re.escape("no readable time in 'time', such as '28 Brumaire 7'; --time 'time=")
    ):
        seen(str(file))
    done = CliRunner().invoke(app, ["detect", str(file)])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["", "31/02/2026", "12/13/14/15", "25:00", "32.01.2026 10:00", "01/01/2026 99:00", "٣/٤/٢٠٢٦ x"]
)
def test_what_is_no_instant_is_none(text: str) -> None:
    found, guess = read([text, "28/02/2026"])
    assert np.isnan(found[0])
    assert np.isfinite(found[1])
    assert guess is None


def test_text_of_no_one_encoding_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("time,Größe\n".encode() + "2026-01-01,ü\n".encode("latin-1"))
    with pytest.raises(Malformed, match=r"a\.csv is no text of one encoding: save it as UTF-8"):
        open_table(str(tmp_path / "a.csv"))


def test_milliseconds_without_a_name_are_found_and_a_count_of_rows_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "x,y\n" + "".join(f"{1_700_000_000_000 + 60_000 * row},{row}\n" for row in range(9))
    )
    assert seen(str(tmp_path / "a.csv")).at[1] == 1_700_000_060.0
    (tmp_path / "b.csv").write_text("x,y\n" + "".join(f"{row},{row}\n" for row in range(9)))
    with pytest.raises(Malformed, match="no time column"):
        seen(str(tmp_path / "b.csv"))


def test_days_of_a_spreadsheet_are_dates_and_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("when,x\n" + "".join(f"{46054 + row / 24:.6f},{row}\n" for row in range(9)))
    sight = seen(str(file))
    assert (sight.at == datetime(2026, 2, 1, tzinfo=UTC).timestamp() + 3600.0 * np.arange(9)).all()
    assert sight.notes[0].startswith("when: 46054 was read as days since 1899-12-30, as spreadsheets count: 2026-02-01")


def test_digits_down_to_the_minute_are_dates(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("when,x\n202602012358,1\n202602012359,2\n202602020000,3\n")
    assert np.diff(seen(str(tmp_path / "a.csv")).at).tolist() == [60.0, 60.0]
    assert sum(note.startswith("when:") for note in seen(str(tmp_path / "a.csv")).notes) == 0


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("2026年11月22日 10時30分", "2026-11-22T10:30"),
        ("2026年3月2日(月) 午後1時05分09秒", "2026-03-02T13:05:09"),
        ("２０２６年３月２日", "2026-03-02"),
        ("2026年03月02日 09:30:15", "2026-03-02T09:30:15"),
        ("2026년 3월 2일 오전 12시", "2026-03-02T00:00"),
        ("2026年13月02日", None),
        ("2026年3月2日 25時", None),
    ],
)
def test_the_signs_of_the_east_are_read(text: str, read_as: str | None) -> None:
    (found,), guess = read([text])
    assert guess is None
    assert np.isnan(found) if read_as is None else found == np.datetime64(read_as, "s").astype(float)


def test_a_column_of_such_dates_is_found_and_what_cannot_be_read_is_told_with_its_own_form(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("時刻,x\n" + "".join(f"2026年11月22日 10時{row:02}分,{row}\n" for row in range(9)))
    assert np.diff(seen(str(tmp_path / "a.csv")).at).tolist() == [60.0] * 8
    (tmp_path / "b.csv").write_text("when,x\n" + "".join(f"2026#11#22 10.{row:02},{row}\n" for row in range(9)))
    with pytest.raises(Malformed, match=re.escape("--time 'when=%Y#%m#%d %H.%M' says how it is written")):
        seen(str(tmp_path / "b.csv"))
