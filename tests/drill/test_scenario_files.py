"""A mistake in a scenario file is a line that names the file and the place, never a traceback and never silence."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import ConfigError
from simulator.episode import demo_fleet
from simulator.mistakes import NEEDED, PARAMS
from simulator.scenario import FOLDER, TROUBLES, fit, load_scenarios, read_scenario
from simulator.world.script import ONCE, Carrier, Onset, What
from simulator.world.world import World

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
        (lambda c: first(c).update(params={"errors": 5.0}), "mutations.0.params.errors: a share is between 0 and 1"),
        (lambda c: first(c).update(params={"errors": -0.5}), "params.errors: a share is between 0 and 1"),
        (lambda c: first(c).update(params={"errors": [0.3, 0.1]}), "from 0.3 to 0.1 is no range"),
        (lambda c: first(c).update(what="traffic", params={"factor": 0.0}), "must be above 0"),
        (
            lambda c: first(c).update(what="own", params={}, text="metrics_outrage"),
            "no trouble 'metrics_outrage'; did you mean metrics_outage?",
        ),
        (
            lambda c: first(c).update(what="gap", params={}, text="vllm:num_request_waiting"),
            "vllm:num_requests_waiting?",
        ),
        (lambda c: c.update(modifiers=["relaps"]), "modifiers: no modifier 'relaps'; did you mean relapse?"),
        (lambda c: c.update(layer="quiet"), "truth.fault: layer quiet has none"),
        (lambda c: c["truth"].pop("fault"), "truth.fault: layer cluster has one"),
        (lambda c: c.update(mutations=[]), "mutations is empty: nothing makes it true"),
        (
            lambda c: c["truth"].update(acceptable_playbooks=["retrain"]),
            "cures no bad_rollout_errors; what does: rollba",
        ),
        (lambda c: c["truth"].update(acceptable_playbooks=["rollback_relase"]), "did you mean rollback_release?"),
        (lambda c: c["truth"].update(entity="gpu/$gpu"), "nothing here chooses a gpu: $gpu would stay empty"),
        (lambda c: c["truth"].update(entity="nobody"), "truth.entity: 'nobody' names nothing"),
        (lambda c: c.update(target=[]), "mutations.0: release hits a service: name candidates in target"),
        (lambda c: first(c).update(onset="ramp"), "mutations.0.onset: release happens at once: step"),
        (lambda c: first(c).update(at=float("inf")), "mutations.0.at: Input should be a finite number"),
    ],
)
def test_a_mistake_is_told_with_its_place(change: Change, told: str, tmp_path: Path) -> None:
    content = yaml.safe_load((FOLDER / "bad_rollout_errors.yaml").read_text())
    change(content)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        read_scenario(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(error.value))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(target=["chta"]), "target: chta: no such service in the fleet; did you mean chat?"),
        (lambda c: c.update(target=["translate"]), "mutations.0.what: release cannot hit translate, which has no repl"),
        (lambda c: c["truth"].update(entity="service/chta"), "truth.entity: chta: no such service in the fleet"),
        (lambda c: first(c).update(what="gpu_lost", params={}, target=["moderate"]), "gpu_lost cannot hit moderate"),
        (lambda c: first(c).update(what="promote", params={}), "promote cannot hit chat, which has no tabular model"),
        (lambda c: first(c).update(what="concept", params={"amount": 1.0}), "concept cannot hit chat, which has no"),
        (
            lambda c: first(c).update(what="vendor_errors", params={"rate": 0.5}),
            "cannot hit chat, which calls no vendor",
        ),
        (lambda c: first(c).update(what="dates", params={"amount": 1.0}, target=["recommend"]), "which reads texts"),
        (lambda c: first(c).update(what="hang", params={}, target=["fraud"]), "hang cannot hit fraud"),
        (
            lambda c: first(c).update(what="ail", carrier="node", target=["moderate"]),
            "an ail of a node cannot hit moder",
        ),
    ],
)
def test_what_the_fleet_cannot_suffer_is_told_with_its_place(change: Change, told: str, tmp_path: Path) -> None:
    content = yaml.safe_load((FOLDER / "bad_rollout_errors.yaml").read_text())
    change(content)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        fit(str(path), demo_fleet())
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(error.value))
    assert told in str(error.value)


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = (FOLDER / "bad_rollout_errors.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("fault: bad_rollout_errors", "fault: bad_rolout_errors"))
    line = text[: text.index("fault: bad_rollout_errors")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"mine\.yaml:{line}: truth\.fault: .* did you mean bad_rollout_errors\?"):
        read_scenario(tmp_path / "mine.yaml")


def test_modifiers_of_a_file_are_played(tmp_path: Path) -> None:
    text = (FOLDER / "bad_rollout_errors.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text + "modifiers: [red_herring]\n")
    scenario = read_scenario(tmp_path / "mine.yaml")
    assert scenario.modifiers == ("red_herring",)
    assert len(scenario.mutations) == 3


def test_the_catalogue_fits_the_demo_fleet() -> None:
    assert [fit(name, demo_fleet()).id for name in load_scenarios()] == list(load_scenarios())


NAMES = (*(service.name for service in demo_fleet().services), "nobody")
fitting = st.floats(0.01, 1) | st.tuples(st.floats(0.01, 0.3), st.floats(0.3, 1)).map(list)
figures = st.integers(0, 9).flatmap(lambda n: fitting if n else st.floats() | st.just([1.0, 0.0]))


@st.composite
def mutation(draw: st.DrawFn) -> dict[str, Any]:
    what = draw(st.sampled_from(get_args(What)))
    known = sorted(PARAMS.get(what, {"amount"}))
    needed = sorted(NEEDED.get(what, ()))
    names = {*needed, *draw(st.lists(st.sampled_from(known), max_size=2) if known else st.just([]))}
    found: dict[str, Any] = {"what": what, "params": {name: draw(figures) for name in sorted(names)}}
    options = {
        "carrier": st.sampled_from(get_args(Carrier)),
        "onset": st.just("step") if what in ONCE else st.sampled_from(get_args(Onset)),
        "target": st.lists(st.sampled_from(NAMES), max_size=1),
        "at": st.floats(0, 300),
        "every": st.floats(1, 600),
        "duration": st.floats(1, 600),
        "text": st.sampled_from([*sorted(TROUBLES), "DCGM_FI_DEV_GPU_UTIL", "argocd"]),
        "marks": st.dictionaries(
            st.sampled_from(["disk_pressure", "oom_killed", "nothing"]), st.floats(0, 1), max_size=1
        ),
        "also": st.booleans(),
    }
    for name in draw(st.sets(st.sampled_from(sorted(options)), max_size=3)):
        found[name] = draw(options[name])
    if what in ("own", "gap"):
        found["text"] = draw(st.sampled_from(sorted(TROUBLES)) if what == "own" else st.just("DCGM_FI_DEV_GPU_UTIL"))
    return found


@settings(max_examples=120)
@given(mutations=st.lists(mutation(), min_size=1, max_size=2), target=st.sampled_from(NAMES[:-1]))
def test_any_scenario_plays_or_is_refused_in_words(
    mutations: list[dict[str, Any]], target: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = {"id": "any", "layer": "quiet", "about": "Anything.", "target": [target], "onset": [30.0, 30.0]}
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(content | {"mutations": mutations}))
    try:
        scenario = fit(str(path), demo_fleet())
    except ConfigError as error:
        assert all(line.startswith(f"{path}:") for line in error.problems)  # noqa: PT017 - either is right
        return
    world = World(demo_fleet(), seed=3, scenario=scenario)
    for _ in range(12):
        world.advance()


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
