"""What a feature explains of the target by itself: noise nothing, the target's own copy all."""

import doctest

import numpy as np
import pytest

from agent.drift import importance
from agent.drift.importance import explained, read_importance, share
from tests.drift.tables import Rows
from tools.errors import Malformed

N = 5_000


def sides(seed: int = 0) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    leaned, idle, target = rng.normal(size=N), rng.normal(size=N), rng.normal(size=N)
    target = np.abs(leaned) + 0.2 * target  # no straight line
    holes = np.where(target > 1.5, np.nan, idle)  # what is missing tells something
    return explained(Rows("rows", leaned=leaned, idle=idle, holes=holes, target=target), "target")


def test_the_examples_hold() -> None:
    assert doctest.testmod(importance) == (0, 2)


@pytest.mark.parametrize("seed", range(3))
def test_what_explains_weighs_and_noise_does_not(seed: int) -> None:
    found = sides(seed)
    assert set(found) == {"leaned", "idle", "holes"}
    assert found["leaned"] > 0.8
    assert 0.1 < found["holes"] < found["leaned"]
    assert found["idle"] < 0.01


def test_a_column_of_one_value_or_of_none_explains_nothing() -> None:
    target = np.arange(100.0)
    found = explained(Rows("rows", flat=np.ones(100), empty=np.full(100, np.nan), target=target), "target")
    assert found == {"flat": 0.0, "empty": 0.0}
    assert share(np.arange(100), target) == 0.0  # as many groups as rows


def test_an_unknown_target_is_said() -> None:
    with pytest.raises(Malformed, match="no column 'price'"):
        explained(Rows("rows", one=np.ones(3)), "price")
    with pytest.raises(Malformed, match="weight of age"):
        read_importance({"age": float("nan")}, "weights.json")
