"""The runner of benchmarks: a failure or an interruption costs one benchmark's figures, not all."""

import json
from pathlib import Path

import pytest

from tests.bench import run


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "build" / "bench.json"
    monkeypatch.setattr(run, "TARGET", target)
    monkeypatch.setattr(run, "names", lambda: ["first", "broken", "last"])
    monkeypatch.setattr(run, "_apart", {"first": {"a": 1.0}, "broken": None, "last": {"b": 2.0}}.get)
    return target


def test_one_that_fails_takes_no_others_along(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([]) == 1
    assert json.loads(kept.read_text()) == {"a": 1.0, "b": 2.0}
    assert "left out: broken" in capsys.readouterr().err


def test_named_ones_keep_the_figures_of_the_others(kept: Path) -> None:
    run.main(["first"])
    assert run.main(["last"]) == 0
    assert json.loads(kept.read_text()) == {"a": 1.0, "b": 2.0}


def test_all_of_them_begin_anew(kept: Path) -> None:
    kept.parent.mkdir()
    kept.write_text('{"long gone": 9.0}')
    run.main([])
    assert "long gone" not in json.loads(kept.read_text())


def test_an_unknown_name_is_refused_with_those_there_are(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["frist"]) == 2
    assert not kept.exists()
    assert "no such benchmark: frist; there are first, broken, last" in capsys.readouterr().err


def test_every_file_of_benchmarks_is_one_that_can_be_named() -> None:
    there = {path.stem for path in Path(run.__file__).parent.glob("bench_*.py")}
    assert {f"bench_{name}" for name in run.names()} == there
