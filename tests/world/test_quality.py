"""Models in the world: late labels, versions by split, drift that a new model cures."""

from datetime import timedelta

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.world import quality
from simulator.world.quality import LABEL_DELAY, ROWS_PER_TICK, outdated
from simulator.world.rowlog import LoggedRows, RowLog
from simulator.world.script import Scenario
from simulator.world.world import World
from tests.world.conftest import Play
from tools.action import Operation, SetAlias, SetSplit, TrainModel
from tools.errors import Absent


def op(name: str) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=1)


def test_labels_come_late(fleet: Fleet) -> None:
    world = World(fleet)
    for _ in range(120):
        world.advance(30.0)
    now = world.clock.now()
    rows = world.log.window("fraud", now - timedelta(hours=1), now)
    assert len(rows.at) == 120 * ROWS_PER_TICK
    assert (np.diff(rows.at) > 0).all()
    assert rows.features.shape == (len(rows.at), len(rows.names))
    known = np.isfinite(rows.labels)
    assert (known == (rows.at <= (now - LABEL_DELAY).timestamp())).all()
    accuracy = ((rows.scores >= 0.5) == rows.labels)[known].mean()
    assert accuracy == pytest.approx(world.ledger.values["fraud"]["accuracy"], abs=0.03)


@pytest.mark.parametrize("tick", [15.0, 30.0, 60.0])
def test_no_two_rows_share_an_instant_however_long_a_tick_is(fleet: Fleet, tick: float) -> None:
    world = World(fleet)
    for _ in range(20):
        world.advance(tick)
    now = world.clock.now()
    rows = world.log.window("fraud", now - timedelta(seconds=20 * tick), now)
    assert len(set((rows.at * 1e6).astype(np.int64))) == len(rows.at) == 20 * ROWS_PER_TICK
    assert np.allclose(np.diff(rows.at), tick / ROWS_PER_TICK)


def test_a_split_decides_which_version_answers(fleet: Fleet) -> None:
    world = World(fleet)
    world.actuator.apply(SetSplit(service="fraud", weights={"1": 25, "2": 75}), op("a"))
    for _ in range(60):
        world.advance(30.0)
    now = world.clock.now()
    version = world.log.window("fraud", now - timedelta(hours=1), now).version
    assert (version == "1").mean() == pytest.approx(0.25, abs=0.03)
    split = world.serving.split("fraud")
    assert split is not None
    assert split.weights == {"1": 25, "2": 75}
    world.actuator.apply(SetAlias(service="fraud", model="fraud", version="1"), op("b"))
    after = world.serving.split("fraud")
    assert after is not None
    assert after.weights == {"1": 100}


def test_services_side_by_side_answer_as_each_by_itself(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    together, one_by_one = World(fleet, seed=3), World(fleet, seed=3)
    for _ in range(4):
        together.advance(30.0)
    monkeypatch.setattr(quality, "usual", lambda scorer: False)
    for _ in range(4):
        one_by_one.advance(30.0)
    start, end = together.clock.now() - timedelta(minutes=3), together.clock.now()
    first, second = (world.log.window("fraud", start, end) for world in (together, one_by_one))
    assert len(first.at) == 4 * ROWS_PER_TICK
    assert first.version.tolist() == second.version.tolist()
    assert first.features == pytest.approx(second.features)
    assert first.scores == pytest.approx(second.scores)
    truth = [world.log._scorers["fraud"].log.between(0, 2e9).truth.tolist() for world in (together, one_by_one)]
    assert truth[0] == truth[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_retraining_on_the_drifted_world_cures_it_and_the_old_version_does_not(play: Play, seed: int) -> None:
    world = play("concept_drift", seed, 95)
    happened = world.ledger.happened
    assert happened is not None
    assert happened.onset_at is not None
    service, now = happened.service, world.clock.now()
    world.actuator.apply(SetAlias(service=service, model=service, version="1"), op("wrong"))
    world.advance(30.0)
    assert not world.ledger.objectives_hold(service)
    start = happened.onset_at + timedelta(minutes=20)
    world.actuator.apply(
        TrainModel(service=service, model=service, version="3", start_at=start, end_at=now), op("train")
    )
    for _ in range(8):
        world.advance(30.0)
    compared = world.registry.compare(service, "2", "3", now - timedelta(minutes=60), now)
    assert compared.gain_low > 0
    assert compared.accuracy["3"] > 0.8 > compared.accuracy["2"]
    world.actuator.apply(SetAlias(service=service, model=service, version="3"), op("promote"))
    world.advance(30.0)
    assert world.ledger.objectives_hold(service)


@pytest.mark.slow
def test_a_promoted_bad_version_is_worse_on_the_same_rows_and_its_promotion_is_on_record(play: Play) -> None:
    world = play("canary_quality_regression", 0, 60)
    happened = world.ledger.happened
    assert happened is not None
    now = world.clock.now()
    (change,) = world.registry.changes(now - timedelta(hours=2))
    assert (change.actor, change.before, change.after) == ("ml-team", "2", "3")
    compared = world.registry.compare(happened.service, "3", "2", now - timedelta(minutes=40), now)
    assert compared.gain_low > 0  # going from 3 back to 2 gains
    assert world.registry.model(happened.service).aliases["champion"] == "3"


def test_the_reference_is_labelled_and_older_than_the_log(fleet: Fleet) -> None:
    world = World(fleet)
    world.advance(30.0)
    rows = world.log.reference("credit")
    assert np.isfinite(rows.labels).all()
    assert rows.at.max() < world.clock.now().timestamp() - 86400


def test_what_is_not_there_is_absent(fleet: Fleet) -> None:
    world = World(fleet)
    now = world.clock.now()
    for ask in (
        lambda: world.registry.model("nothing"),
        lambda: world.registry.compare("chat", "1", "2", now, now),
        lambda: world.registry.compare("fraud", "1", "9", now, now),
        lambda: world.registry.compare("fraud", "1", "2", now, now),
        lambda: world.log.window("chat", now, now),
        lambda: world.log.reference("chat"),
        lambda: world.serving.probe("chat", "nobody"),
    ):
        with pytest.raises(Absent):
            ask()


def test_the_log_forgets_its_oldest_rows_and_finds_a_window_across_the_seam() -> None:
    log = RowLog(10, 1)
    for start in range(0, 24, 4):
        at = np.arange(start, start + 4, dtype=float)
        log.append(LoggedRows(at, at[:, None], at, np.ones(4), np.zeros(4, dtype=np.int16), at < 0))
    assert log.between(0, 100).at.tolist() == list(range(14, 24))
    assert log.between(17, 21).features[:, 0].tolist() == [17, 18, 19, 20]
    assert log.between(50, 60).at.size == 0


def test_answers_out_of_date_are_those_of_the_row_before() -> None:
    scores = np.arange(8.0)
    assert (outdated(scores, 0.0) == scores).all()
    assert (outdated(scores, 1.0) == np.roll(scores, 1)).all()


def test_labels_that_are_late_keep_what_was_known(fleet: Fleet) -> None:
    script = Scenario.model_validate(
        {
            "id": "late",
            "layer": "quiet",
            "about": "labels stop coming",
            "target": ["fraud"],
            "onset": [3000.0, 3000.0],
            "mutations": [{"what": "label_delay", "params": {"factor": 1000.0}}],
        }
    )
    world = World(fleet, seed=2, scenario=script)
    for _ in range(160):
        world.advance(30.0)
    now, began = world.clock.now(), world.clock.now() - timedelta(seconds=4800)
    known = {name: np.isfinite(world.log.window(name, began, now).labels) for name in ("fraud", "credit")}
    assert known["credit"].sum() - known["fraud"].sum() == pytest.approx(1800 / 30 * ROWS_PER_TICK, abs=ROWS_PER_TICK)
    assert known["fraud"].any()
