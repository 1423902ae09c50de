"""One suite for every detector, and for the block that they make up."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

from agent.detect_cli import By
from agent.eyes import block
from agent.eyes.block import DETECTORS, Block
from agent.eyes.changes import KINDS
from agent.eyes.columns import Reals
from agent.eyes.contract import WIDTH, Detector, Reading, Tick
from agent.eyes.try_out import START, STEP, statistics

MODULES = tuple(sorted(path.stem for path in Path(block.__file__).parent.glob("*.py") if ">>> " in path.read_text()))
Kind = type[Detector]
EVERY: tuple[Kind, ...] = (*DETECTORS, *KINDS.values())


def many(length: int, series: int, seed: int = 7) -> Reals:
    """Noise of several kinds, (length, series), each with something strange in it."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(length, series)) * np.linspace(0.1, 50, series) + np.linspace(-5, 1e6, series)
    found[length // 2 :, ::3] += 40.0
    found[:, 1::5] = np.round(found[:, 1::5])
    return found.astype(np.float32)


def run(detector: Detector, values: Reals, ages: range) -> list[Reading]:
    """Show a detector the values of ``ages``; what is remembered of earlier ones is rebuilt."""
    shifted = values - values[0]
    said = []
    for age in ages:
        recent = np.zeros((WIDTH, values.shape[1]), np.float32)
        newest = shifted[max(0, age - WIDTH + 1) : age + 1]
        recent[WIDTH - len(newest) :] = newest
        at = np.full(values.shape[1], START + STEP * age)
        said.append(detector.update(Tick(recent, np.full(len(at), age, np.int32), at)))
    return said


def stacked(said: list[Reading]) -> Reals:
    return np.array([reading.statistic for reading in said])


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_hold(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"agent.eyes.{module}"))
    assert tried.attempted
    assert not tried.failed


@pytest.mark.parametrize("kind", EVERY)
def test_a_detector_says_in_its_example_where_it_found_something(kind: Kind) -> None:
    (example, *_) = [each for each in doctest.DocTestFinder().find(kind) if each.examples]
    assert any("first_alarm(" in each.source and each.want.strip().isdecimal() for each in example.examples)


def test_the_command_offers_every_change_detector() -> None:
    assert [each.value for each in By] == list(KINDS)


@pytest.mark.parametrize("kind", EVERY)
def test_many_series_at_once_are_as_each_alone(kind: Kind) -> None:
    values = many(300, 11)
    together = stacked(run(kind(11), values, range(300)))
    for series in (0, 1, 5, 10):
        alone = stacked(run(kind(1), values[:, [series]], range(300)))
        np.testing.assert_array_equal(together[:, series], alone[:, 0])


@pytest.mark.parametrize("kind", EVERY)
def test_a_statistic_is_finite_never_below_nought_and_has_words(kind: Kind) -> None:
    for reading in run(kind(11), many(300, 11), range(300)):
        assert np.isfinite(reading.statistic).all()
        assert (reading.statistic >= 0).all()
        assert set(reading.word.tolist()) <= set(range(len(kind.words)))


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("level", [0.0, 45.0, -1e15])
def test_a_flat_line_is_never_strange(kind: Kind, level: float) -> None:
    assert not statistics(kind, [level] * 400).any()


@pytest.mark.parametrize("kind", EVERY)
def test_only_the_past_counts(kind: Kind) -> None:
    values = many(300, 4)
    other = values.copy()
    other[200:] = -7.0
    first, second = stacked(run(kind(4), values, range(200))), stacked(run(kind(4), other, range(300)))
    np.testing.assert_array_equal(first, second[:200])


@pytest.mark.parametrize("kind", DETECTORS)
def test_the_unit_does_not_matter(kind: Kind) -> None:
    values = [float(value) for value in np.random.default_rng(1).normal(50, 5, 300)]
    mine, other = statistics(kind, values), statistics(kind, [1024 * value for value in values])
    np.testing.assert_allclose(mine, other, atol=1e-4)


@pytest.mark.parametrize("kind", EVERY)
def test_a_saved_detector_goes_on_as_if_nothing_had_been(kind: Kind) -> None:
    values = many(300, 4)
    whole = stacked(run(kind(4), values, range(300)))
    first, second = kind(4), kind(4)
    run(first, values, range(150))
    second.restore(first.of)
    np.testing.assert_array_equal(stacked(run(second, values, range(150, 300))), whole[150:])


@pytest.mark.parametrize("kind", EVERY)
def test_a_state_of_another_form_is_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        kind(4).restore(kind(5).of)
    with pytest.raises(ValueError, match="does not fit"):
        kind(4).restore({})


@pytest.mark.parametrize("kind", EVERY)
def test_some_series_advanced_apart_leave_the_others_alone(kind: Kind) -> None:
    values = many(200, 6)
    whole, places = kind(6), np.array([1, 4])
    run(whole, values, range(199))
    before = {name: array.copy() for name, array in whole.of.items()}
    part = whole.taken(places)
    run(part, values[:, places], range(199, 200))
    whole.put(places, part)
    others = np.array([0, 2, 3, 5])
    for name, array in whole.of.items():
        np.testing.assert_array_equal(array[..., others], before[name][..., others])
    assert any((whole.of[name][..., places] != before[name][..., places]).any() for name in before)


@pytest.mark.parametrize("kind", EVERY)
def test_series_may_be_added_and_the_old_ones_go_on(kind: Kind) -> None:
    values = many(300, 4)
    alone = stacked(run(kind(4), values, range(300)))
    grown = kind(3)
    run(grown, values[:, :3], range(150))
    grown.grow(1)
    after = stacked(run(grown, values, range(150, 300)))
    np.testing.assert_array_equal(after[:, :3], alone[150:, :3])


def test_the_weight_of_a_series_is_small() -> None:
    state = Block(1000).state()
    assert sum(array.nbytes for array in state.values()) / 1000 < 1024  # bytes
