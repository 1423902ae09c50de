import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("command", ["show", "push", "hold", "release", "review", "credit"])
def test_every_help_has_an_example(prunella: Run, command: str) -> None:
    assert f"Example: prunella autonomy {command}" in prunella("autonomy", command, "--help").output


def test_the_ladder_is_shown_and_moved_by_named_people(prunella: Run, config: Path) -> None:
    where = ("--config", str(config))
    shown = prunella("autonomy", "show", *where)
    assert shown.exit_code == 0, shown.output
    assert "rollback_release" in shown.output
    done = prunella("autonomy", "hold", "scale_in", "--at", "propose", "--by", "dana", "--note", "peak season", *where)
    assert done.exit_code == 0, done.output
    told = json.loads(prunella("autonomy", "show", *where, "--json").output)
    (found,) = [each for each in told if each["playbook"] == "scale_in"]
    assert (found["held"], found["ceiling"], found["rung"]) == ("propose", "watch", "watch")
    assert "held at propose by dana: peak season" in found["story"][0]
    assert prunella("autonomy", "release", "scale_in", "--by", "dana", *where).exit_code == 0
    refused = prunella("autonomy", "push", "scale_in", "--by", "dana", *where)
    assert refused.exit_code == 1
    assert "the most that the configuration allows (watch)" in refused.stderr
    assert prunella("autonomy", "review", "inc-7", "right", "--by", "dana", *where).exit_code == 0
    assert prunella("autonomy", "review", "inc-99", "right", "--by", "dana", *where).exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("push", "scale_in", "--by", " "),
        ("push", "no_such_playbook", "--by", "dana"),
        ("hold", "scale_in", "--by", "dana"),
        ("hold", "scale_in", "--at", "fly", "--by", "dana"),
        ("review", "inc-7", "splendid", "--by", "dana"),
    ],
)
def test_wrong_use_is_exit_2(prunella: Run, config: Path, words: tuple[str, ...]) -> None:
    done = prunella("autonomy", *words, "--config", str(config))
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output


def test_a_drill_counts_once_and_apart_from_production(prunella: Run, config: Path, tmp_path: Path) -> None:
    clean = {"seed": 0, "unsafe": 0, "duplicates": 0, "collateral": 0}
    episodes = [
        {"scenario": "bad_rollout_errors", "healed": True, "tried": ["scale_out", "rollback_release"], **clean},
        {"scenario": "healthy", "healed": None, "tried": [], **clean},
    ]
    file = tmp_path / "drill.json"
    file.write_text(json.dumps({"episodes": episodes}))
    done = prunella("autonomy", "credit", str(file), "--config", str(config), "--json")
    assert json.loads(done.output) == {"deeds": 2}
    assert prunella("autonomy", "credit", str(file), "--config", str(config)).exit_code == 1
    told = json.loads(prunella("autonomy", "show", "--config", str(config), "--json").output)
    counted = {each["playbook"]: (each["drill"]["cases"], each["drill"]["successes"]) for each in told}
    assert counted["rollback_release"] == (1, 1)
    assert counted["scale_out"] == (1, 0)
    file.write_text("[]")
    assert prunella("autonomy", "credit", str(file), "--config", str(config)).exit_code == 2
