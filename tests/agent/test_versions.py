"""A version is blamed by its own answers where it cannot be scored again: only if it is surely worse."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysts.versions import BEFORE, LEAST, turn
from tools.records import InferenceWindow

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows(before: float, after: float, count: int = 1000, unlabelled: int = 0) -> InferenceWindow:
    """Answers of version 1 up to AT and of version 2 from then on, right in so many cases."""
    each = np.linspace(1.0, BEFORE.total_seconds() - 1, count)
    at = np.concatenate([AT.timestamp() - each[::-1], AT.timestamp() + each])
    labels = np.ones(2 * count)
    chance = np.tile(np.random.default_rng(0).permutation(count) / count, 2)
    right = chance < np.repeat([before, after], count)
    labels[len(labels) - unlabelled :] = np.nan
    version = np.repeat(np.array(["1", "2"]), count)
    return InferenceWindow("fraud", (), at, np.empty((2 * count, 0)), np.where(right, 0.9, 0.1), labels, version)


@pytest.mark.parametrize(("before", "after", "fell"), [(0.9, 0.7, True), (0.9, 0.89, False), (0.7, 0.9, False)])
def test_only_a_sure_fall_is_one(before: float, after: float, fell: bool) -> None:
    found = turn(rows(before, after), "2", "1", AT)
    assert found is not None
    assert found.fell is fell
    assert found.before[0] == pytest.approx(before, abs=0.01)
    assert found.after[0] == pytest.approx(after, abs=0.01)


def test_too_few_labels_of_either_prove_nothing() -> None:
    assert turn(rows(0.9, 0.5, unlabelled=1000 - LEAST + 1), "2", "1", AT) is None
    assert turn(rows(0.9, 0.5), "2", "3", AT) is None


@given(share=st.floats(0.1, 0.95), seed=st.integers(0, 200))
def test_law_two_versions_that_are_alike_are_seldom_told_apart(share: float, seed: int) -> None:
    same = rows(share, share)
    assert turn(same, "2", "1", AT).fell is False  # type: ignore[union-attr]
    drawn = np.random.default_rng(seed).random(2000) < share
    found = turn(
        InferenceWindow("fraud", (), same.at, same.features, np.where(drawn, 0.9, 0.1), same.labels, same.version),
        "2",
        "1",
        AT,
    )
    assert found is not None
    assert not (found.fell and found.before[0] - found.after[0] < 0.03)
