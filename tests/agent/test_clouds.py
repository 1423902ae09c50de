"""Vectors among a model's inputs: another encoder is told from other things to encode, and neither from a season."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.analysts.clouds import Cloud, clouds
from agent.analysts.columns import Columns, Spoil, spoils
from simulator.world.tabular import Drift
from simulator.world.texts import text_problem

Floats = NDArray[np.float64]
NAMES = ("v[0]", "v[1]", "v[2]", "size")


def rows(seed: int, count: int = 1500) -> Floats:
    """Vectors that lean on a number beside them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=count)
    return np.column_stack([rng.normal(size=(count, 3)) @ np.diag([1.0, 0.5, 2.0]) + size[:, None], size])


def only(before: Floats, now: Floats) -> Cloud:
    (found,) = clouds(NAMES, before, now)
    return found


def test_equal_clouds_are_neither() -> None:
    found = [only(rows(seed), rows(seed + 100)) for seed in range(10)]
    assert not any(each.exchanged or each.moved for each in found)


def test_vectors_that_turn_while_all_else_stands_are_another_encoders() -> None:
    now = rows(1)
    now[:, :3] = now[:, [2, 0, 1]] * (-1.0, 1.0, 1.0)
    found = only(rows(0), now)
    assert found.exchanged
    assert not found.moved


def test_vectors_that_move_with_the_other_columns_are_not() -> None:
    now = rows(1)
    now += 1.8  # more of what was large before
    found = only(rows(0), now)
    assert found.moved
    assert not found.exchanged


def test_too_few_rows_vectors_that_are_missing_and_those_that_stand_still_say_nothing() -> None:
    before, now = rows(0), rows(1)
    assert not list(clouds(NAMES, before, now[:300]))
    assert not list(clouds(NAMES, before, np.where([True, True, True, False], np.nan, now)))
    assert not list(clouds(NAMES, before, np.where([True, True, True, False], 0.3, now)))
    assert not list(clouds(("a", "b", "c", "d"), before, now))  # no vectors


@settings(max_examples=15, deadline=None)
@given(hour=st.integers(0, 167), seed=st.integers(0, 40))
def test_what_is_in_season_is_neither(hour: int, seed: int) -> None:
    made, rng = text_problem(seed), np.random.default_rng([seed, hour])
    before = made.draw(rng, 2000, rng.uniform(0, 168, 2000))[0]
    now = made.draw(rng, 1280, float(hour))[0]
    assert not [each for each in clouds(made.names, before, now) if each.exchanged or each.moved]


@pytest.mark.parametrize(
    ("drift", "exchanged", "moved"),
    [
        (Drift(rotation=1.0), True, False),
        (Drift(rotation=0.6), True, False),  # an encoder that is rolled out
        (Drift(covariate=1.0), False, True),
        (Drift(covariate=0.6), False, True),
        (Drift(concept=1.0), False, False),
        (Drift(lag=True), False, False),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_texts_that_changed_are_told_from_an_encoder_that_did(
    drift: Drift, exchanged: bool, moved: bool, seed: int
) -> None:
    made, rng = text_problem(seed), np.random.default_rng(seed)
    before = made.draw(rng, 2000, rng.uniform(0, 168, 2000))[0]
    (found,) = clouds(made.names, before, made.draw(rng, 1280, 30.0, drift)[0])
    assert (found.exchanged, found.moved) == (exchanged, moved), found.words


def spoiled(drift: Drift, seed: int = 1) -> list[Spoil]:
    made, rng = text_problem(seed), np.random.default_rng(seed)
    before = Columns(made.names, made.draw(rng, 2000, rng.uniform(0, 168, 2000))[0])
    return list(spoils(before, Columns(made.names, made.draw(rng, 1280, 30.0, drift)[0])))


@pytest.mark.parametrize("seed", range(8))
def test_elements_of_a_vector_are_in_no_unit_and_change_no_places(seed: int) -> None:
    assert not spoiled(Drift(rotation=1.0), seed)
    assert not spoiled(Drift(), seed)


def test_vectors_that_are_missing_or_stand_still_are_spoiled() -> None:
    assert {each.finding for each in spoiled(Drift(nulls=1.0))} == {"nulls_up"}
    assert {each.finding for each in spoiled(Drift(stale=True))} == {"feature_stuck"}
