"""What is worked out only where it may matter is, to the last bit, what would be worked out everywhere."""

import numpy as np
import pytest

from agent.eyes.columns import Reals, State
from agent.eyes.contract import WIDTH, Tick
from agent.eyes.medians import Medians, empty_median
from agent.eyes.records import empty_range, median, strangeness
from agent.eyes.restless import STEPS, WEIGHT, Restless

SERIES, LENGTH = 120, 700
LEAST = np.float32(0.1)


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


def same_ends(of: State, plain: State, width: str) -> None:
    for end in ("low", "high"):
        np.testing.assert_array_equal(of[f"{end}{width}"], plain[end])
