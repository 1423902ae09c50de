"""Proof needs data, and eyes that were open."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from agent.observe import Observation, Scene
from agent.verify import well_since
from config.fleet import Fleet, Objective, Service, ServiceKind
from tools.signal import Frame, SeriesKey
from tools.topology import Topology

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = Service(name="chat", kind=ServiceKind.LANGUAGE, objectives=(Objective(signal="error_ratio", target=0.02),))
KEYS = (SeriesKey("error_ratio", "service/chat"),)
GOOD, BAD, NONE = 0.01, 0.5, float("nan")


def scene(*values: float, skip: int = 0) -> Scene:
    seen = []
    for number, value in enumerate(values):
        at = START + timedelta(seconds=30 * (number + (skip if number >= len(values) // 2 else 0)))
        topology = Topology(at=at, deployments=(), replicas=(), nodes=())
        seen.append(Observation(at, Frame(at, KEYS, np.array([value])), topology, places={KEYS[0]: 0}))
    none: Any = None
    return Scene(Fleet(services=(SERVICE,)), seen[-1], tuple(seen), none, seen[-1].at)


def test_it_is_well_since_the_first_of_an_unbroken_row() -> None:
    found = well_since(scene(BAD, GOOD, GOOD, GOOD), SERVICE, START)
    assert found == START + timedelta(seconds=30)


def test_no_data_breaks_the_row() -> None:
    assert well_since(scene(GOOD, GOOD, NONE, GOOD), SERVICE, START) == START + timedelta(seconds=90)
    assert well_since(scene(GOOD, GOOD, GOOD, NONE), SERVICE, START) is None


def test_time_in_which_nobody_looked_breaks_the_row() -> None:
    looked = scene(GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, skip=20)
    assert well_since(looked, SERVICE, START) == looked.history[3].at


def test_what_was_before_does_not_count() -> None:
    since = START + timedelta(seconds=45)
    assert well_since(scene(GOOD, GOOD, GOOD, GOOD), SERVICE, since) == START + timedelta(seconds=60)
