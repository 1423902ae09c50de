"""A mistake in a scenario file is a line that names the file and the place, never a traceback and never silence."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import ConfigError
from simulator.scenario import FOLDER, TROUBLES, load_scenarios, read_scenario

Change = Callable[[dict[str, Any]], object]


def first(content: dict[str, Any]) -> dict[str, Any]:
    found = content["mutations"][0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(layer="clutser"), "layer: no 'clutser'; did you mean cluster?"),
        (lambda c: c.update(layer="x"), "layer: no 'x'; there are cluster, cost, engine, gpu, ourselves, pipeline,"),
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: first(c).update(what="relaese"), "mutations.0.what: no 'relaese'; did you mean release?"),
        (lambda c: first(c).update(carrier="rack"), "mutations.0.carrier"),
        (lambda c: first(c).update(params={"erors": 0.3}), "'erors'"),
        (lambda c: first(c).update(marks={"disk_presure": 1.0}), "'disk_presure'"),
        (lambda c: c["truth"].update(fault="bad_rolout"), "'bad_rolout'"),
        (lambda c: c["truth"].update(acceptable_playbooks=["rollback"]), "'rollback'"),
        (lambda c: c["truth"].update(forbidden_verbs=["delete"]), "'delete'"),
        (lambda c: c["truth"].update(entity="service/$servce"), "$servce"),
        (lambda c: c.update(onset=[90, 60]), "onset: from 90 to 60 s is no range"),
        (lambda c: c.update(onset=[-5, 60]), "onset: from -5 to 60 s is no range"),
        (lambda c: first(c).update(what="errors", params={}), "params: errors needs rate"),
        (lambda c: first(c).update(what="autoscaler", params={"low": 1}), "params: autoscaler needs high, target"),
        (lambda c: first(c).update(params={"errors": 5.0}), "mutations.0: params.errors: a share is between 0 and 1"),
        (lambda c: first(c).update(params={"errors": -0.5}), "params.errors: a share is between 0 and 1"),
        (lambda c: first(c).update(params={"errors": [0.3, 0.1]}), "from 0.3 to 0.1 is no range"),
        (lambda c: first(c).update(what="traffic", params={"factor": 0.0}), "is above 0"),
        (lambda c: first(c).update(what="own", params={}, text="metrics_outrage"), "no trouble 'metrics_outrage'"),
    ],
)
def test_a_mistake_is_told_with_its_place(change: Change, told: str, tmp_path: Path) -> None:
    content = yaml.safe_load((FOLDER / "bad_rollout_errors.yaml").read_text())
    change(content)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        read_scenario(path)
    assert str(path) in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["", "id: [", "- a\n- b\n", "\x00"])
def test_what_is_no_scenario_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_scenario(path)
    assert str(path) in str(error.value)


def test_an_id_is_the_files_name(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "healthy.yaml", tmp_path / "well.yaml")
    with pytest.raises(ConfigError, match=r"well\.yaml"):
        load_scenarios(tmp_path)


def test_the_troubles_that_may_be_named_are_those_that_are_played() -> None:
    played = {m.text for scenario in load_scenarios().values() for m in scenario.mutations if m.what == "own"}
    assert played == TROUBLES
