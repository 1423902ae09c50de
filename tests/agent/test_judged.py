"""A fall that ends a little below the target is never sure on the newest answers; that it fell is."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from agent.analysts import quality
from agent.detect import Watch
from agent.judged import QualityReading, badly, fallen, stepped
from config.fleet import Cadence
from tests.agent.handmade import FLEET, START, TICK, Records, anomaly, incident, scene, seen
from tests.agent.test_observe import Port, observer
from tools.records import InferenceWindow

SMALL = QualityReading(START, 1000, 0.79, 0.764, 0.814)


def answers(hours: float, usual: float, lately: float) -> InferenceWindow:
    """Return answers of some hours before START; ``lately``: the share of right ones in the last half an hour."""
    at = START.timestamp() - np.linspace(hours * 3600, 1, round(hours * 4000))
    share = np.where(at > START.timestamp() - 1800, lately, usual)
    right = (np.arange(len(at)) * 0.6180339887 % 1.0) < share  # evenly spread, no chance in here
    labels = (np.arange(len(at)) % 2).astype(np.float64)
    scores = np.where(right, labels, 1 - labels).astype(np.float64) * 0.8 + 0.1
    return InferenceWindow("score", ("x",), at, np.zeros((len(at), 1)), scores, labels, np.full(len(at), "v2"))


@pytest.mark.parametrize(
    ("rows", "alarmed"),
    [
        (answers(9, 0.9, 0.79), True),  # it fell, and what is left is likelier broken than not
        (answers(9, 0.82, 0.79), False),  # it was never much better: by chance, as far as anybody knows
        (answers(9, 0.9, 0.81), False),  # it fell, and keeps the promise
        (answers(1, 0.9, 0.79), False),  # nobody knows what is usual
        (answers(9, 0.79, 0.79), False),
    ],
    ids=["fell", "always near", "kept", "young", "steady"],
)
def test_what_surely_fell_is_told_though_the_target_may_just_hold(rows: InferenceWindow, alarmed: bool) -> None:
    port = Port()
    port.rows = rows
    look = observer(port).look()
    reading = look.quality["score"]
    assert reading.high > 0.8  # never surely below
    assert (reading.fell_from is not None) is alarmed
    assert any(each.detector == "quality" for each in Watch(FLEET, Cadence(tick=TICK)).update(look)) is alarmed


def test_few_answers_of_the_hours_before_say_nothing() -> None:
    assert fallen(SMALL, np.ones(999, dtype=np.bool_)) is SMALL
    assert fallen(SMALL, np.ones(1000, dtype=np.bool_)).fell_from == 1.0


def test_the_diagnosis_says_what_it_was_before() -> None:
    felt = incident(anomaly("service/score", "quality", signal="cost"), service="score")
    for reading, down in ((SMALL, False), (replace(SMALL, fell_from=0.9), True)):
        found = quality.examine(felt, scene(seen(0, {}, {"score": reading}), records=Records()))
        said = next(each for each in found if each.finding == "accuracy_down")
        assert (said.weight > 0) is down
        assert ("hours before it was 90.0%" in said.text) is down
    assert SMALL.late == timedelta(0)


@pytest.mark.parametrize(("lately", "alarmed"), [(0.55, True), (0.9, False), (0.79, False)])
def test_a_fall_of_two_minutes_is_told_though_a_quarter_of_an_hour_is_not_down(lately: float, alarmed: bool) -> None:
    port = Port()
    at = START.timestamp() - np.linspace(9 * 3600, 1, 9 * 60 * 128)
    share = np.where(at > START.timestamp() - 150, lately, 0.9)
    right = (np.arange(len(at)) * 0.6180339887 % 1.0) < share
    labels = (np.arange(len(at)) % 2).astype(np.float64)
    scores = np.where(right, labels, 1 - labels).astype(np.float64) * 0.8 + 0.1
    port.rows = InferenceWindow("score", ("x",), at, np.zeros((len(at), 1)), scores, labels, np.full(len(at), "v2"))
    reading = observer(port).look().quality["score"]
    assert reading.misses(0.8) is alarmed
    assert (reading.rows < 400) is alarmed  # the stretch that is bad, and nothing of what was well before


def test_answers_as_right_as_ever_do_not_fall_by_chance() -> None:
    rng = np.random.default_rng(5)
    for usual, target in ((0.9, 0.78), (0.8, 0.78), (0.78, 0.78)):
        right = rng.random(200_000) < usual
        looks = range(1920, len(right), 256)
        assert not any(badly(right[end - 1920 : end], usual, target) for end in looks)


def test_a_fall_that_had_begun_before_its_steepest_part_is_no_step() -> None:
    at, even = np.arange(4000.0), np.arange(4000) * 0.6180339887 % 1.0
    usual, fallen_to = np.full(4000, 0.9), np.where(at >= 3400, 0.6, 0.9)
    begun = np.where(
        (at >= 3000) & (at < 3400), 0.8, fallen_to
    )  # for minutes it was neither what it was nor what it is
    assert stepped(at, even < usual) is None
    assert stepped(at, even < fallen_to) == pytest.approx(3400, abs=20)
    assert stepped(at, even < begun) is None
