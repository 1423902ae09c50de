"""Texts in the world: in season by hour and weekday, read by a model that is good, worse with drift, and curable."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.fleet import Fleet
from simulator.world.encoder import DIMENSIONS, grams
from simulator.world.learning import problem_of
from simulator.world.scorer import Scorer
from simulator.world.tabular import Drift
from simulator.world.texts import LEAST, MOST, VECTOR, TextProblem, encoder, text_problem
from simulator.world.topics import COMMON, KNOWN, LATER
from simulator.world.world import World
from tools.training import TabularModel, evaluate, fit
from tools.vectors import element, vectors

Floats = NDArray[np.float64]
MADE = text_problem(11)
PLAIN = Drift()


def sample(seed: int, n: int, drift: Drift = PLAIN) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    features, _, labels = MADE.draw(rng, n, rng.uniform(0, MADE.period, n), drift)
    return features, labels


@pytest.fixture(scope="module")
def clean() -> TabularModel:
    return fit(*sample(1, 8000), seed=1)


def test_what_people_write_about_has_its_hours_and_its_weekends() -> None:
    hours = np.arange(0, 168, 0.5)
    shares = MADE.shares(hours)
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(hours)))
    assert shares[:, len(KNOWN) :].max() == 0  # of later topics nobody writes yet
    daily = shares[:48, : len(KNOWN)]  # a Thursday
    assert (daily.max(axis=0) / daily.min(axis=0) > 1.4).mean() > 0.8
    friday, saturday = MADE.shares(36.0), MADE.shares(60.0)
    assert np.abs(friday - saturday).sum() > 0.1
    rng = np.random.default_rng(2)
    drawn = np.bincount(MADE.write(rng, 20_000, 36.0).topic, minlength=len(KNOWN | LATER)) / 20_000
    assert drawn == pytest.approx(friday, abs=0.015)


def test_a_text_is_some_words_of_its_topic_among_common_ones() -> None:
    written = MADE.write(np.random.default_rng(3), 2000, 12.0)
    texts = written.texts()
    assert {len(text.split()) for text in texts} == set(range(LEAST, MOST + 1))
    topics = [set(words.split()) for words in (KNOWN | LATER).values()]
    own = [
        len(set(text.split()) & topics[place]) / len(set(text.split()))
        for text, place in zip(texts, written.topic, strict=True)
    ]
    assert np.mean(own) > 0.6
    assert any(set(text.split()) & set(COMMON.split()) for text in texts)


def test_the_encoder_puts_texts_of_a_topic_beside_each_other_without_having_seen_a_label() -> None:
    written = MADE.write(np.random.default_rng(4), 1000, 12.0)
    cloud = written.mean(encoder(1)[written.words])
    cloud /= np.linalg.norm(cloud, axis=1, keepdims=True)
    near = cloud @ cloud.T
    np.fill_diagonal(near, -1.0)
    same = written.topic[near.argmax(axis=1)] == written.topic
    assert same.mean() > 0.7  # by chance one in sixteen


def test_a_word_that_is_misspelt_lies_near_the_word() -> None:
    assert len(set(grams("sneakers")) & set(grams("sneakerss"))) > len(set(grams("sneakers"))) / 2


def test_a_clean_model_is_near_the_best_there_is_and_far_above_the_larger_class(clean: TabularModel) -> None:
    rng = np.random.default_rng(5)
    features, true, labels = MADE.draw(rng, 8000, rng.uniform(0, 168, 8000))
    best, larger = float(np.maximum(true, 1 - true).mean()), max(labels.mean(), 1 - labels.mean())
    found = evaluate(clean, features, labels).accuracy
    assert best - 0.06 < found < best + 0.02
    assert found > larger + 0.2


@pytest.mark.parametrize("drift", [Drift(concept=1.0), Drift(covariate=1.0), Drift(rotation=1.0), Drift(segment=1.0)])
def test_a_shift_costs_accuracy_and_retraining_wins_most_of_it_back(clean: TabularModel, drift: Drift) -> None:
    rng = np.random.default_rng(7)
    features, true, labels = MADE.draw(rng, 4000, rng.uniform(0, 168, 4000), drift)
    cured = evaluate(fit(*sample(8, 6000, drift), seed=2), features, labels).accuracy
    after, best = evaluate(clean, features, labels).accuracy, float(np.maximum(true, 1 - true).mean())
    assert after < 0.78 < cured
    assert cured - after > 0.7 * (best - after)


@pytest.mark.parametrize("drift", [Drift(nulls=1.0), Drift(stale=True), Drift(lag=True), Drift(skew=1.0)])
def test_a_corruption_costs_accuracy_and_leaves_the_truth_as_it_was(clean: TabularModel, drift: Drift) -> None:
    shown, labels = sample(9, 4000, drift)
    assert evaluate(clean, shown, labels).accuracy < 0.8
    np.testing.assert_array_equal(labels, sample(9, 4000)[1])


def test_another_encoder_says_the_same_of_a_text_in_all_but_its_vector() -> None:
    plain, other = sample(10, 500)[0], sample(10, 500, Drift(rotation=1.0))[0]
    np.testing.assert_array_equal(plain[:, DIMENSIONS:], other[:, DIMENSIONS:])
    assert (plain[:, :DIMENSIONS] != other[:, :DIMENSIONS]).all()


def test_what_training_computes_anew_undoes_the_skew() -> None:
    plain, off = sample(12, 300)[0], sample(12, 300, Drift(skew=1.0))[0]
    np.testing.assert_allclose(MADE.recomputed(off, np.ones(300, np.bool_)), plain)
    np.testing.assert_array_equal(MADE.recomputed(plain, np.zeros(300, np.bool_)), plain)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    hour=st.floats(0, 1e6),
    count=st.integers(1, 80),
    covariate=st.floats(0, 1),
    rotation=st.floats(0, 1),
    nulls=st.floats(0, 1),
)
def test_rows_are_whole_whatever_drifts(
    seed: int, hour: float, count: int, covariate: float, rotation: float, nulls: float
) -> None:
    drift = Drift(covariate=covariate, rotation=rotation, nulls=nulls)
    shown, probability, labels = MADE.draw(np.random.default_rng(seed), count, hour, drift)
    again = MADE.draw(np.random.default_rng(seed), count, hour, drift)
    np.testing.assert_array_equal(shown, again[0])
    assert shown.shape == (count, len(MADE.names))
    assert ((probability > 0) & (probability < 1)).all()
    assert set(labels) <= {0.0, 1.0}
    empty = np.isnan(shown[:, 0])
    assert (np.isnan(shown[:, : DIMENSIONS + 2]) == empty[:, None]).all()  # an empty text has no vector, no length
    assert np.isfinite(shown[~empty]).all()
    assert ((shown[~empty, DIMENSIONS + 1] >= 0) & (shown[~empty, DIMENSIONS + 1] <= 1)).all()


def test_elements_of_a_vector_are_known_by_their_names() -> None:
    assert vectors(MADE.names) == {VECTOR: list(range(DIMENSIONS))}
    assert MADE.names[0] == element(VECTOR, 0)


def test_one_service_of_the_demo_fleet_reads_texts(fleet: Fleet) -> None:
    world = World(fleet)
    for _ in range(60):
        world.advance(30.0)
    scorers: dict[str, Scorer] = dict(world.log._scorers)
    assert {name for name, each in scorers.items() if isinstance(each.problem, TextProblem)} == {"recommend"}
    now = world.clock.now()
    rows = world.log.window("recommend", now - timedelta(hours=1), now, labelled=True)
    right = ((rows.scores >= 0.5) == (rows.labels >= 0.5)).mean()
    assert right == pytest.approx(world.ledger.values["recommend"]["accuracy"], abs=0.05)
    assert right > 0.82


def test_a_fault_of_tables_is_refused_where_there_are_none(fleet: Fleet) -> None:
    world = World(fleet)
    with pytest.raises(ValueError, match="recommend reads texts"):
        world.body.quality.shift("recommend", "units", 1.0)


def test_every_copy_has_a_problem_of_its_own() -> None:
    first, second = problem_of("recommend-1"), problem_of("recommend-2")
    assert isinstance(first, TextProblem)
    assert isinstance(second, TextProblem)
    assert not np.array_equal(first.base, second.base)
