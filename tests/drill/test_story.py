"""Stories that are recorded and played again, and scenarios of one's own fleet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from simulator import cli
from simulator.scenario import load_scenarios, read_scenario
from simulator.story import Played, read, replay, tell

ROOT = Path(__file__).parents[2]
RUN = CliRunner()
assert cli.app is app
FLEET = """services:
  - name: answers
    kind: vendor
    vendors: [alpha, beta]
    objectives:
      - {signal: error_ratio, target: 0.03}
"""
SCENARIO = """id: alpha_down
layer: vendor
about: Alpha fails most calls.
target: [answers]
mutations:
  - what: vendor_errors
    params: {rate: 0.8}
truth:
  fault: vendor_outage
  entity: vendor/$service/$vendor
  acceptable_playbooks: [failover_vendor]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Write a fleet and a scenario of a user's own."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "alpha_down.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.mark.slow
def test_a_story_is_the_same_in_another_process_whatever_the_hash_seed(tmp_path: Path) -> None:
    played = Played(load_scenarios()["vendor_outage"], 3)
    file = tmp_path / played.name
    file.write_text(tell(played), encoding="utf-8")
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", "from simulator.cli import main; main()", "drill", str(file)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "the same" in done.stdout


@pytest.mark.slow
def test_a_story_that_changed_says_where_first(tmp_path: Path) -> None:
    played = Played(load_scenarios()["vendor_outage"], 0, ("red_herring",))
    text = tell(played)
    file = tmp_path / played.name
    assert file.name == "vendor_outage+red_herring-0.story"
    file.write_text(text.replace('"playbook": "failover_vendor"', '"playbook": "failover_other"', 1), encoding="utf-8")
    difference = replay(file)
    assert "failover_other" in difference
    assert "now:" in difference
    file.write_text(text.rsplit("\n", 2)[0] + "\n", encoding="utf-8")  # cut off
    assert "recorded: the end" in replay(file)
    assert read(file)[0] == played


@pytest.mark.slow
def test_a_user_drills_and_records_a_scenario_of_the_own_fleet(mine: Path) -> None:
    scenario, fleet = str(mine / "alpha_down.yaml"), str(mine / "fleet.yaml")
    done = RUN.invoke(app, ["drill", scenario, "--fleet", fleet, "--seeds", "2"])
    assert done.exit_code == 0, done.output
    assert "2" in done.stdout
    recorded = RUN.invoke(app, ["drill", scenario, "--fleet", fleet, "--record", str(mine / "stories")])
    assert recorded.exit_code == 0, recorded.output
    story = mine / "stories" / "alpha_down-0.story"
    again = RUN.invoke(app, ["drill", str(story)])
    assert (again.exit_code, again.stdout) == (0, f"{story}: the same\n")


@pytest.mark.parametrize("more", [["--json", "score.json"], ["--html", "card.html"]])
def test_a_page_that_recording_does_not_write_is_refused(mine: Path, more: list[str]) -> None:
    done = RUN.invoke(app, ["drill", "oom_kill", "--record", str(mine / "stories"), *more])
    assert (done.exit_code, (mine / "stories").exists()) == (2, False)
    assert "--record writes stories and no score: leave --json and --html out" in " ".join(done.output.split())


def test_bad_files_are_told_in_one_line(mine: Path) -> None:
    scenario, fleet = str(mine / "alpha_down.yaml"), str(mine / "fleet.yaml")
    (mine / "bad.yaml").write_text("id: [")
    (mine / "no.story").write_text("{}\n")
    for words, said in (
        ([scenario], "answers: no such service in the fleet"),
        ([str(mine / "missing.yaml")], "No such file"),
        ([str(mine / "bad.yaml")], "bad.yaml"),
        ([scenario, "--fleet", str(mine / "missing.yaml")], "missing.yaml"),
        ([scenario, "--fleet", scenario], "alpha_down.yaml"),
        ([str(mine / "no.story")], "no story"),
        ([str(mine / "missing.story")], "No such file"),
        ([scenario, "nonsense", "--fleet", fleet], "no scenario nonsense"),
    ):
        done = RUN.invoke(app, ["drill", *words])
        assert done.exit_code == 2, (words, done.output)
        assert said in done.output, (words, done.output)


def test_a_shipped_scenario_can_be_read_as_a_file() -> None:
    path = ROOT / "simulator" / "scenarios" / "vendor_slow.yaml"
    assert read_scenario(path) == load_scenarios()["vendor_slow"]
