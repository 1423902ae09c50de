"""prunella detect: a file in, one sentence first, JSON and a page on demand."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from simulator.cli import app

START = datetime(2026, 3, 2)  # noqa: DTZ001 - the file tells no zone


def detect(*words: str) -> Result:
    return CliRunner().invoke(app, ["detect", *words])


@pytest.fixture(autouse=True)
def _real_wiring(monkeypatch: pytest.MonkeyPatch) -> None:
    import agent.wiring

    monkeypatch.setitem(sys.modules, "agent.wiring", agent.wiring)
    monkeypatch.setenv("COLUMNS", "200")


def write(path: Path, spike: int | None = 500, head: str = "timestamp,latency,load", rows: int = 700) -> str:
    rng = np.random.default_rng(0)
    lines = []
    for place, (first, two) in enumerate(rng.normal(50, 3, (rows, 2))):
        one = first + 90 * (place == spike)
        lines.append(f"{(START + timedelta(minutes=5 * place)).isoformat(sep=' ')},{one:.3f},{two:.3f}")
    path.write_text(head + "\n" + "\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def forwards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A file, and what is seen in it: watched once for all who read that."""
    file = tmp_path_factory.mktemp("forwards") / "a.csv"
    return file, json.loads(detect(write(file), "--json").stdout)


def test_the_first_sentence_says_where_to_look(tmp_path: Path) -> None:
    done = detect(write(tmp_path / "a.csv"))
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Look at latency first: at 2026-03-03 17:40 it")


def test_names_are_whole_where_nobodys_terminal_cuts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    name = "p95_latency_of_the_checkout_service_ms"
    done = detect(write(tmp_path / "a.csv", head=f"timestamp,{name},load"))
    assert any(line.startswith(f"{name}  2026-03-03 17:40:00") for line in done.stdout.splitlines()), done.stdout


def test_silence_is_said_too(tmp_path: Path) -> None:
    done = detect(write(tmp_path / "a.csv", None), "--budget", "one false alert per series per year")
    assert done.stdout.startswith("Nothing to look at: 2 series")


def test_json_has_alarms_and_a_score_for_each_row(forwards: tuple[Path, dict[str, Any]]) -> None:
    _, found = forwards
    assert set(found) == {"series"}
    assert set(found["series"]) == {"latency", "load", "together"}
    assert found["series"]["together"]["of"] == ["latency", "load"]
    seen = found["series"]["latency"]
    assert set(seen) == {"alarms", "scores"}
    assert len(seen["scores"]) == 700
    assert int(np.argmax(seen["scores"])) == 500
    (alarm,) = [one for one in seen["alarms"] if one["at"] == "2026-03-03T17:40:00"]
    assert set(alarm) == {"at", "onset_at", "score", "expected", "value", "reason"}
    assert alarm["score"] == seen["scores"][500]


def test_alarms_use_the_past_alone(tmp_path: Path, forwards: tuple[Path, dict[str, Any]]) -> None:
    whole, seen = forwards
    part = tmp_path / "b.csv"
    part.write_text("".join(line + "\n" for line in whole.read_text().splitlines()[:520]))
    second = json.loads(detect(str(part), "--json").stdout)["series"]
    for name in ("latency", "load", "together"):
        assert seen["series"][name]["scores"][:519] == second[name]["scores"]


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert detect(write(tmp_path / "a.csv", head="timestamp,<b>x</b>,load"), "--html", str(page)).exit_code == 0
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "<svg" in text
    assert "<circle" in text
    assert "<b>x</b>" not in text
    assert "http" not in text
    assert "src=" not in text


def test_what_exporters_write_for_nothing_does_not_flatten_the_picture(tmp_path: Path) -> None:
    lines = [f"{60 * row},{2**63 - 1 if row % 50 == 0 else row % 7},{(-1) ** row * 1.7e308}" for row in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["at,x,absurd", *lines]))
    assert detect(str(tmp_path / "a.csv"), "--html", str(tmp_path / "page.html")).exit_code == 0
    text = (tmp_path / "page.html").read_text()
    assert '<text class="axis" x="0" y="12">6</text>' in text
    assert "e+" not in text


def test_parquet_epochs_and_nulls_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values: list[float | None] = [float(x) for x in np.random.default_rng(0).normal(5, 1, 400)]
    values[300], values[350] = None, 60.0
    at = [1_700_000_000_000 + 60_000 * place for place in range(400)]
    pq.write_table(pa.table({"epoch_ms": at, "x": values}), tmp_path / "a.parquet")
    done = detect(str(tmp_path / "a.parquet"), "--time", "epoch_ms", "--json")
    found = json.loads(done.stdout)["series"]["x"]
    assert int(np.argmax(found["scores"])) == 350
    assert any(alarm["at"] == "2023-11-15T04:03:20Z" for alarm in found["alarms"])
    assert "1 value left out: no data" in done.stderr


def test_newest_first_is_read_in_order_of_time(tmp_path: Path, forwards: tuple[Path, dict[str, Any]]) -> None:
    file, seen = forwards
    head, *rows = file.read_text().splitlines()
    backwards = tmp_path / "b.csv"
    backwards.write_text("\n".join([head, *reversed(rows)]) + "\n")
    first, second = seen["series"]["load"], json.loads(detect(str(backwards), "--json").stdout)["series"]["load"]
    assert first["alarms"] == second["alarms"]
    assert first["scores"] == second["scores"][::-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,x\n", "no rows"),
        ("a,b\n1,2\n3,4\n", "no time column"),
        ("timestamp,x\n2026-01-01,a\n2026-01-02,b\n", "no column of numbers"),
    ],
)
def test_wrong_use_is_one_line_and_code_two(tmp_path: Path, text: str, said: str) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(text)
    done = detect(str(bad))
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_not_there_or_not_understood_is_said(tmp_path: Path) -> None:
    good = write(tmp_path / "a.csv", rows=60)
    for words in (("no.csv",), (good, "--time", "when"), (good, "--budget", "few"), (good, "--html", "/no/where.html")):
        done = detect(*words)
        assert done.exit_code == 2
        assert done.stderr.startswith("prunella: ")
        assert done.stderr.count("\n") == 1


def test_a_change_detector_may_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "errors.csv"
    rows = (f"{60 * row},{int(row % (10 if row < 640 else 3) == 0)}" for row in range(1280))
    file.write_text("\n".join(["at,error", *rows]))
    (alarm,) = json.loads(detect(str(file), "--by", "adwin", "--json").stdout)["series"]["error"]["alarms"]
    assert alarm["reason"] == "has another mean than before"
    assert alarm["expected"] == pytest.approx(0.1, abs=0.01)
    assert detect(str(file), "--by", "guess").exit_code == 2


def counter(path: Path, burst: int | None = None) -> str:
    """Write requests that are counted up, from nought again at two restarts."""
    rate = np.random.default_rng(1).normal(100, 5, 600)
    if burst is not None:
        rate[burst] = 400
    total, rows = 0.0, []
    for place, grown in enumerate(rate):
        total = grown if place in (200, 450) else total + grown
        rows.append(f"{(START + timedelta(minutes=5 * place)).isoformat(sep=' ')},{total:.0f}")
    path.write_text("timestamp,requests_total\n" + "\n".join(rows) + "\n")
    return str(path)


def test_a_counter_that_begins_again_is_no_alarm(tmp_path: Path) -> None:
    done = detect(counter(tmp_path / "a.csv"), "--budget", "one false alert per series per month")
    assert done.stdout.startswith("Nothing to look at"), done.stdout
    assert "requests_total counts up: its rate per second is watched" in done.stdout


def test_the_rate_of_a_counter_is_watched(tmp_path: Path) -> None:
    done = detect(counter(tmp_path / "a.csv", 500), "--budget", "one false alert per series per month", "--json")
    seen = json.loads(done.stdout)["series"]["requests_total"]
    (alarm,) = seen["alarms"]
    assert alarm["at"] == (START + timedelta(minutes=2500)).isoformat()
    assert alarm["value"] == pytest.approx(400 / 300, rel=0.01)
    assert alarm["reason"].startswith("has a rate that ")
    assert int(np.argmax(seen["scores"])) == 500


def pair(path: Path, names: str = "requests,busy", until: int = 800) -> str:
    """Write two columns that go together until row 600, and are as ever, but each for itself, from then on."""
    rng = np.random.default_rng(4)
    load, noise = rng.normal(size=800), 0.2 * rng.normal(size=(2, 800))
    busy = np.append(load[:600], -load[600:])
    rows = [
        f"{(START + timedelta(minutes=5 * row)).isoformat(sep=' ')},{100 + 9 * load[row] + noise[0, row]:.3f},"
        f"{50 + 4 * busy[row] + noise[1, row]:.3f}"
        for row in range(until)
    ]
    path.write_text(f"timestamp,{names}\n" + "\n".join(rows) + "\n")
    return str(path)


def test_columns_that_part_from_how_they_go_together_are_told(tmp_path: Path) -> None:
    assert detect(pair(tmp_path / "a.csv")).stdout.startswith(
        "Look at how the columns go together first: at 2026-03-04 02"
    )
    found = json.loads(detect(pair(tmp_path / "a.csv"), "--json").stdout)["series"]
    assert list(found) == ["requests", "busy", "together"]
    since = (START + timedelta(minutes=3000)).isoformat()
    until = (START + timedelta(minutes=3100)).isoformat()
    first, *_ = found["together"]["alarms"]
    assert since <= first["at"] < until
    assert first["reason"].startswith("parts from its habits (")
    assert not [
        alarm for name in ("requests", "busy") for alarm in found[name]["alarms"] if since <= alarm["at"] < until
    ]
    assert len(found["together"]["scores"]) == 800


def test_a_column_may_have_the_name_of_the_joint_series(tmp_path: Path) -> None:
    found = json.loads(detect(pair(tmp_path / "a.csv", "requests,together", 60), "--json").stdout)["series"]
    assert list(found) == ["requests", "together", "(together)"]
    assert "of" not in found["together"]
