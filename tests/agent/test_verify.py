"""Proof needs whole data, and eyes that were open."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.judged import QualityReading, wilson
from agent.observe import Scene
from agent.treatment import labels_wait
from agent.verify import (
    LEAST_LABELS,
    labelled_well,
    measured,
    outgrown,
    standing,
    stepping,
    well_since,
    within_budget,
)
from tests.agent.handmade import (
    FLEET,
    START,
    TALK,
    TICK,
    Records,
    anomaly,
    case_of,
    incident,
    plan,
    rows,
    scene,
    seen,
    topology,
)
from tools.action import TrainModel

SERVICE, SCORE = FLEET.service("talk"), FLEET.service("score")
GOOD, BAD, NONE = 0.01, 0.5, float("nan")


def looked(*values: float, skip: int = 0, partial: int = -1) -> Scene:
    half = len(values) // 2
    ticks = [number + (skip if number >= half else 0) for number in range(len(values))]
    problems = [("a shard is away",) if number == partial else () for number in range(len(values))]
    return scene(
        *(
            seen(tick, {("error_ratio", TALK): value, ("ttft_p95", TALK): value}, problems=said)
            for tick, value, said in zip(ticks, values, problems, strict=True)
        )
    )


def test_it_is_well_since_the_first_of_an_unbroken_row() -> None:
    assert well_since(looked(BAD, GOOD, GOOD, GOOD), SERVICE, START) == START + TICK
    assert well_since(looked(GOOD, GOOD, BAD), SERVICE, START) is None


def test_no_data_breaks_the_row_and_so_does_a_partial_answer() -> None:
    assert well_since(looked(GOOD, GOOD, NONE, GOOD), SERVICE, START) == START + 3 * TICK
    assert well_since(looked(GOOD, GOOD, GOOD, NONE), SERVICE, START) is None
    assert well_since(looked(GOOD, GOOD, GOOD, GOOD, partial=2), SERVICE, START) == START + 3 * TICK


def test_time_in_which_nobody_looked_breaks_the_row() -> None:
    shown = looked(GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, skip=20)
    assert well_since(shown, SERVICE, START) == shown.history[3].at


def test_what_was_before_does_not_count() -> None:
    since = START + 1.5 * TICK
    assert well_since(looked(GOOD, GOOD, GOOD, GOOD), SERVICE, since) == START + 2 * TICK


@pytest.mark.parametrize(
    ("errors", "first", "word"),
    [
        (GOOD, 1.0, "holds"),
        (GOOD, NONE, "holds"),  # half is known, and holds
        (BAD, NONE, "broken"),
        (NONE, NONE, "no_data"),
    ],
)
def test_a_service_stands_broken_or_unknown(errors: float, first: float, word: str) -> None:
    assert standing(seen(0, {("error_ratio", TALK): errors, ("ttft_p95", TALK): first}), SERVICE) == word


def test_a_service_without_any_reading_is_no_data() -> None:
    assert standing(seen(0, {}), SERVICE) == "no_data"


@pytest.mark.parametrize(
    ("right", "count", "word"), [(0.9, 400, "holds"), (0.6, 400, "broken"), (0.9, LEAST_LABELS - 1, "no_data")]
)
def test_accuracy_is_proven_by_labels_of_answers_given_since(right: float, count: int, word: str) -> None:
    records = Records()
    assert labelled_well(scene(seen(62, {}), records=records), SCORE, START) == "no_data"  # no log at all
    records.rows = rows(count, right=right)
    assert labelled_well(scene(seen(62, {}), records=records), SCORE, START) == word
    assert labelled_well(scene(seen(62, {}), records=records), SCORE, START + timedelta(minutes=40)) == "no_data"
    assert labelled_well(scene(seen(62, {})), SERVICE, START) == "holds"  # nothing was promised about accuracy


@pytest.mark.parametrize(
    ("right", "minutes", "word"),
    [(0.82, 5, "no_data"), (0.82, 20, "holds"), (0.78, 5, "no_data"), (0.78, 20, "broken"), (0.9, 5, "holds")],
)
def test_accuracy_near_its_promise_takes_a_quarter_of_an_hour_to_prove(right: float, minutes: int, word: str) -> None:
    records = Records()
    records.rows = rows(1200, right=right)  # 40 a minute until START + 30 min, of a promised 80 %
    since = START + timedelta(minutes=30 - minutes)
    assert labelled_well(scene(seen(62, {}), records=records), SCORE, since) == word


LESSON = TrainModel(service="score", model="score", version="new", start_at=START, end_at=START + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("would", "count", "word"),
    [(0.7, 500, "broken"), (0.79, 500, "no_data"), (0.775, 500, "broken"), (0.7, 199, "no_data")],
)
def test_what_was_trained_is_known_to_fail_before_labels_of_its_own(would: float, count: int, word: str) -> None:
    records, newest = Records(), START + timedelta(minutes=14)
    records.gain, records.would, records.count = (-0.2, -0.1, -0.05), would, count
    reading = QualityReading(START, 900, 0.7, 0.67, 0.73, newest_at=newest)
    shown = scene(replace(seen(62, {}), quality={"score": reading}), records=records)
    made = plan(LESSON, service="score")
    assert labelled_well(shown, SCORE, shown.now, made) == word
    assert labelled_well(shown, SCORE, shown.now, plan(service="score")) == "no_data"  # it trained nothing
    if count >= 200:
        assert records.asked[0] == (LESSON.end_at, shown.now)  # on rows that it did not learn from


@pytest.mark.parametrize(("attempt", "word"), [(2, "broken"), (3, "no_data")])
def test_of_the_last_training_only_its_own_labels_count(attempt: int, word: str) -> None:
    records, newest = Records(), START + timedelta(minutes=16)
    records.gain, records.would = (-0.2, -0.1, -0.05), 0.775
    reading = QualityReading(START, 900, 0.7, 0.67, 0.73, newest_at=newest)
    shown = scene(replace(seen(62, {}), quality={"score": reading}), records=records)
    assert labelled_well(shown, SCORE, shown.now, plan(LESSON, service="score", attempt=attempt)) == word


@pytest.mark.parametrize(("minutes", "more"), [(14, False), (15, True)])
def test_there_is_more_to_learn_from_by_half_as_much_again(minutes: int, more: bool) -> None:
    reading = QualityReading(START, 900, 0.7, 0.67, 0.73, newest_at=START + timedelta(minutes=minutes))
    shown = scene(replace(seen(62, {}), quality={"score": reading}))
    assert outgrown(plan(LESSON, service="score"), shown) is more
    assert not outgrown(plan(service="score"), shown)
    assert not outgrown(plan(LESSON, service="score"), scene(seen(62, {})))


def test_a_case_about_money_is_over_within_the_budget() -> None:
    cost = case_of().model_copy(update={"incident": incident(anomaly(TALK, "cost", signal="spend"))})

    def word(spend: float, case: Any = cost) -> str:
        return within_budget(scene(seen(0, {("spend", TALK): spend})), SERVICE, case)

    assert (word(9.0), word(11.0), word(NONE)) == ("holds", "broken", "no_data")
    assert word(11.0, case_of()) == "holds"  # about something else


def test_an_engine_that_stands_still_breaks_no_objective_and_yet_is_no_recovery() -> None:
    hung = "replica/talk/talk-1"
    late = case_of().model_copy(update={"incident": incident(anomaly(TALK), anomaly(hung, "stuck"))})
    asked = {("requests", TALK): 5.0}

    def word(steps: float, case: Any = late, **where: Any) -> str:
        return stepping(scene(seen(0, {("engine_steps", hung): steps, **asked}, **where)), case)

    assert (word(0.0), word(40.0), word(NONE)) == ("broken", "holds", "no_data")
    assert word(0.0, where=topology().model_copy(update={"replicas": ()})) == "holds"  # it is gone
    assert word(0.0, case_of()) == "holds"  # about something else


def test_numbers_before_and_after_are_shown_with_what_is_not_known() -> None:
    found = measured(case_of(), scene(seen(0, {("error_ratio", TALK): GOOD})), SERVICE, None)
    assert [(item.signal, item.before, item.after, item.target) for item in found] == [
        ("error_ratio", 0.1, GOOD, 0.02),
        ("ttft_p95", None, None, 2.0),
    ]


def test_an_interval_of_a_share_narrows_with_the_count_and_stays_within_bounds() -> None:
    for share in (0.0, 0.5, 1.0):
        few, many = wilson(share, 10), wilson(share, 1000)
        assert 0.0 <= few[0] <= many[0] <= share <= many[1] <= few[1] <= 1.0


@pytest.mark.parametrize(("late", "waits"), [(20, 30), (40, 50), (600, 610)])
def test_a_proof_by_labels_waits_as_long_as_labels_are_late(late: float, waits: float) -> None:
    reading = QualityReading(START, 500, 0.7, 0.66, 0.74, newest_at=START - timedelta(minutes=late))
    looked, score = seen(0, {}, {"score": reading}), FLEET.service("score")
    assert labels_wait(looked, score) == timedelta(minutes=waits)
    assert labels_wait(seen(0, {}), score) == timedelta(minutes=30)
    assert labels_wait(looked, FLEET.service("talk")) == timedelta()
