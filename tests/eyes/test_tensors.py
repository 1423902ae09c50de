"""PyTorch's eyes see what NumPy's see: same scores, same alarms, and each goes on from what the other saved."""

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.detect import Watch
from agent.eyes.engine import Eyes, Step
from agent.eyes.roster import Roster
from agent.eyes.tensors import TensorEyes
from config.eyes import EyesSettings
from config.fleet import Cadence
from tests.agent.handmade import FLEET
from tests.agent.handmade import TICK as DAY_TICK
from tests.agent.test_lookout import day

SERIES, TICK, START = 12, 300.0, 1_700_006_400.0


def noise(length: int, seed: int = 2) -> NDArray[np.float64]:
    """(length, SERIES): normal, heavy-tailed, counts, flat, seasonal, huge; with shifts, spikes, gaps and rubbish."""
    rng = np.random.default_rng(seed)
    at = np.arange(length)[:, None]
    found = rng.normal(size=(length, SERIES)) * np.linspace(0.1, 50, SERIES) + np.linspace(-5, 1e4, SERIES)
    found[:, 1] = rng.standard_t(2, length)
    found[:, 2] = rng.poisson(0.05, length)
    found[:, 3] = 45.0
    found[:, 4:6] = 10 * np.sin(2 * np.pi * at / 288) + rng.normal(size=(length, 2))
    found[length // 2 :, ::3] += 40.0
    found[length // 3, 1::4] *= 9.0
    found[rng.random(found.shape) < 0.02] = np.nan
    found[7, 0], found[9, 1], found[11, 2] = np.inf, -np.inf, 2.0**63
    return found


def run(eyes: "Eyes | TensorEyes", values: NDArray[np.float64], first: int = 0) -> list[Step]:
    return [eyes.update(START + TICK * (first + place), row) for place, row in enumerate(values)]


def alike(one: list[Step], two: list[Step]) -> None:
    mine, other = (np.array([step.scores for step in steps]) for steps in (one, two))
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)
    assert [step.refused for step in one] == [step.refused for step in two]
    for first, second in zip(one, two, strict=True):
        assert [(a.series, a.at, a.onset_at, a.reason) for a in first.alarms] == [
            (a.series, a.at, a.onset_at, a.reason) for a in second.alarms
        ]
        for a, b in zip(first.alarms, second.alarms, strict=True):
            assert (a.score, a.expected, a.value) == pytest.approx((b.score, b.expected, b.value), abs=1e-4)


def test_scores_and_alarms_are_those_of_numpy() -> None:
    values = noise(320)
    one, two = run(Eyes(SERIES, 2.0), values), run(TensorEyes(SERIES, 2.0), values)
    alike(one, two)
    assert sum(len(step.alarms) for step in one) >= 3


def test_instants_may_differ_by_series_and_go_backwards() -> None:
    values, rng = noise(200), np.random.default_rng(0)
    one, two = Eyes(SERIES, 2.0), TensorEyes(SERIES, 2.0)
    for place, row in enumerate(values):
        at = START + TICK * (place + rng.integers(-1, 2, SERIES).astype(np.float64))
        alike([one.update(at, row)], [two.update(at, row)])


@pytest.mark.parametrize("cut", [20, 250])
def test_each_goes_on_from_what_the_other_saved(cut: int) -> None:
    values = noise(380)
    whole = run(Eyes(SERIES, 2.0), values)
    there, back = TensorEyes(SERIES, 2.0), Eyes(SERIES, 2.0)
    start = Eyes(SERIES, 2.0)
    run(start, values[:cut])
    there.restore(start.save())
    alike(run(there, values[cut : cut + 100], cut), whole[cut : cut + 100])
    back.restore(there.save())
    alike(run(back, values[cut + 100 :], cut + 100), whole[cut + 100 :])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="values for"):
        TensorEyes(3, 2.0).update(0.0, np.zeros(4))
    with pytest.raises(ValueError, match="does not fit"):
        TensorEyes(3, 2.0).restore(Eyes(4, 2.0).save())


def test_a_roster_of_tensors_is_as_one_of_arrays() -> None:
    values, rng = noise(160), np.random.default_rng(4)
    rosters = Roster(Eyes(0, 2.0, most=9), forget=20), Roster(TensorEyes(0, 2.0, most=9), forget=20)
    for place, row in enumerate(values):
        keys = [f"s{series}" for series in range(SERIES) if rng.random() < 0.9 and (series != 3 or place < 60)]
        steps = [roster.update(START + TICK * place, keys, row[: len(keys)]) for roster in rosters]
        alike([steps[0]], [steps[1]])
        assert rosters[0].keys == rosters[1].keys
    heir = Roster(TensorEyes(0, 2.0, most=9))
    heir.restore(rosters[0].keys, rosters[0].state())
    alike([heir.update(1.8e9, ["s1"], np.ones(1))], [rosters[0].update(1.8e9, ["s1"], np.ones(1))])


def test_the_daemon_may_be_told_to_use_it() -> None:
    def said(engine: str) -> list[object]:
        settings = EyesSettings.model_validate({"budget": "one false alert per series per day", "engine": engine})
        guard, found = Watch(FLEET, Cadence(tick=DAY_TICK), settings), list[object]()
        for moment in day(130):
            guard.update(moment)
            found += [(each.at, each.signal, each.reason) for each in guard.departed]
        return found

    assert said("torch-cpu") == said("numpy") != []
