"""Shifts of the world are cured by training anew; corruptions of what the model is shown are not the world's doing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.world.tabular import Drift, TabularProblem, problem
from tools.training import PairedLosses, TabularModel, evaluate, fit, gate, row_losses

Floats = NDArray[np.float64]
MADE = problem(11)
HEALTHY = Drift()


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def sample(seed: int, n: int, drift: Drift = HEALTHY, made: TabularProblem = MADE) -> tuple[Floats, Floats]:
    source = rng(seed)
    features, _, labels = made.draw(source, n, source.uniform(0, 168, n), drift)
    return features, labels


@pytest.fixture(scope="module")
def clean() -> TabularModel:
    return fit(*sample(1, 5000), seed=1)


def test_a_clean_model_is_near_the_best_there_is(clean: TabularModel) -> None:
    _, true, _ = MADE.draw(rng(), 20_000, 12.0)
    best = float(np.maximum(true, 1 - true).mean())
    assert best > 0.9
    assert evaluate(clean, *sample(2, 4000)).accuracy > best - 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("drift", [Drift(concept=0.5), Drift(covariate=0.6)])
def test_a_shift_costs_accuracy_and_retraining_wins_it_back(drift: Drift, seed: int) -> None:
    made = problem(seed)
    old = fit(*sample(seed, 5000, made=made), seed=1)
    before = evaluate(old, *sample(seed + 10, 4000, made=made))
    held_out = sample(seed + 20, 4000, drift, made)
    new = fit(*sample(seed + 30, 5000, drift, made), seed=1)
    after, cured = evaluate(old, *held_out), evaluate(new, *held_out)
    assert before.accuracy > 0.86
    assert after.accuracy < 0.8
    assert cured.accuracy > before.accuracy - 0.03
    losses = PairedLosses(row_losses(new, *held_out), row_losses(old, *held_out))
    assert gate(cured, after, losses, min_gain=0.02).passed


def test_the_concept_shift_leaves_the_rows_as_they_were() -> None:
    plain, shifted = sample(3, 500), sample(3, 500, Drift(concept=1.0))
    np.testing.assert_array_equal(plain[0], shifted[0])
    assert (plain[1] != shifted[1]).mean() > 0.3


def test_the_covariate_shift_leaves_the_truth_as_it_was() -> None:
    features, true, _ = MADE.draw(rng(), 1000, 12.0, Drift(covariate=1.0))
    again = 1 / (1 + np.exp(-MADE.concept.logit((features - MADE.location) / MADE.spread)))
    expected = MADE.label_noise + (1 - 2 * MADE.label_noise) * again
    np.testing.assert_allclose(true, expected, atol=1e-9)
    moved = features[:, MADE.chosen].mean(axis=0) - sample(5, 1000)[0][:, MADE.chosen].mean(axis=0)
    assert np.all(moved > 1.5 * MADE.spread[MADE.chosen])


@pytest.mark.parametrize("drift", [Drift(unit_change=True), Drift(date_flip=True), Drift(nulls=0.4)])
def test_a_corruption_changes_what_is_shown_and_not_the_truth(clean: TabularModel, drift: Drift) -> None:
    plain, spoiled = (MADE.draw(rng(8), 4000, 12.0, one) for one in (Drift(), drift))
    np.testing.assert_array_equal(plain[1], spoiled[1])
    np.testing.assert_array_equal(plain[2], spoiled[2])
    loss = evaluate(clean, spoiled[0], spoiled[2]).log_loss - evaluate(clean, plain[0], plain[2]).log_loss
    assert loss > 0.02


def test_each_corruption_is_what_it_says() -> None:
    plain = sample(4, 2000)[0]
    unit = sample(4, 2000, Drift(unit_change=True))[0]
    np.testing.assert_allclose(unit[:, MADE.chosen[0]], plain[:, MADE.chosen[0]] * 1000)
    flipped = sample(4, 2000, Drift(date_flip=True))[0]
    changed = flipped != plain
    assert changed.any(axis=0).tolist() == [name == "date" for name in MADE.names]
    assert 0.3 < changed[:, MADE.names.index("date")].mean() < 0.42
    kinds = [name.startswith("c") for name in MADE.names]
    renamed, mixed = (sample(4, 2000, each)[0] for each in (Drift(categories=True), Drift(shuffle=True)))
    np.testing.assert_allclose(renamed, plain + 24 * np.array(kinds))
    assert (mixed != plain).any(axis=0).tolist() == kinds
    assert {tuple(pair) for pair in np.rint(np.stack((plain, mixed))[:, :, -1].T).tolist()} == {
        (0, 27), (1, 24), (2, 28), (3, 25), (4, 29), (5, 26),
    }  # fmt: skip
    nulls = np.isnan(sample(4, 2000, Drift(nulls=0.25))[0])
    assert nulls[:, MADE.chosen].mean() == pytest.approx(0.25, abs=0.03)
    assert not np.delete(nulls, MADE.chosen, axis=1).any()


def test_rows_follow_the_hour() -> None:
    swung = int(np.argmax(MADE.swing))
    peak, trough = (MADE.draw(rng(), 5000, float(MADE.phase[swung]) + shift)[0][:, swung].mean() for shift in (0, 12))
    assert peak - trough == pytest.approx(2 * MADE.swing[swung] * MADE.spread[swung], rel=0.2)


def test_categories_are_few_and_labels_balanced() -> None:
    features, labels = sample(6, 5000)
    assert set(np.unique(np.round(features[:, -1], 6))) == {0, 1, 2, 3, 4, 5}
    assert 0.3 < labels.mean() < 0.5


def test_the_same_seed_draws_the_same() -> None:
    one, two = sample(7, 100), sample(7, 100, made=problem(11))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_another_encoder_leaves_each_feature_as_it_was_and_nothing_together() -> None:
    before, _ = sample(3, 20_000)
    after, _ = sample(3, 20_000, Drift(rotation=1.0))
    numeric = MADE.numeric
    quartiles = [np.quantile(rows[:, :numeric], [0.25, 0.5, 0.75], axis=0) for rows in (before, after)]
    assert np.abs(quartiles[0] - quartiles[1]).max() < (0.3 * MADE.spread[:numeric]).max()
    apart = np.corrcoef(before[:, :numeric].T) - np.corrcoef(after[:, :numeric].T)
    assert np.abs(apart).max() > 0.3
    assert (before[:, numeric:] == after[:, numeric:]).all()


def test_a_share_of_rows_is_skewed_and_the_others_are_not() -> None:
    before, _ = sample(3, 1000)
    after, _ = sample(3, 1000, Drift(skew=0.25))
    assert (before != after).any(axis=1).mean() == pytest.approx(0.25, abs=0.01)


def test_one_segment_alone_is_served_worse(clean: TabularModel) -> None:
    features, labels = sample(2, 6000, Drift(segment=1.0))
    right = (clean.predict(features) >= 0.5) == labels
    upper = features[:, MADE.numeric + 1] >= 3
    assert right[~upper].mean() > 0.85
    assert right[upper].mean() < 0.7
