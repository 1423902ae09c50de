"""A promoted version is judged by what it would have answered, until labels of what it does answer are there."""

from datetime import timedelta
from typing import Any

import pytest

from agent.analysts import quality
from agent.judged import QualityReading
from agent.tried import Tried
from tests.agent.handmade import FLEET, START, Records, anomaly, incident, rows, scene, seen
from tools.change import Change
from tools.errors import Transient
from tools.records import Comparison

NOW = START + timedelta(minutes=30)
GOOD = QualityReading(NOW, 1800, 0.9, 0.88, 0.92, newest_at=NOW - timedelta(minutes=20))


def promotion(minutes: float = 28, actor: str = "ml-team", after: str = "v3") -> Change:
    """Return v3 put in the place of v2, so long after START."""
    at = START + timedelta(minutes=minutes)
    return Change(id=f"{at}", at=at, kind="promotion", entity="model/score", actor=actor, before="v2", after=after)


def registry(*happened: Change, would: float = 0.9) -> Records:
    """Return one in which v3 is right on 60 % of the rows on which v2 is on so many."""
    known = Records()
    known.versions, known.gain, known.would, known.happened = ("v2", "v3"), (-0.5, -0.4, -0.3), would, happened
    return known


def judged(known: Any, reading: QualityReading = GOOD) -> QualityReading:
    return Tried(known).instead(FLEET.services, {"score": reading}, NOW)["score"]


def test_a_bad_version_is_known_before_one_label_of_its_own() -> None:
    known = registry(promotion())
    found = judged(known)
    assert (found.accuracy, found.promoted_at) == (0.6, promotion().at)
    assert found.high < 0.8
    assert found.newest_at == GOOD.newest_at
    assert known.asked == [(NOW - timedelta(minutes=35), NOW)]


@pytest.mark.parametrize(
    "known",
    [
        registry(),
        registry(promotion(actor="prunella")),  # tried before it got any traffic
        registry(promotion(minutes=-6)),  # all of the labelled answers are its own
        registry(promotion(after="v1")),  # another alias
        registry(promotion(), promotion(minutes=29, actor="prunella")),  # and taken back by us
        registry(promotion(), would=0.7),  # where both are bad the rows are what is wrong
    ],
    ids=["nobody", "ours", "long ago", "elsewhere", "taken back", "both bad"],
)
def test_otherwise_answers_speak_for_themselves(known: Records) -> None:
    assert judged(known) is GOOD


def test_a_version_that_keeps_the_promise_is_none_of_it() -> None:
    class Fine(Records):
        def compare(self, *asked: Any) -> Comparison:
            return super().compare(*asked).model_copy(update={"accuracy": {"v2": 0.9, "v3": 0.81}})

    known = Fine()
    known.versions, known.gain, known.happened = ("v2", "v3"), (-0.5, -0.4, -0.3), (promotion(),)
    assert judged(known) is GOOD


@pytest.mark.parametrize("fails", ["changes", "model", "compare"])
def test_what_cannot_be_read_changes_nothing(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise Transient("later")

    known = registry(promotion())
    monkeypatch.setattr(known, fails, broken)
    assert judged(known) is GOOD


@pytest.mark.parametrize(
    ("auc", "kept"), [({"v2": 0.95, "v3": 0.94}, True), ({"v2": 0.95, "v3": 0.7}, False), ({}, None)]
)
def test_scores_that_only_lie_are_told_from_scores_that_rank_no_more(auc: dict[str, float], kept: bool | None) -> None:
    class Ranked(Records):
        def compare(self, *asked: Any) -> Comparison:
            return super().compare(*asked).model_copy(update={"auc": auc, "bias": dict.fromkeys(auc, 0.3)})

    known = Ranked()
    known.versions, known.gain, known.happened = ("v2", "v3"), (-0.5, -0.4, -0.3), (promotion(),)
    known.rows = rows(1800, version="v2")
    reading = judged(known)
    felt = anomaly("service/score", "quality", tick=56, signal="accuracy")
    found = quality.examine(incident(felt, service="score"), scene(seen(60, {}, {"score": reading}), records=known))
    said = {each.finding: each.weight > 0 for each in found}
    assert said["accuracy_down"]
    assert said["older_version_better"]
    assert said.get("ranking_kept") is kept
    assert known.asked[-1][0] == NOW - timedelta(minutes=35)  # on the rows that have labels
