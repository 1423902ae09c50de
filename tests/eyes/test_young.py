"""The threshold is higher while little is known of a series."""

import numpy as np
import pytest

from agent.eyes.engine import Alarm, Eyes


def alarms(young: float, spike: float, at: int) -> list[Alarm]:
    eyes, values = Eyes(1, threshold=3.0, young=young), np.random.default_rng(0).normal(0, 1, at + 1)
    values[at] = spike
    return [alarm for step, value in enumerate(values) for alarm in eyes.update(60.0 * step, np.array([value])).alarms]


@pytest.mark.parametrize(("at", "factor"), [(60, 1 + 60 / 61), (600, 1 + 60 / 601)])
def test_the_threshold_falls_with_the_number_of_values(at: int, factor: float) -> None:
    (alarm,) = alarms(60.0, 40.0, at)
    assert alarm.threshold == pytest.approx(3.0 * factor)
    assert alarm.score >= alarm.threshold


@pytest.mark.parametrize(("young", "told"), [(0.0, [True, True]), (60.0, [False, True])])
def test_what_is_told_of_an_old_series_is_not_told_of_a_young_one(young: float, told: list[bool]) -> None:
    assert [any(alarm.at == 60.0 * at for alarm in alarms(young, 6.5, at)) for at in (60, 1200)] == told
