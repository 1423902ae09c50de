"""How many labelled rows are trained on depends on what they have to show."""

from dataclasses import replace

import pytest

from agent.bindings import bindings_for
from agent.judged import QualityReading
from tests.agent.handmade import START, TICK, Records, case_of, evidence, guess, rows, scene, seen

SCORE = "service/score"


@pytest.mark.parametrize(
    ("step", "moved", "enough"),
    [(True, -1.5, True), (False, -1.5, False), (True, 2.5, False), (True, 0.0, False)],
    ids=["one step", "little by little", "features moved", "nobody could look"],
)
def test_few_rows_are_enough_where_the_model_fell_at_once_and_features_lie_where_they_lay(
    *, step: bool, moved: float, enough: bool
) -> None:
    known, now = Records(), START + TICK * 60
    known.versions, known.rows = ("v1", "v2"), rows(1000)
    reading = QualityReading(now, 900, 0.6, 0.57, 0.63, newest_at=now, stepped_at=START if step else None)
    shown = scene(replace(seen(60, {}), quality={"score": reading}), records=known)
    case = case_of(guess("embedding_drift", SCORE), evidence=(evidence("inputs_moved", moved, SCORE),), service="score")
    found = bindings_for(case, shown, guess("embedding_drift", SCORE))
    assert ("train_start" in found) is enough
