"""Signals together: habits, not levels; a restart, a gap and another service change nothing."""

import numpy as np
from numpy.typing import NDArray

from agent.eyes.joint import Joint

Rows = NDArray[np.float64]


def habits(length: int, services: int, seed: int = 5) -> Rows:
    """(length, 4, services): two signals that follow the load, one against it, one that never moves but once."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=(length, services)) + 3 * np.sin(np.arange(length) / 400)[:, None]
    noise = 0.1 * rng.normal(size=(3, length, services))
    flat = np.where(np.arange(length)[:, None] == length - 5, 1.0, 0.0) * np.ones(services)
    return np.stack([100 + 9 * load + noise[0], 0.4 + 0.01 * load + 0.002 * noise[1], 50 - load + noise[2], flat], 1)


def run(joint: Joint, values: Rows) -> Rows:
    return np.array([joint.update(tick) for tick in values])


def test_a_broken_habit_is_far_and_a_shared_swing_is_not() -> None:
    values = habits(1200, 2)
    swing, broken = values.copy(), values.copy()
    swing[1100] += np.array([18.0, 0.02, -2.0, 0.0])[:, None]  # two spreads more load, everywhere
    broken[1100] += np.array([0.0, 0.05, 0.0, 0.0])[:, None]  # of one signal alone
    usual, swung, torn = (run(Joint(2, 4), each) for each in (values, swing, broken))
    most = np.nanmax(usual[300:], axis=0)
    assert (torn[1100] > 1.5 * most).all()
    assert (torn[1100] > 1.5 * swung[1100]).all()


def test_a_signal_that_seldom_moves_takes_no_part() -> None:
    values = habits(1200, 1)
    still = values.copy()
    still[:, 3] = 0.0
    np.testing.assert_allclose(run(Joint(1, 4), values), run(Joint(1, 4), still), rtol=1e-5)


def test_many_services_are_as_each_alone_and_a_saved_state_goes_on() -> None:
    values = habits(500, 5)
    whole = run(Joint(5, 4), values)
    np.testing.assert_allclose(run(Joint(1, 4), values[:, :, [3]])[:, 0], whole[:, 3], rtol=1e-4)
    first, second = Joint(5, 4), Joint(5, 4)
    run(first, values[:250])
    second.restore(first.of)
    np.testing.assert_array_equal(run(second, values[250:]), whole[250:])


def test_no_data_is_silent_and_teaches_nothing() -> None:
    values = habits(600, 1)
    holed = np.full((700, 4, 1), np.nan)
    holed[:400], holed[500:] = values[:400], values[400:]
    said = run(Joint(1, 4), holed)
    assert np.isnan(said[400:500]).all()
    np.testing.assert_array_equal(said[500:], run(Joint(1, 4), values)[400:])


def test_a_new_signal_is_learned_before_it_counts() -> None:
    values = habits(900, 1)
    narrow = Joint(1, 2)
    run(narrow, values[:450, :2])
    narrow.widen(2)
    wide = run(narrow, values[450:])
    assert np.isfinite(wide).all()
    assert wide[:120].max() < 10


def test_habits_stay_variances_where_signals_came_late_or_pause() -> None:
    """Else a distance of tiny departures is now nothing, now enormous."""
    rng = np.random.default_rng(3)
    load = 100 + 30 * np.sin(2 * np.pi * np.arange(900) / 288) + rng.normal(0, 3, 900)
    values = np.stack([load, 0.2 + 0.001 * load + rng.normal(0, 0.004, 900), load, rng.normal(size=900)], 1)[:, :, None]
    values[:20, 2], values[100:160, 0], values[20:, 3] = np.nan, np.nan, np.nan
    joint, least, said = Joint(1, 4), [], []
    for tick in values:
        said.append(float(joint.update(tick)[0]))
        least.append(np.linalg.eigvalsh(joint.of["habit"][:, :, 0]).min())
    assert min(least) > -1e-4
    known = np.array(said)[np.isfinite(said)]
    assert len(known) > 700
    assert known.min() > 0.001
    assert known.max() < 4
