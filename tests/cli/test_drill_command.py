"""``prunella drill`` refuses what it must: production, options of another drill, names that are not there."""

from pathlib import Path

import pytest
import yaml

from agent.terminal import meant
from simulator import drill
from simulator.staging.faults import FAULTS
from tests.cli.conftest import Run

SERVICE = {"name": "chat", "kind": "language", "environment": "staging", "namespace": "serving"}
DRILLS = {"services": ["chat"], "namespaces": ["serving"], "approvers": ["dana"], "reverter_image": "x"}
PRODUCTION = {
    "environment": "production",
    "fleet": {"services": [SERVICE]},
    "metrics": {"url": "http://127.0.0.1:9"},
    "drills": DRILLS,
}


def test_the_command_refuses_production_and_slips_of_the_pen(prunella: Run, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(PRODUCTION))
    done = prunella("drill", "oom_kill", "--against", str(file), "--service", "chat")
    assert done.exit_code == 1
    assert "faults are put into staging alone" in done.stderr
    assert prunella("drill", "oom_kill", "--service", "chat").exit_code == 2
    listed = prunella("drill", "--against", str(file), "--list")
    assert listed.exit_code == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()} == set(FAULTS)


def test_who_stops_a_drill_is_told_where_what_was_finished_is(
    prunella: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(drill, "run_drill", stopped)
    done = prunella("drill", "vendor_outage", "--resume", str(tmp_path / "kept"))
    assert done.exit_code == 130
    assert "the same command goes on" in done.stderr
    assert "--resume FILE" in prunella("drill", "vendor_outage").stderr


def test_what_was_probably_meant_is_said(prunella: Run) -> None:
    assert "did you mean kv_cache_saturation?" in prunella("drill", "kv_cache_saturaton").stderr
    assert "did you mean public?" in prunella("drill", "--suite", "publik").stderr
    assert "did you mean red_herring?" in prunella("drill", "oom_kill", "--modifier", "red_hering").stderr
    assert meant("quite other", ["kv_cache_saturation"]) == ""


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["healthy", "--for", "0s"], "--for takes a time above 0"),
        (["--suite", "month", "disk_full"], "leave disk_full out"),
        (["vendor_outage", "--html", "/proc/nowhere/x.html"], "cannot be written"),
        (["vendor_outage", "--json", "/proc/nowhere/x.json"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_played(
    prunella: Run, monkeypatch: pytest.MonkeyPatch, asked: list[str], told: str
) -> None:
    monkeypatch.setattr(drill, "run_drill", lambda *_, **__: pytest.fail("it was played"))
    done = prunella("drill", *asked)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_file_that_is_no_text_is_no_file_of_kept_episodes(prunella: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(bytes(range(128, 256)))
    done = prunella("drill", "vendor_outage", "--resume", str(tmp_path / "kept"))
    assert done.exit_code == 2
    assert "is no file of kept episodes" in done.stderr
