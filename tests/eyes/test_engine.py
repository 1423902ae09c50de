"""The engine: alarms say what a person needs, bad input is counted, and a restart changes nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.eyes import engine
from agent.eyes.engine import Alarm, Eyes

Values = NDArray[np.float64]


def noise(length: int, series: int, seed: int = 3) -> Values:
    return np.random.default_rng(seed).normal(100.0, 5.0, (length, series))


def run(eyes: Eyes, values: Values, start: int = 0) -> list[Alarm]:
    return [alarm for age, row in enumerate(values, start) for alarm in eyes.update(60.0 * age, row).alarms]


def test_an_alarm_says_when_what_and_since_when() -> None:
    values = noise(600, 3)
    values[500:, 1] += 80.0
    first, *_ = run(Eyes(3, 4.0), values)
    assert (first.series, first.at, first.onset_at) == (1, 500 * 60.0, 500 * 60.0)
    assert first.score >= first.threshold == 4.0
    assert abs(first.expected - 100) < 10
    assert first.value > 150
    assert first.reason


def test_a_shift_is_told_once_and_not_at_every_value() -> None:
    values = noise(900, 1)
    values[500:] += 80.0
    assert 1 <= len(run(Eyes(1, 4.0), values)) <= 4


def test_what_cannot_be_used_is_counted_and_changes_nothing() -> None:
    clean, dirty = Eyes(2, 4.0), Eyes(2, 4.0)
    values = noise(300, 2)
    counts: dict[str, int] = {}
    for age, row in enumerate(values):
        clean.update(60.0 * age, row)
        for at, bad in (
            (60.0 * age, row),
            (60.0 * age, row + 900),
            (60.0 * age - 30, row + 900),
            (60.0 * age + 1, np.array([np.nan, np.inf])),
            (60.0 * age + 1, np.array([9223372036854775794.0, -np.inf])),
        ):
            step = dirty.update(at, bad)
            assert not step.alarms
            for reason, count in step.refused.items():
                counts[reason] = counts.get(reason, 0) + count
    assert counts == {"duplicate": 600, "out of order": 600, "no data": 300, "infinite": 600, "blank": 300}
    assert clean.save() == dirty.save()


def test_a_series_that_pauses_does_not_hold_up_the_others() -> None:
    values = noise(400, 2)
    both, alone = Eyes(2, 0.5), Eyes(1, 0.5)
    paused = values.copy()
    paused[100:250, 0] = np.nan
    found = [alarm.at for alarm in run(both, paused) if alarm.series == 1]
    assert found == [alarm.at for alarm in run(alone, values[:, [1]])]


def test_a_restart_in_between_changes_nothing() -> None:
    values = noise(600, 5)
    values[400:, 2] += 60.0
    whole, first, second = Eyes(5, 1.0), Eyes(5, 1.0), Eyes(5, 1.0)
    expected = run(whole, values)
    before = run(first, values[:300])
    second.restore(first.save())
    assert before + run(second, values[300:], 300) == expected
    assert whole.save() == second.save()


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Eyes(3, 1.0).restore(Eyes(4, 1.0).save())


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values = noise(300, 7)
    whole = run(Eyes(7, 0.5), values)
    monkeypatch.setattr(engine, "SIZE", 3)
    assert run(Eyes(7, 0.5), values) == whole


def test_what_was_saved_in_blocks_of_another_size_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    values, first, second = noise(300, 7), Eyes(7, 0.5), Eyes(7, 0.5)
    expected = run(Eyes(7, 0.5), values)
    before = run(first, values[:200])
    monkeypatch.setattr(engine, "SIZE", 3)
    third = Eyes(7, 0.5)
    third.restore(first.save())
    assert before + run(third, values[200:], 200) == expected
    second.restore(third.save())
    assert second.state().keys() == first.state().keys()


def test_series_join_up_to_a_limit() -> None:
    eyes = Eyes(2, 1.0, most=10)
    eyes.update(0.0, np.zeros(2))
    assert eyes.grow(5) == 5
    assert eyes.grow(1000) == 3
    assert eyes.update(60.0, np.zeros(10)).scores.shape == (10,)


def test_an_empty_scrape_is_no_alarm() -> None:
    eyes = Eyes(2, 1.0)
    run(eyes, noise(200, 2))
    step = eyes.update(1e6, np.full(2, np.nan))
    assert (step.alarms, dict(step.refused)) == ((), {"no data": 2})
    assert not Eyes(0, 1.0).update(0.0, np.empty(0)).alarms


def test_a_reading_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="3 values for 2 series"):
        Eyes(2, 1.0).update(0.0, np.zeros(3))
