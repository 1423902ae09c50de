"""Features that are served otherwise than training computes them are known, with what they cost, before any label."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from agent.judged import QualityReading
from agent.skewed import LATELY, Skewed, served_as
from tests.agent.handmade import FLEET, START, TICK, Records, rows, topology
from tools.errors import Transient
from tools.records import Comparison, InferenceWindow, Recomputed

NOW = START + timedelta(minutes=30)
GOOD = QualityReading(NOW, 1800, 0.9, 0.88, 0.92, newest_at=NOW - timedelta(minutes=20))
SINCE = NOW - LATELY + timedelta(seconds=30)


def served(share: float = 1.0, shift: float = 3.0, count: int = 300) -> Recomputed:
    """Return rows of the newest minutes of which a share is served with the first column shifted."""
    at = NOW.timestamp() - np.linspace(LATELY.total_seconds(), 1, count)
    again = np.random.default_rng(2).normal(size=(count, 2))
    given = again.copy()
    given[(at >= SINCE.timestamp()) & (np.arange(count) % 100 < 100 * share), 0] += shift
    return Recomputed("score", ("x", "y"), at, given, again)


class Port(Records):
    """A log and a registry: a model is right on 90 % of rows, and on 60 % where the first column is far out."""

    def __init__(self, again: Recomputed | None, *, harm: bool = True, kept: float = 0.9) -> None:
        super().__init__()
        self.again, self.harm, self.kept, self.versions = again, harm, kept, ("v2",)
        self.rows = rows(1800)
        self.fails = ""

    def recomputed(self, service: str, start: Any, end: Any) -> Recomputed:
        if self.fails == "recomputed":
            raise Transient("busy")
        return super().recomputed(service, start, end)

    def compare_on(self, first: str, second: str, rows: InferenceWindow) -> Comparison:
        if self.fails == "compare_on":
            raise Transient("busy")
        far = float(np.nanmean(rows.features[:, 0])) > 1.0 and self.harm
        found = {"model": "score", "rows": len(rows.at), "accuracy": {first: 0.6 if far else self.kept}}
        return Comparison.model_validate({**found, "log_loss": {}, "gain": 0, "gain_low": 0, "gain_high": 0})


def looks(port: Any, count: int = 2, reading: QualityReading = GOOD) -> QualityReading:
    """Look so often at every tick, after a release, and return the last reading."""
    eyes = Skewed(port, port, FLEET.services, timedelta(hours=9))
    found = {"score": reading}
    for _ in range(count):
        found = dict(eyes.instead({"score": reading}, topology(), NOW))
    return found["score"]


def test_what_it_costs_is_known_before_a_label_and_at_the_second_look() -> None:
    assert looks(Port(served()), 1) is GOOD
    found = looks(Port(served()))
    assert (found.accuracy, found.newest_at) == (0.6, GOOD.newest_at)
    assert found.high < 0.8
    assert found.served_at is not None
    assert abs((found.served_at - SINCE).total_seconds()) < 1


@pytest.mark.parametrize(
    "port",
    [
        Port(served(shift=0.0)),
        Port(served(share=0.1)),  # a few late values
        Port(served(count=40)),  # too few rows
        Port(served(), harm=False),  # the model does not mind
        Port(served(), kept=0.7),  # the promise was broken before
        Port(None),  # nothing computes features anew
    ],
    ids=["alike", "few", "little", "harmless", "ill before", "none"],
)
def test_otherwise_answers_speak_for_themselves(port: Port) -> None:
    assert looks(port, 3) is GOOD


@pytest.mark.parametrize("fails", ["recomputed", "compare_on"])
def test_what_cannot_be_read_is_no_all_clear(fails: str) -> None:
    port = Port(served())
    eyes = Skewed(port, port, FLEET.services, timedelta(hours=9))
    known = [eyes.instead({"score": GOOD}, topology(), NOW)["score"].accuracy for _ in range(2)]
    port.fails = fails
    known.append(eyes.instead({"score": GOOD}, topology(), NOW)["score"].accuracy)
    port.fails, port.again = "", served(shift=0.0)
    known.append(eyes.instead({"score": GOOD}, topology(), NOW)["score"].accuracy)
    assert known == [0.9, 0.6, 0.6, 0.9]


def test_it_is_looked_at_now_and_then_and_at_every_tick_after_a_release() -> None:
    class Counted(Port):
        looked = 0

        def recomputed(self, service: str, start: Any, end: Any) -> Recomputed:
            self.looked += 1
            return super().recomputed(service, start, end)

    port = Counted(served(shift=0.0))
    eyes = Skewed(port, port, FLEET.services, timedelta(minutes=5))
    where = topology()
    mine = where.deployments[0].model_copy(update={"service": "score"})
    told = []
    for tick in range(20):
        new = mine.model_copy(update={"current": "3" if tick >= 15 else "2"})
        eyes.instead({"score": GOOD}, where.model_copy(update={"deployments": (new,)}), NOW + TICK * tick)
        told.append(port.looked)
    assert told == [*[1] * 10, *[2] * 5, *range(3, 8)]


def test_rows_of_before_are_served_as_those_of_now() -> None:
    past = replace(rows(400), features=np.random.default_rng(3).normal(size=(400, 2)))
    half = served(share=0.5)
    found = served_as(past, half)
    off = np.abs(found.features[:, 0] - past.features[:, 0]) > 1
    assert off.mean() == pytest.approx(0.25, abs=0.02)  # as of those that are taken as examples
    assert np.array_equal(found.features[:, 1], past.features[:, 1])
    np.testing.assert_allclose(found.features[off, 0], past.features[off, 0] + 3.0, atol=1.0)
    lost = replace(half, served=np.where(half.served != half.again, np.nan, half.again))
    assert np.isnan(served_as(past, lost).features[:, 0]).mean() == pytest.approx(off.mean(), abs=0.05)
