"""What hides from single features: dependence, segments, embeddings; and since when."""

from datetime import UTC, datetime

import numpy as np
import pytest

from agent.drift.compare import compare
from agent.drift.finding import DriftReport
from agent.drift.joint import area, embeddings_moved
from tests.drift.tables import Rows
from tools.grid import Floats
from tools.tables import Labels

N = 20_000
CLOCK: Floats = np.arange(N, dtype=np.float64) * 10
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()


def normals(seed: int, correlation: float, features: int = 8) -> Floats:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(N, features))
    found[:, 1] = correlation * found[:, 0] + np.sqrt(1 - correlation**2) * found[:, 1]
    return found


def rows(values: Floats) -> Rows:
    return Rows("rows", **{f"f{at}": values[:, at] for at in range(values.shape[1])})


def verdicts(report: DriftReport) -> dict[str, str]:
    return {one.test: one.verdict for one in report.joint}


def test_a_changed_correlation_is_found_though_no_feature_moved() -> None:
    report = compare(rows(normals(1, 0.6)), rows(normals(2, 0.0)))
    assert {move.verdict for move in report.moves} == {"same"}
    assert verdicts(report) == {"correlation": "moved", "classifier": "moved", "mmd": "moved"}
    assert "f0 and f1 went from 0.5" in report.headline


@pytest.mark.slow
def test_moves_of_single_features_are_no_joint_move() -> None:
    report = compare(rows(normals(1, 0.5)), rows(3 + 2 * normals(2, 0.5)))
    assert {move.verdict for move in report.moves} == {"moved"}
    assert set(verdicts(report).values()) == {"same"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_like_sides_are_called_alike(seed: int) -> None:
    assert set(verdicts(compare(rows(normals(2 * seed, 0.3)), rows(normals(2 * seed + 1, 0.3)))).values()) == {"same"}


@pytest.mark.slow
def test_embeddings() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 2000, 128))
    assert {found.verdict for found in embeddings_moved(one, two, 0.01, 0)} == {"same"}
    two[:, 5] += 3 * (rng.random(2000) < 0.3)
    assert {found.verdict for found in embeddings_moved(one, two, 0.01, 0)} == {"moved"}


def test_the_area_under_the_curve_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    pairs = score[positive][:, None] - score[~positive][None]
    assert area(score, positive).statistic == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean())


def segmented(seed: int, shift: float) -> Rows:
    rng = np.random.default_rng(seed)
    codes = rng.choice(5, 60_000, p=[0.4, 0.3, 0.2, 0.09, 0.01]).astype(np.int32)
    return Rows(x=rng.normal(size=60_000) + shift * (codes == 4), plan=Labels(codes, ("a", "b", "c", "d", "rare")))


def test_a_move_in_one_part_of_a_hundred_is_found_there() -> None:
    report = compare(segmented(1, 0), segmented(2, 1.0))
    (found,) = report.segments
    assert (found.segment, found.value, found.feature) == ("plan", "rare", "x")
    assert report.headline.startswith("Look at x first: x moved where plan is 'rare'")
    assert compare(segmented(1, 0), segmented(2, 0)).segments == ()


def test_what_moved_everywhere_is_told_once() -> None:
    rng = np.random.default_rng(3)
    one, two = segmented(1, 0), segmented(2, 0)
    column = two.column("x")
    assert not isinstance(column, Labels)
    column.values[:] = rng.normal(1, 1, len(column))
    report = compare(one, two)
    assert report.moves[0].verdict == "moved"
    assert report.segments == ()


@pytest.mark.parametrize("what", ["place", "spread", "category", "nulls"])
def test_since_when(what: str) -> None:
    def side(seed: int, step: float) -> Rows:
        rng = np.random.default_rng(seed)
        late = np.arange(N) >= N * step
        x = rng.normal(size=N)
        city = rng.integers(0, 5, N).astype(np.int32)
        if what == "place":
            x += 0.5 * late
        elif what == "spread":
            x *= 1 + 0.5 * late
        elif what == "nulls":
            x[late & (rng.random(N) < 0.05)] = np.nan
        else:
            city[late & (rng.random(N) < 0.2)] = 3
        names = ("a", "b", "c", "d", "e")
        return Rows(x=x, city=Labels(city, names), seen_at=START + CLOCK)

    report = compare(side(1, 2.0), side(2, 0.6))
    moved = [move for move in report.moves if move.verdict == "moved"]
    assert len(moved) == 1
    assert moved[0].since is not None
    found = datetime.fromisoformat(moved[0].since).timestamp()
    assert abs(found - (START + 10.0 * 0.6 * N)) <= 10.0 * N / 24


def test_no_date_is_given_for_what_comes_and_goes() -> None:
    rng = np.random.default_rng(0)
    burst = 1.0 * (np.abs(np.arange(N) / N - 0.4) < 0.1)
    one = Rows(x=rng.normal(size=N), seen_at=START + CLOCK)
    two = Rows(x=rng.normal(size=N) + burst, seen_at=START + CLOCK)
    (move,) = compare(one, two).moves
    assert move.verdict == "moved"
    assert move.since is None
