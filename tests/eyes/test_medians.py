"""What is worked out only where it may matter is, to the last bit, what would be worked out everywhere."""

import numpy as np
import pytest

from agent.eyes import engine, loops
from agent.eyes.columns import Reals, State
from agent.eyes.contract import WIDTH, Tick
from agent.eyes.engine import Alarm, Eyes
from agent.eyes.medians import Medians, empty_median
from agent.eyes.records import empty_range, median, strangeness
from agent.eyes.restless import STEPS, WEIGHT, Restless

SERIES, LENGTH = 120, 700
LEAST = np.float32(0.1)


@pytest.fixture(params=["NumPy", pytest.param("compiled", marks=pytest.mark.slow)])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How it is worked out: as for few series, or in the loops for many."""
    found = str(request.param)
    if found == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(loops, "MANY", 1 if found == "compiled" else 10**9)
    return found


def values() -> Reals:
    """Noise, walks, rare events, rounded numbers, lines that jump, die or explode: (LENGTH, SERIES)."""
    rng = np.random.default_rng(5)
    found, kind = rng.normal(size=(LENGTH, SERIES)), np.arange(SERIES) % 8
    found[:, kind == 1] = rng.poisson(0.3, (LENGTH, int((kind == 1).sum())))
    found[:, kind == 2] = np.cumsum(found[:, kind == 2], axis=0)
    found[:, kind == 3] = np.round(found[:, kind == 3])
    found[LENGTH // 2 :, kind == 4] += 9.0
    found[LENGTH // 2 :, kind == 5] = 0.0
    found[300, kind == 6] = 1e15
    found[:, kind == 7] *= 1e-9
    return found.astype(np.float32)


def windows(of: Reals, width: int) -> list[Reals]:
    padded = np.concatenate([np.zeros((width - 1, SERIES), np.float32), of])
    return [padded[place : place + width] for place in range(len(of))]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("width", [9, 49, 97])
def test_medians_are_worked_out_wherever_they_may_be_records(width: int) -> None:
    of, plain = empty_median(SERIES, width), empty_range(SERIES)
    value, records = (np.full(SERIES, -2.0, np.float32), np.full(SERIES, 2.0, np.float32)), 0
    for place, recent in enumerate(windows(values(), width)):
        age = np.full(SERIES, place, np.int32)
        if place == 500:  # as after a restart: what is not saved begins anew
            of |= {name: array for name, array in empty_median(SERIES, width).items() if name.startswith("_")}
        found = Medians(of, width).update(recent, age, value, LEAST)
        floor = LEAST * (value[1] - value[0])
        wanted = strangeness(plain["low"], plain["high"], median(recent), age - np.int32(width - 1), floor)
        np.testing.assert_array_equal(found, wanted)
        records += int((found > 0).sum())
        same_ends(of, plain, str(width))
    assert records > 100


@pytest.mark.usefixtures("path")
def test_steps_are_added_up_wherever_they_may_be_records() -> None:
    restless, plain, records = Restless(SERIES), empty_range(SERIES), 0
    for place, recent in enumerate(windows(values(), WIDTH)):
        age = np.full(SERIES, place, np.int32)
        found = restless.update(Tick(recent, age, np.full(SERIES, 60.0 * place))).statistic
        steps = np.abs(np.diff(recent[-STEPS - 1 :], axis=0)).sum(axis=0) / np.clip(age, 1, STEPS).astype(np.float32)
        np.testing.assert_array_equal(found, WEIGHT * strangeness(plain["low"], plain["high"], steps, age))
        records += int((found > 0).sum())
        same_ends(restless.of, plain, "")
    assert records > 100


@pytest.mark.parametrize(
    ("seed", "size"),
    [(1, SERIES), pytest.param(2, SERIES, marks=pytest.mark.slow), pytest.param(3, 1, marks=pytest.mark.slow)],
)
def test_compiled_or_not_the_engine_says_the_same(seed: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(engine, "SIZE", size)
    every = 1 if size > 1 else 17  # of the series, which in blocks of one take their time
    monkeypatch.setattr(loops, "MANY", 10**9)
    plain, alarms, state = story(seed, every)
    monkeypatch.setattr(loops, "MANY", 1)
    scores, others, kept = story(seed, every)
    assert len(alarms) > 100 // every
    assert others == alarms
    np.testing.assert_array_equal(scores, plain)
    for name, array in state.items():
        np.testing.assert_array_equal(kept[name], array, err_msg=name)


def story(seed: int, every: int) -> tuple[Reals, list[Alarm], State]:
    """Series with gaps, rubbish and late readings; some are forgotten, others join, all go on after a restart."""
    rng, found, alarms = np.random.default_rng(seed), list[Reals](), list[Alarm]()
    rows = np.round(values()[200:500], 3).astype(np.float64) + rng.normal(size=SERIES) * 1e3
    rows[rng.random(rows.shape) < 0.03] = np.nan
    rows[rng.random(rows.shape) < 0.001] = -np.inf
    rows[150:220, ::7] = np.nan
    rows = rows[:, ::every]
    eyes = Eyes(first := rows.shape[1] * 5 // 6, 1.5)
    for place, row in enumerate(rows):
        if place == 180:
            eyes.forget(np.arange(0, first, 3))
        if place == 200:
            eyes.grow(len(row) - first)
        if place == 230:
            saved, eyes = eyes.save(), Eyes(len(row), 1.5)
            eyes.restore(saved)
        late = rng.integers(-1, 2, eyes.series) if place % 5 == 0 else 0
        step = eyes.update(np.asarray(300.0 * (place + late), np.float64), row[: eyes.series])
        found.append(step.scores)
        alarms += step.alarms
    return np.concatenate(found), alarms, {name: array for name, array in eyes.state().items() if "._" not in name}


def same_ends(of: State, plain: State, width: str) -> None:
    for end in ("low", "high"):
        np.testing.assert_array_equal(of[f"{end}{width}"], plain[end])
