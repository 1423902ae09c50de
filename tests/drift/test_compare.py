"""Reports: what moved is found and named, what did not move stays silent, and too little data is said."""

import numpy as np
import pytest

from agent.drift.chance import adjusted, chi_square_p, ranks, rate_p
from agent.drift.compare import compare
from agent.drift.finding import DriftReport, Limits
from agent.drift.gathering import gather_all
from tests.drift.tables import Rows
from tools.grid import Floats
from tools.tables import Labels, Numbers

ENGINE = Limits(exact_rows=0)


def table(seed: int, rows: int = 20_000, shift: float = 0.0, spread: float = 1.0) -> Rows:
    rng = np.random.default_rng(seed)
    country = Labels(rng.integers(0, 50, rows).astype(np.int32), tuple(f"c{at:02}" for at in range(50)))
    return Rows(age=rng.normal(shift, spread, rows), income=rng.lognormal(10, 1, rows), country=country)


def verdicts(report: DriftReport) -> dict[str, str]:
    return {move.feature: move.verdict for move in report.moves}


@pytest.mark.parametrize("limits", [Limits(), ENGINE], ids=["exact", "sketch"])
def test_a_mean_moved_by_a_tenth_of_a_deviation_is_found_alone(limits: Limits) -> None:
    report = compare(table(1), table(2, shift=0.1), limits)
    assert verdicts(report) == {"age": "moved", "income": "same", "country": "same"}
    assert report.headline.startswith("Look at age first")
    assert report.moves[0].effect_low < 0.0399 < report.moves[0].effect_high
    assert report.alarming


def test_a_wider_spread_is_found() -> None:
    assert verdicts(compare(table(1), table(2, spread=1.15)))["age"] == "moved"


def test_nothing_moved_and_nothing_said() -> None:
    report = compare(table(1), table(2))
    assert not report.alarming
    assert report.headline == "Nothing to look at: nothing moved that chance does not explain."


def test_one_category_of_fifty_that_doubles_is_found() -> None:
    rng = np.random.default_rng(3)
    weights = np.ones(50)
    weights[7] = 2
    codes = rng.choice(50, 20_000, p=weights / weights.sum()).astype(np.int32)
    moved = Rows(country=Labels(codes, tuple(f"c{at:02}" for at in range(50))))
    (move,) = compare(Rows(country=table(1).column("country")), moved).moves
    assert move.verdict == "moved"
    assert "'c07'" in move.text


def test_a_real_but_tiny_move_of_very_many_rows_is_called_slight() -> None:
    report = compare(table(1, 1_000_000), table(2, 1_000_000, shift=0.01))
    assert verdicts(report)["age"] == "slight"
    assert not report.alarming


def test_a_feature_that_the_model_leans_on_alarms_earlier_and_one_that_it_ignores_later() -> None:
    one, two = table(1, 200_000), table(2, 200_000, shift=0.03)
    assert verdicts(compare(one, two))["age"] == "slight"
    assert verdicts(compare(one, two, importance={"age": 3.0, "income": 0.1}))["age"] == "moved"
    two = table(2, 200_000, shift=0.1)
    assert verdicts(compare(one, two, importance={"age": 0.1, "income": 3.0}))["age"] == "slight"


def test_a_burst_of_nulls_is_found() -> None:
    current = table(2)
    column = current.column("age")
    assert not isinstance(column, Labels)
    column.values[np.random.default_rng(0).random(len(column)) < 0.005] = np.nan
    report = compare(table(1), current)
    assert any(move.kind == "nulls" and move.verdict == "moved" for move in report.moves)


def test_too_few_rows_are_said_to_be_too_few() -> None:
    report = compare(table(1, 40), table(2, 40, shift=5))
    assert set(verdicts(report).values()) == {"unsure"}
    assert report.headline.startswith("Too few rows")
    assert not report.alarming


def test_bad_numbers_are_counted_and_left_out() -> None:
    bad: Floats = np.array([np.nan, np.inf, -np.inf] * 100 + [0.0, 1.0] * 200)
    report = compare(Rows(x=bad), Rows(x=bad))
    assert not report.alarming
    compare(Rows(x=np.array([1e308, -1e308, 5e-324, 0.0] * 50)), Rows(x=np.array([-1.7e308, 1.7e308] * 100)))
    compare(Rows(x=np.full(200, np.nan)), Rows(x=np.full(200, np.inf)))
    compare(Rows(x=np.empty(0)), Rows(x=np.empty(0)))


def test_a_report_goes_through_json() -> None:
    report = compare(table(1), table(2, shift=1))
    assert DriftReport.model_validate_json(report.model_dump_json()) == report


def test_p_values_are_uniform_or_larger_when_nothing_moved() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(40))
    one, two = rng.multinomial(400, shares, 2000), rng.multinomial(700, shares, 2000)
    for p in (ranks(one, two).p, chi_square_p(one, two)[1], rate_p(one[:, 0], 400, two[:, 0], 700)):
        for level in (0.01, 0.05, 0.2):
            assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 2000)


def test_many_true_nulls_are_rarely_rejected() -> None:
    rng = np.random.default_rng(0)
    alarms = [adjusted(rng.random(50)).min() <= 0.05 for _ in range(2000)]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_what_is_kept_of_a_column_does_not_keep_the_column() -> None:
    """Fifty columns of ten million rows are read one after another; the samples of all of them stay."""
    one = Rows(x=np.arange(200_000, dtype=np.float64) % 977)
    kept = gather_all(one, one, Limits()).samples["x"]
    whole = one.column("x")
    assert isinstance(whole, Numbers)
    assert not any(np.shares_memory(side, whole.values) for side in kept)
    assert all(side.base is None and len(side) < len(whole.values) for side in kept)
