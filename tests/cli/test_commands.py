"""The commands: help with an example, exit codes that mean something, one-line errors, JSON for scripts."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agent.doctor import Reach
from agent.terminal import demo_journal
from simulator.stage import Pace, closing, perform, wait
from tests.cli.conftest import Play, Run, asked, wiring, write_case
from tests.view.sample import healed, snapshot, waiting
from tools.live.journal import SqlJournal
from tools.memory_journal import MemoryJournal

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "run",
    "demo",
    "drill",
    "incidents",
    "explain",
    "approvals",
    "doctor",
    "lab",
    "policy",
    "drift",
    "audit",
    "replay",
    "autonomy",
    "pause",
    "resume",
    "halt",
    "breaker",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(prunella: Run, command: str) -> None:
    done = prunella(command, "--help")
    assert done.exit_code == 0
    assert f"Example: prunella {command}" in done.output


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    heavy = ("kubernetes", "langgraph", "scipy", "torch", "sqlalchemy", "openai", "numpy", "pydantic", "apscheduler")
    code = "import sys; sys.argv[1:] = ['--help']\ntry:\n import simulator.cli as c; c.main()\nfinally:\n"
    code += f" print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    assert all(f" {command} " in done.stdout for command in COMMANDS)


def test_completion_of_the_shell_is_on() -> None:
    environment = {**os.environ, "_PRUNELLA_COMPLETE": "complete_bash", "COMP_WORDS": "prunella de", "COMP_CWORD": "1"}
    code = "from simulator.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert "demo" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("run",),
        ("run", "--config", "/nowhere.yaml"),
        ("doctor", "--config", "/nowhere.yaml"),
        ("demo", "--speed", "-1"),
        ("demo", "--for", "ages"),
        ("explain",),
        ("incidents",),  # no demo ran here
        ("incidents", "--journal", "/nowhere.db"),
        ("approvals", "approve"),
        ("approvals", "approve", "apr-1", "--by", "dana"),
        ("approvals", "modify", "apr-1", "--by", "dana", "--journal", "x.db"),
        ("approvals", "approve", "apr-1", "--set", "a.b=c", "--by", "dana", "--journal", "x.db"),
        ("approvals", "bless", "apr-1"),
        ("lab", "explode"),
        ("lab", "break", "everything"),
    ],
)
def test_wrong_use_is_exit_2_and_no_traceback(prunella: Run, words: tuple[str, ...]) -> None:
    done = prunella(*words)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert done.stderr.strip()


def test_a_bad_configuration_is_one_line_with_file_line_and_field(prunella: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("fleet: {services: [{name: chat, kind: language}]}\nmetrics:\n  url: http://p\n  selector: {}\n")
    for command in ("run", "doctor"):
        done = prunella(command, "--config", str(file))
        assert done.exit_code == 2
        assert done.stderr.splitlines() == [
            f"prunella: {file}:4: metrics.selector: selector is empty: give at least one label, or leave it out"
        ]
        assert done.stdout == ""


def test_incidents_lists_shows_and_speaks_json(prunella: Run, config: Path) -> None:
    done = prunella("incidents", "--config", str(config))
    assert done.exit_code == 0
    assert "bad_rollout_errors 93%" in done.stdout
    rows = json.loads(prunella("incidents", "--config", str(config), "--json").stdout)
    assert [(row["id"], row["phase"], row["playbook"]) for row in rows] == [("inc-7", "recovered", "rollback-revision")]
    one = prunella("incidents", "inc-7", "--config", str(config))
    assert "no XID on the 3 GPUs" in one.stdout
    assert json.loads(prunella("incidents", "inc-7", "--config", str(config), "--json").stdout)["phase"] == "recovered"
    assert prunella("incidents", "inc-8", "--config", str(config)).exit_code == 2


def test_explain_writes_markdown(prunella: Run, config: Path) -> None:
    done = prunella("explain", "inc-7", "--config", str(config))
    assert done.exit_code == 0
    assert done.stdout.startswith("# inc-7: chat, recovered\n")
    assert prunella("explain", "last", "--config", str(config)).stdout == done.stdout
    assert prunella("explain", "inc-8", "--config", str(config)).exit_code == 2


def test_a_corrupt_journal_is_one_line_and_not_well(prunella: Run, tmp_path: Path) -> None:
    (tmp_path / "torn.db").write_bytes(b"not a database at all" * 100)
    done = prunella("incidents", "--journal", str(tmp_path / "torn.db"))
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_question_is_listed_answered_once_and_journalled(prunella: Run, tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/j.db"
    write_case(SqlJournal(where), asked())
    listed = json.loads(prunella("approvals", "--journal", where, "--json").stdout)
    assert [(row["id"], row["service"], row["steps"]) for row in listed] == [
        ("apr-7-1", "chat", ["restore revision 3 of chat"])
    ]
    words = ("approvals", "approve", "apr-7-1", "--by", "dana", "--note", "looks right", "--journal", where)
    assert prunella(*words).stdout == "apr-7-1 approved by dana\n"
    again = prunella(*words)
    assert again.exit_code == 1
    assert again.stderr == "prunella: apr-7-1 is approved by dana\n"
    entries = SqlJournal(where).entries("inc-7", kinds=("APPROVAL",))
    assert [(entry.body["state"], entry.body["by"], entry.body["note"]) for entry in entries] == [
        ("pending", "", ""),
        ("approved", "dana", "looks right"),
    ]
    assert "nothing waits" in prunella("approvals", "--journal", where).stdout


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("restore.revision=2", 0, "is judged anew, and needs an approval of its own"),
        ("restore.service=code", 1, "its service is what was judged and approved, and stays"),
        ("widen.replicas=2", 1, "the plan has no step 'widen'; there are restore"),
        ("restore=skip", 1, "no step would be left: reject the plan instead"),
        ("restore.revision=3", 1, "that is the plan as it is"),
        ("restore", 2, "write STEP.FIELD=VALUE, or STEP=skip"),
    ],
)
def test_a_plan_is_modified_within_what_it_touches(
    prunella: Run, tmp_path: Path, change: str, code: int, words: str
) -> None:
    where = f"sqlite:///{tmp_path}/j.db"
    write_case(SqlJournal(where), asked())
    done = prunella("approvals", "modify", "apr-7-1", "--set", change, "--by", "dana", "--journal", where)
    assert (done.exit_code, words in done.output) == (code, True), done.output
    states = [entry.body["state"] for entry in SqlJournal(where).entries("inc-7", kinds=("APPROVAL",))]
    assert states == (["pending", "modified"] if code == 0 else ["pending"])


def test_a_lapsed_question_is_neither_listed_nor_answered(prunella: Run, tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/j.db"
    write_case(SqlJournal(where), asked(timedelta(seconds=-1)))
    assert json.loads(prunella("approvals", "--journal", where, "--json").stdout) == []
    late = prunella("approvals", "reject", "apr-7-1", "--by", "dana", "--journal", where)
    assert late.exit_code == 1
    assert "apr-7-1 is expired" in late.stderr
    assert prunella("approvals", "approve", "apr-0", "--by", "dana", "--journal", where).exit_code == 1


def test_run_once_says_whether_all_is_well(prunella: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ill = prunella("run", "--once", "--config", str(config))
    assert ill.exit_code == 1
    assert "chat bad\n" in ill.stdout
    assert "recommend no_data\n" in ill.stdout
    rows = tuple(row.model_copy(update={"state": "ok"}) for row in snapshot().services)
    monkeypatch.setitem(sys.modules, "agent.wiring", wiring(snapshot().model_copy(update={"services": rows})))
    assert prunella("run", "--once", "--config", str(config)).exit_code == 0


def test_run_headless_prints_the_story_and_ends_with_its_daemon(
    prunella: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "agent.wiring", wiring(snapshot(healed())))
    done = prunella("run", "--headless", "--config", str(config))
    assert done.exit_code == 0
    assert [line.split()[3] for line in done.stdout.splitlines()] == [item.kind for item in healed().timeline]


def test_a_demo_heals_says_so_and_can_be_explained(prunella: Run, play: type[Play]) -> None:
    done = prunella("demo", "--speed", "0", "--headless")
    assert done.exit_code == 0, done.output
    assert "error_ratio 31% -> 0.4% (target 2%)" in done.stdout
    assert "prunella explain inc-7" in done.stdout
    assert demo_journal().is_file()
    assert prunella("incidents").exit_code == 0  # the last demo's, by default
    refused = prunella("approvals", "approve", "apr-7-1", "--by", "dana")
    assert refused.exit_code == 2


def test_a_demo_leaves_its_last_picture_where_asked(prunella: Run, play: type[Play], tmp_path: Path) -> None:
    file = tmp_path / "img" / "demo.svg"
    assert prunella("demo", "--speed", "0", "--headless", "--svg", str(file)).exit_code == 0
    picture = file.read_text()
    assert picture.startswith("<svg")
    assert "recovered" in picture
    assert "url(http" not in picture


def test_a_demo_of_a_given_length_ends_there(prunella: Run, play: type[Play]) -> None:
    done = prunella("demo", "--speed", "0", "--for", "1m", "--headless")
    assert done.exit_code == 1  # the question is still open
    assert "waiting approval" in done.stdout


def test_an_unknown_scenario_is_wrong_use(prunella: Run, play: type[Play]) -> None:
    assert prunella("demo", "--scenario", "no_such_thing").exit_code == 2


def test_a_person_is_asked_once_and_the_journal_is_kept() -> None:
    play, kept, questions = Play(), MemoryJournal(), []

    def ask(case: object, question: Any) -> bool:
        questions.append(question.id)
        return True

    words, well = closing(perform(play, Pace(0, None, headless=True), kept, ask))
    assert well
    assert questions == ["apr-7-1"]
    assert play.answers == [("apr-7-1", True, "you")]
    assert [entry.kind for entry in kept.entries()] == ["INCIDENT"]
    assert "recovered" in words


def test_quiet_time_passes_ten_times_faster() -> None:
    later = {"at": snapshot().at + timedelta(seconds=30)}
    assert wait(snapshot(), snapshot(waiting()).model_copy(update=later), speed=60) == pytest.approx(0.5)
    assert wait(snapshot(), snapshot(healed()).model_copy(update=later), speed=60) == pytest.approx(0.05)


def test_a_demo_that_is_not_healed_is_not_well() -> None:
    words, well = closing(snapshot(waiting()))
    assert not well
    assert "waiting approval" in words


def drill_backend(**changes: Any) -> ModuleType:
    """A stand-in for ``simulator.drill``."""
    episode = {
        "scenario": "gpu_idle",
        "seed": 1,
        "detected": True,
        "detect_s": 60.0,
        "top1": True,
        "healed": True,
        "heal_s": 300.0,
        "asked": 0,
        "unsafe": 0,
        "collateral": 0,
        "false_incidents": 0,
        **changes,
    }
    module = ModuleType("simulator.drill")

    def run_drill(
        ids: list[str], suite: str | None, seeds: int, jobs: int, progress: Any, **options: Any
    ) -> dict[str, Any]:
        progress(1, 1, "gpu_idle")
        return {"suite": suite or "custom", "episodes": [episode], "summary": {"healed": 1.0, "seeds": seeds}}

    listing = {
        "faults": ["gpu_idle"],
        "modifiers": ["healthy"],
        "suites": {"first": ["gpu_idle"]},
        "with": [],
        "baselines": ["do_nothing"],
    }
    vars(module).update(run_drill=run_drill, listing=lambda: listing)
    return module


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"healed": False}, 1),
        ({"unsafe": 1}, 1),
        ({"healed": None}, 0),
        ({"healed": None, "collateral": 1}, 1),
    ],
)
def test_a_drill_scores_and_its_exit_code_is_the_result(
    prunella: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any], code: int
) -> None:
    monkeypatch.setitem(sys.modules, "simulator.drill", drill_backend(**changes))
    file = tmp_path / "deep" / "drill.json"
    done = prunella("drill", "--suite", "first", "--seeds", "2", "--json", str(file))
    assert done.exit_code == code, done.output
    assert "gpu_idle" in done.stdout
    assert json.loads(file.read_text())["summary"]["seeds"] == 2
    printed = prunella("drill", "gpu_idle", "--json", "-")
    assert json.loads(printed.stdout)["episodes"][0]["scenario"] == "gpu_idle"


def test_drill_lists_and_refuses_what_does_not_exist(prunella: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simulator.drill", drill_backend())
    assert json.loads(prunella("drill", "--list", "--json", "-").stdout)["suites"] == {"first": ["gpu_idle"]}
    assert "healthy" in prunella("drill", "--list").stdout
    for words in (("drill",), ("drill", "nothing"), ("drill", "--suite", "last")):
        assert prunella(*words).exit_code == 2


def test_a_lab_that_is_down_is_not_well(prunella: Run, tmp_path: Path) -> None:
    done = prunella("lab", "status", "--run-dir", str(tmp_path / "lab"), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["up"] is False
    broken = prunella("lab", "break", "bad_release", "--run-dir", str(tmp_path / "lab"))
    assert broken.exit_code == 1
    assert broken.stderr.startswith("prunella: no lab is up in")


def test_the_doctor_of_an_unreachable_world_is_not_well(
    prunella: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.cli.test_doctor import Deaf, reach

    monkeypatch.setitem(sys.modules, "agent.wiring", wiring(snapshot(), reach(metrics=Deaf(), cluster=Deaf())))
    done = prunella("doctor", "--config", str(config), "--json")
    assert done.exit_code == 1
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    assert states["metrics"] == states["cluster"] == "bad"
    assert isinstance(reach(), Reach)
