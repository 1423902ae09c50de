"""What training would learn is compared with what it should be, before anything is trained; a release is found late."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.analysts import quality
from agent.analysts.columns import Spoil
from agent.bindings import Bindings
from agent.case import BLIND, Evidence
from agent.diagnose import diagnose
from agent.judged import QualityReading
from agent.preconditions import Ground, unmet
from agent.rulebook import read_rulebook
from agent.situate import situate
from playbooks.faults import shipped_faults
from policies.caps import Caps
from policies.decision import Verdict
from policies.judge import judge
from tests.agent.handmade import FLEET, START, Records, case_of, evidence, guess, incident, plan, scene, seen
from tools.action import TrainModel
from tools.change import Change
from tools.errors import Transient
from tools.memory_journal import MemoryJournal
from tools.records import InferenceWindow, Recomputed

SCORE, ENTITY = FLEET.service("score"), "service/score"
HOURS = 4.0  # of rows, the newest of which is the newest of all
NOW_TICK = int(HOURS * 120)
WORSE = QualityReading(START + timedelta(hours=HOURS), 500, 0.70, 0.66, 0.74)


def logged(*, step_at: float | None = None, ramp: bool = False, off_from: float | None = None) -> Records:
    """Rows of four hours: feature x steps at an hour, or creeps; and those computed anew, apart from a later one on."""
    rng, count, records = np.random.default_rng(2), 6000, Records()
    hours = np.linspace(0, HOURS, count, endpoint=False)
    at = START.timestamp() + 3600 * hours
    features = rng.normal(0, 1.0, (count, 2))
    if step_at is not None:
        features[hours >= step_at, 0] += 2.0
    if ramp:
        features[:, 0] += 3.0 * np.clip((hours - 1) / 2, 0, 1)
    again = features.copy()
    if off_from is not None:
        again[hours >= off_from, 0] += 0.3
    labels = rng.integers(0, 2, count).astype(np.float64)
    records.rows = InferenceWindow("score", ("x", "y"), at, features, labels, labels, np.full(count, "v1"))
    old = rng.normal(0, 1.0, (3000, 2))
    records.old = InferenceWindow(
        "score", ("x", "y"), at[:3000], old, labels[:3000], labels[:3000], np.full(3000, "v1")
    )
    records.happened = (released(1.0),)
    if off_from is not None or (step_at is None and ramp):
        records.again = Recomputed("score", ("x", "y"), at, features, again)
    return records


def released(hour: float) -> Change:
    at = START + timedelta(hours=hour)
    return Change(id="c", at=at, kind="release", entity=ENTITY, actor="ci", before="7", after="8", text="new code")


def examined(records: Any) -> tuple[Evidence, ...]:
    return quality.examine(incident(service="score"), scene(seen(NOW_TICK, {}, {"score": WORSE}), records=records))


def weights(found: tuple[Evidence, ...]) -> dict[str, float]:
    return {item.finding: item.weight for item in found}


def top(found: tuple[Evidence, ...]) -> tuple[str, bool]:
    older = evidence("older_version_better", -2.0, ENTITY)
    said = diagnose(incident(service="score"), (*found, older), shipped_faults())
    return said.hypotheses[0].fault, said.resolved


def test_a_small_effect_is_laid_to_the_release_of_hours_ago_that_brought_it() -> None:
    found = examined(logged(step_at=1.02))
    assert weights(found)["inputs_stepped"] == 2.5
    assert next(item for item in found if item.finding == "inputs_stepped").bindings == {"good_revision": "7"}
    assert top(found) == ("training_serving_skew", True)


def test_a_step_that_came_with_no_release_is_no_skew() -> None:
    found = examined(logged(step_at=2.5))
    assert weights(found)["inputs_stepped"] == -1.5
    assert top(found) == ("covariate_drift", True)


def test_features_served_otherwise_are_skewed_however_little_they_moved() -> None:
    found = examined(logged(off_from=1.05))
    assert (weights(found)["features_skewed"], weights(found)["inputs_moved"]) == (2.5, -1.5)
    assert weights(found)["inputs_stepped"] == 2.5
    assert top(found) == ("training_serving_skew", True)


def test_skew_that_no_release_explains_is_nobodys_to_train_away() -> None:
    found = examined(logged(off_from=2.5))
    assert (weights(found)["features_skewed"], weights(found)["inputs_stepped"]) == (2.5, -1.5)
    assert not top(found)[1]


def test_a_drift_whose_rows_are_as_they_are_computed_anew_is_no_skew_though_a_release_came() -> None:
    found = examined(logged(ramp=True))
    assert (weights(found)["features_skewed"], weights(found)["inputs_stepped"]) == (-0.5, -1.5)
    assert top(found) == ("covariate_drift", True)


def test_while_the_comparison_does_not_come_nothing_is_concluded() -> None:
    class Throttled(Records):
        def recomputed(self, service: str, start: datetime, end: datetime) -> Recomputed:
            raise Transient("429")

    records, told = Throttled(), logged(ramp=True)
    records.rows, records.old = told.rows, told.old
    found = examined(records)
    assert next(item for item in found if item.finding == "features_skewed").text.startswith(BLIND)
    assert top(found) == ("covariate_drift", False)


# -- before a training ---------------------------------------------------------------------------------------------
def trains(records: Any) -> str:
    since = START + timedelta(hours=2)
    window: Bindings = {"train_start": since.isoformat(), "train_end": (since + timedelta(hours=1)).isoformat()}
    return unmet("features_are_as_trained", Ground(SCORE, window, scene(seen(NOW_TICK, {}), records=records)))


def test_nothing_is_trained_on_rows_that_are_served_otherwise() -> None:
    assert "training would learn that" in trains(logged(off_from=1.0))
    assert not trains(logged(off_from=3.5))  # after the window
    assert not trains(logged(ramp=True))
    assert not trains(logged(step_at=1.0))  # nothing computes them anew: a person is asked


def test_nothing_is_trained_while_a_column_is_spoiled() -> None:
    spoilt = replace(seen(0, {}), spoiled={"score": (Spoil("unit_changed", "x", 1.0, "x is 1000 times what it was"),)})
    assert unmet("features_are_as_trained", Ground(SCORE, {}, scene(spoilt))) == (
        "x is 1000 times what it was: training would learn that"
    )


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ({"inputs_moved": 2.5, "features_skewed": 0.0}, Verdict.ASK),
        ({"joint_moved": 2.5}, Verdict.ASK),
        ({"inputs_moved": 2.5, "features_skewed": -0.5}, Verdict.ALLOW),
        ({"inputs_moved": -1.5, "features_skewed": 0.0}, Verdict.ALLOW),
    ],
)
def test_what_moved_and_cannot_be_compared_is_put_to_a_person(findings: dict[str, float], verdict: Verdict) -> None:
    action = TrainModel(
        service="score",
        model="score",
        version="p-1",
        start_at=START,
        end_at=START + timedelta(hours=1),
        max_seconds=60.0,
    )
    made = plan(action, service="score", fault="covariate_drift", playbook="retrain", class_="retrain")
    items = tuple(evidence(name, weight, ENTITY) for name, weight in findings.items())
    case = case_of(guess("covariate_drift", ENTITY), evidence=items, service="score")
    shown = scene(seen(0, {}, {"score": replace(WORSE, at=START)}))
    situation = situate(case, made, shown, MemoryJournal(), 1, "")
    decision = judge(made, situation, read_rulebook(None).rules, Caps())
    assert decision.verdict is verdict
    asked = any(reason.rule == "ask-for-uncompared-features" for reason in decision.reasons)
    assert asked is (verdict is Verdict.ASK)
