"""NAB's scoring, by hand: a file of 1,000 rows, windows at 500..599, probation 150."""

import numpy as np
import pytest

from tests.bench.nab import Labelled, Numbers, probation, read_corpus, score

FILE = Labelled("a", np.arange(1000.0), np.zeros(1000), ((500, 599),))


def at(*rows: int) -> Numbers:
    found = np.zeros(1000)
    found[list(rows)] = 1.0
    return found


def test_nothing_is_nought_and_the_first_row_of_a_window_is_a_hundred() -> None:
    assert score([FILE], [np.zeros(1000)])[0] == 0
    assert score([FILE], [at(500)])[0] == pytest.approx(100)


def test_early_is_better_than_late_and_only_the_first_counts() -> None:
    early, late = score([FILE], [at(510)])[0], score([FILE], [at(595)])[0]
    assert 100 > early > late > 50
    assert score([FILE], [at(510, 550, 595)])[0] == early


def test_a_false_alarm_costs_eleven_hundredths_and_less_just_behind_a_window() -> None:
    assert score([FILE], [at(500, 300)], 1.0)[0] == pytest.approx(100 - 100 * 0.11 / 2)
    just_behind = score([FILE], [at(500, 601)], 1.0)[0]
    assert 100 - 100 * 0.11 / 2 < just_behind < 100


def test_the_first_rows_do_not_count() -> None:
    assert probation(1000) == 150
    assert probation(20_000) == 750
    assert score([FILE], [at(149, 500)])[0] == pytest.approx(100)
    assert score([FILE], [at(150, 500)], 1.0)[0] < 100


def test_the_best_threshold_is_found() -> None:
    scores = at(500) * 0.9
    scores[100:450] = 0.5
    found, threshold = score([FILE], [scores])
    assert found == pytest.approx(100)
    assert threshold == 0.9


def test_a_threshold_takes_all_rows_of_its_score() -> None:
    assert score([FILE], [np.ones(1000)])[0] == 0


@pytest.mark.slow
def test_the_detectors_hold_what_is_claimed_on_the_held_out_files(shared_data: object) -> None:
    """A taste of the benchmark: the short files of the held-out half, with the published threshold-free scoring."""
    from pathlib import Path

    from tests.bench.bench_nab import gaussian, seen

    files = [one for one in read_corpus(Path(str(shared_data)) / "anomaly" / "nab")[1::2] if len(one.at) < 2600]
    assert len(files) >= 5
    ours = score(files, seen(files))[0]
    assert ours > 50
    assert ours > 10 + score(files, [gaussian(one.values) for one in files])[0]
