"""What is learnt from must be there, must be enough, and must leave rows to be judged by."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from agent.judged import QualityReading
from agent.lessons import LEAST_HALF, lessons
from tests.agent.handmade import START, Records, anomaly, case_of, scene, seen
from tools.records import InferenceWindow

CASE = case_of(service="score").model_copy(
    update={
        "incident": case_of(service="score").incident.model_copy(
            update={"anomalies": (anomaly("service/score", "quality", signal="accuracy"),)}
        )
    }
)


def fading(count: int, minutes: float, shares: tuple[float, ...]) -> InferenceWindow:
    """Return labelled answers since START, right as often as said, one part of the rows after another."""
    at = START.timestamp() + np.linspace(0, minutes * 60, count)
    share = np.repeat(shares, -(-count // len(shares)))[:count]
    right = (np.arange(count) * 0.6180339887 % 1.0) < share
    labels = (np.arange(count) % 2).astype(np.float64)
    scores = np.where(right, labels, 1 - labels) * 0.8 + 0.1
    return InferenceWindow("score", ("x",), at, np.zeros((count, 1)), scores, labels, np.full(count, "v2"))


@pytest.mark.parametrize("shares", [(0.9, 0.9, 0.7, 0.5), (0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.6, 0.4)])
def test_what_is_learnt_from_ends_after_it_began_where_rows_are_held_back(shares: tuple[float, ...]) -> None:
    records = Records()
    records.rows = fading(4000, 240, shares)  # so slowly that a quarter is held back
    shown = replace(scene(seen(0, {}), records=records), now=START + timedelta(hours=5))
    found = lessons("score", "v2", shown, CASE, ())
    assert found is not None
    first, last = (instant.timestamp() for instant in found)
    assert int(((records.rows.at >= first) & (records.rows.at < last)).sum()) >= LEAST_HALF
    assert int((records.rows.at >= last).sum()) == 1000


@pytest.mark.parametrize(("newer", "left"), [(True, 0), (False, 1000)])
def test_rows_are_held_back_where_no_newer_labels_come(newer: bool, left: int) -> None:
    records = Records()
    records.rows = fading(4000, 30, (0.6,))  # many answers a minute; their labels came all at once, or still come
    ends = START + timedelta(minutes=30)
    readings = [
        QualityReading(ends + 6 * step, 900, 0.6, 0.57, 0.63, newest_at=ends - timedelta(hours=1) + step * newer)
        for step in (timedelta(minutes=minutes) for minutes in range(0, 10, 2))
    ]
    looks = [seen(number, {}, {"score": reading}) for number, reading in enumerate(readings)]
    shown = replace(scene(*looks, records=records), now=START + timedelta(hours=2))
    found = lessons("score", "v2", shown, CASE, ())
    assert found is not None
    assert int((records.rows.at >= found[1].timestamp()).sum()) == left
