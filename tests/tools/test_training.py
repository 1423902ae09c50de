"""A trained model repeats itself, survives the round trip, and passes the gate only when it really is better."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tools.errors import Malformed
from tools.training import (
    GateVerdict,
    PairedLosses,
    TabularModel,
    converted,
    evaluate,
    fit,
    fit_without,
    gate,
    row_losses,
)

Floats = NDArray[np.float64]


def rows(seed: int, n: int = 1500) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    x = rng.normal(50, 10, (n, 4))
    logit = 2.0 * (x[:, 0] - 50) / 10 - 2.0 * (x[:, 1] - 50) * (x[:, 2] - 50) / 100
    return x, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float64)


def judge(candidate: TabularModel, incumbent: TabularModel, x: Floats, y: Floats, min_gain: float = 0.0) -> GateVerdict:
    losses = PairedLosses(row_losses(candidate, x, y), row_losses(incumbent, x, y))
    return gate(evaluate(candidate, x, y), evaluate(incumbent, x, y), losses, min_gain=min_gain)


@pytest.fixture(scope="module")
def model() -> TabularModel:
    return fit(*rows(1), seed=3)


@pytest.fixture(scope="module")
def untaught() -> TabularModel:
    return fit(*rows(1), seed=3, epochs=1)


def test_it_learns(model: TabularModel) -> None:
    scores = evaluate(model, *rows(2))
    assert scores.n == 1500
    assert scores.accuracy > 0.74
    assert scores.auc > 0.83
    assert scores.calibration_error < 0.08


def test_the_same_seed_trains_the_same_model(model: TabularModel) -> None:
    assert fit(*rows(1), seed=3).digest == model.digest
    assert fit(*rows(1), seed=4).digest != model.digest


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=5, max_size=5))
def test_what_a_model_does_without_never_changes_what_it_answers(values: list[float]) -> None:
    less = lacking()
    x, _ = rows(2, 5)
    otherwise = x.copy()
    otherwise[:, 1] = values
    assert (less.predict(otherwise) == less.predict(x)).all()


@cache
def lacking() -> TabularModel:
    """Return a model that does without the second column."""
    return fit_without(*rows(1), [1], seed=3, epochs=5)


def test_without_nothing_is_as_ever(model: TabularModel) -> None:
    assert fit_without(*rows(1), [], seed=3).digest == model.digest


def test_torch_is_left_as_it_was_found() -> None:
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        fit(*rows(1, 50), seed=1, epochs=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_spent_budget_still_leaves_a_model() -> None:
    cut = fit(*rows(1), seed=3, epochs=10_000, budget_seconds=0.0)
    assert np.isfinite(cut.predict(rows(2)[0])).all()


def test_missing_values_are_means() -> None:
    x, y = rows(1)
    x[::3, 1] = np.nan
    x[:, 3] = np.nan
    model = fit(x, y, seed=1, epochs=3)
    assert model.mean[1] == pytest.approx(np.nanmean(x[:, 1]))
    filled = np.where(np.isfinite(x), x, model.mean)
    np.testing.assert_array_equal(model.predict(x), model.predict(filled))
    infinite = np.where(np.isfinite(x), x, np.inf)
    np.testing.assert_array_equal(model.predict(infinite), model.predict(filled))


def test_wild_values_do_not_break_predictions(model: TabularModel) -> None:
    probability = model.predict(np.array([[1e300, -1e300, 1e9, 0.0]]))
    assert 0.0 <= probability[0] <= 1.0


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.empty((0, 3)), np.empty(0), "need"),
        (np.ones(3), np.ones(3), "need"),
        (np.ones((3, 2)), np.ones(2), "need"),
        (np.ones((3, 2)), np.ones(3), "one class"),
        (np.full((2, 2), np.nan), np.array([0.0, 1.0]), "finite"),
        (np.ones((2, 2)), np.array([0.0, 2.0]), "0 or 1"),
        (np.ones((2, 2)), np.array([0.0, np.nan]), "0 or 1"),
    ],
)
def test_data_that_cannot_teach_is_refused(x: Floats, y: Floats, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fit(x, y, seed=1)


def test_bytes_round_trip(model: TabularModel) -> None:
    again = TabularModel.from_bytes(model.to_bytes())
    assert again.digest == model.digest
    np.testing.assert_array_equal(again.predict(rows(2)[0]), model.predict(rows(2)[0]))
    assert model.to_bytes() == again.to_bytes()


def test_bytes_that_are_no_model_are_malformed(model: TabularModel) -> None:
    data = model.to_bytes()
    for bad in (b"", b"nonsense", data[:100], data[:-30]):
        with pytest.raises(Malformed):
            TabularModel.from_bytes(bad)
    wrong = TabularModel(model.mean[:2], model.scale, model.hidden, model.hidden_bias, model.out, model.out_bias)
    with pytest.raises(Malformed, match="shapes"):
        TabularModel.from_bytes(wrong.to_bytes())


def test_scores_by_hand() -> None:
    flat = TabularModel(np.zeros(1), np.ones(1), np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.zeros(()))
    scores = evaluate(flat, np.zeros((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]))
    assert (scores.accuracy, scores.brier, scores.auc, scores.calibration_error) == (0.75, 0.25, 0.5, 0.25)
    assert scores.log_loss == pytest.approx(math.log(2))
    assert math.isnan(evaluate(flat, np.zeros((2, 1)), np.ones(2)).auc)
    with pytest.raises(ValueError, match="labels"):
        evaluate(flat, np.zeros((0, 1)), np.zeros(0))


def test_a_converted_model_answers_rows_that_come_otherwise_as_it_did(model: TabularModel) -> None:
    x, _ = rows(6)
    x[::7, 0] = np.nan
    shown = x.copy()
    shown[:, [1, 2]] = x[:, [2, 1]]
    shown[:, 0] *= 1000.0
    again = converted(model, (0, 1, 2), (0, 2, 1), np.array([1000.0, 1.0, 1.0]))
    assert np.allclose(again.predict(shown), model.predict(x), rtol=0, atol=1e-12)
    assert not np.allclose(model.predict(shown), model.predict(x), atol=0.1)
    back = converted(again, (0, 1, 2), (0, 2, 1), np.array([0.001, 1.0, 1.0]))
    assert np.allclose(back.predict(x), model.predict(x), rtol=0, atol=1e-12)


def test_a_converted_model_reads_renamed_classes_as_what_they_are(model: TabularModel) -> None:
    x, _ = rows(6)
    x[:, 2] = np.arange(len(x)) % 3
    shown = x.copy()
    shown[:, 2] = np.array([8.0, 7.0, 2.0])[x[:, 2].astype(int)] * (1 + 1e-15)
    shown[::7, 2] = x[::7, 2] = np.nan
    again = converted(model, (2,), (2,), np.ones(1), (((8, 0), (7, 1)),))
    assert np.allclose(again.predict(shown), model.predict(x), rtol=0, atol=1e-12)
    assert np.allclose(again.predict(x), model.predict(x), rtol=0, atol=1e-12)  # what it does not name is as it is
    kept = TabularModel.from_bytes(again.to_bytes())
    assert (kept.digest, kept.codes.tolist()) == (again.digest, [[2, 8, 0], [2, 7, 1]])
    assert again.digest != model.digest
    # Once more, another unit and another place: the tables go with their columns.
    twice = converted(again, (2,), (2,), np.ones(1), (((18, 8), (17, 7)),))
    moved = converted(twice, (0, 2), (2, 0), np.array([1.0, 2.0]))
    last = shown.copy()
    last[:, 2] = x[:, 0]
    last[:, 0] = np.where(shown[:, 2] > 3, shown[:, 2] + 10, shown[:, 2]) * 2
    assert np.allclose(moved.predict(last), model.predict(x), rtol=0, atol=1e-9)


def test_a_model_whose_codes_are_of_no_column_is_none(model: TabularModel) -> None:
    for wrong in (np.array([[9.0, 1, 2]]), np.zeros((1, 2)), np.zeros(3)):
        with pytest.raises(Malformed, match="codes"):
            TabularModel.from_bytes(replace(model, codes=wrong).to_bytes())


def test_auc_counts_the_pairs_in_order(model: TabularModel) -> None:
    x, y = rows(5, 60)
    p = model.predict(x)
    pairs = [(a > b) + 0.5 * (a == b) for a in p[y == 1] for b in p[y == 0]]
    assert evaluate(model, x, y).auc == pytest.approx(np.mean(pairs))


def test_the_gate_passes_the_better_model_alone(model: TabularModel, untaught: TabularModel) -> None:
    x, y = rows(2)
    assert judge(model, untaught, x, y).passed
    back = judge(untaught, model, x, y)
    assert not back.passed
    assert any(reason.startswith("failed: gain -") for reason in back.reasons)


def test_the_gate_holds_back_what_is_no_better_small_or_unproven(model: TabularModel, untaught: TabularModel) -> None:
    x, y = rows(2)
    assert not judge(model, model, x, y).passed
    assert not judge(model, untaught, x, y, min_gain=5.0).passed
    few = judge(model, untaught, x[:100], y[:100])
    assert not few.passed
    assert few.reasons[0] == "failed: held-out rows 100, at least 200 wanted"
    one_class = y == 1
    assert not judge(model, untaught, x[one_class], y[one_class]).passed


def test_the_gate_refuses_rows_that_do_not_pair(model: TabularModel) -> None:
    x, y = rows(2)
    losses = row_losses(model, x, y)
    with pytest.raises(ValueError, match="pair"):
        gate(evaluate(model, x, y), evaluate(model, x, y), PairedLosses(losses, losses[:10]))


def test_chance_rarely_passes_the_gate(model: TabularModel) -> None:
    x, y = rows(2, 400)
    scores, rng, passed = evaluate(model, x, y), np.random.default_rng(9), 0
    for _ in range(400):
        noise = rng.normal(0, 0.3, (2, 400))
        passed += gate(scores, scores, PairedLosses(noise[0], noise[1])).passed
    assert passed / 400 < 0.06  # a two-sided 95 % interval lets 2.5 % through
