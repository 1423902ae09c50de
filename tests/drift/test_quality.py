"""Calibration, gaps between groups, causes of a loss, and skew between training and serving."""

import numpy as np
import pytest

from agent.drift.concept import cause
from agent.drift.fairness import calibration, gaps_between, rate_changes, same
from agent.drift.skew import skew
from tests.drift.scored import rows
from tools.tables import Column, Labels, Numbers


def test_a_calibrated_model_has_no_error_and_an_overconfident_one_leans() -> None:
    rng = np.random.default_rng(0)
    true = rng.beta(2, 2, 20_000)
    seen = (rng.random(20_000) < true).astype(float)
    good = calibration(true, seen)
    assert good is not None
    assert good.error < 0.01
    assert good.lean_low < 0 < good.lean_high
    bad = calibration(np.clip(true + 0.1, 0, 1), seen)
    assert bad is not None
    assert bad.error == pytest.approx(0.1, abs=0.02)
    assert bad.lean_low > 0.08
    assert calibration(true[:20], seen[:20]) is None


def test_gaps_between_groups_are_sure_or_not() -> None:
    rng = np.random.default_rng(0)
    groups = Labels(rng.integers(0, 4, 20_000).astype(np.int32), ("a", "b", "c", "d"))
    right = (rng.random(20_000) < np.where(groups.codes == 2, 0.7, 0.8)).astype(float)
    found = gaps_between(groups, right)
    assert found[0].group == "c"
    assert found[0].sure
    assert found[0].low < -0.1 < found[0].high
    assert sum(gap.sure for gap in gaps_between(groups, (rng.random(20_000) < 0.8).astype(float))) == 0
    assert gaps_between(same(groups, np.zeros(20_000, bool)), right) == ()


def test_rates_of_two_windows() -> None:
    (refused, toxic) = rate_changes(
        {"refused": (20, 1000), "toxic": (5, 1000)}, {"refused": (60, 1000), "toxic": (6, 1000)}
    )
    assert refused.sure
    assert refused.gap == pytest.approx(0.04)
    assert not toxic.sure


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "turn", "verdict"), [(0, 0, "neither"), (1.0, 0, "inputs"), (0, 0.3, "concept")])
def test_inputs_and_concept_are_told_apart(shift: float, turn: float, verdict: str) -> None:
    rng = np.random.default_rng(4)
    found = cause(rows(rng, 20_000), rows(rng, 20_000, shift, turn))
    assert found is not None
    assert found.verdict == verdict
    assert found.change == pytest.approx(found.by_inputs + found.by_concept)


def test_without_labels_or_overlap_there_is_no_cause() -> None:
    rng = np.random.default_rng(4)
    assert cause(rows(rng, 1000), rows(rng, 1000, labels=0)) is None
    found = cause(rows(rng, 1000), rows(rng, 1000, 9.0))
    assert found is not None
    assert found.verdict == "cannot tell"


def test_skew_is_named() -> None:
    keys = Numbers(np.arange(1000.0))
    right = np.random.default_rng(0).normal(5, 1, 1000)
    logged: dict[str, Column] = {
        "same": Numbers(right),
        "cents": Numbers(right * 100),
        "late": Numbers(np.where(np.arange(1000) < 20, np.nan, right)),
        "city": Labels(np.array([0, 1] * 500, np.int32), ("a", "b")),
    }
    again: dict[str, Column] = {name: Numbers(right[10:]) for name in ("same", "cents", "late")}
    again["city"] = Labels(np.zeros(990, np.int32), ("a",))
    found = skew(keys, logged, Numbers(np.arange(10.0, 1000)), again)
    assert [(fault.column, fault.kind) for fault in found] == [
        ("cents", "skew"),
        ("city", "skew"),
        ("late", "skew"),
        ("(keys)", "orphans"),
    ]
    assert "times 100" in found[0].text
    assert "served as null" in found[2].text


def test_a_key_that_was_recomputed_more_than_once_is_no_skew() -> None:
    """Which row is meant is not known: that is said, and the rest is compared."""
    right = np.random.default_rng(0).normal(5, 1, 1000)
    keys = np.arange(1000.0)
    keys[:400] = np.arange(400) // 2  # 200 keys of two rows each
    served = np.where(keys >= 900, 100 * right, right)
    found = skew(Numbers(keys), {"x": Numbers(served)}, Numbers(keys), {"x": Numbers(right)})
    assert [(fault.column, fault.kind, round(fault.share, 2)) for fault in found] == [
        ("(keys)", "duplicates", 0.4),
        ("x", "skew", 0.17),
    ]
    several = np.tile(np.arange(500.0), 2)  # of one recomputed row many may have been served
    assert skew(Numbers(several), {"x": Numbers(several)}, Numbers(several[:500]), {"x": Numbers(several[:500])}) == ()
