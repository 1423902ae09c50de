"""What comes at the same hour of every week is told twice and then no more; anything else is told as before."""

import numpy as np
import pytest

from agent.eyes.engine import Alarm, Eyes, Step
from agent.eyes.week import HOURS, Week, WeeklyEyes

MONDAY, HOUR = 1_767_571_200.0, 3600.0
REASON = "is beyond all it has been"


class Nervous(Eyes):
    """Says of every value that is not about 10 that it departs."""

    least = 1.0

    def update(self, at: "float | np.ndarray[tuple[int], np.dtype[np.float64]]", values: np.ndarray) -> Step:
        now = float(np.max(at))
        alarms = tuple(
            Alarm(place, now, now, 5.0, self.threshold, 10.0, float(value), REASON)
            for place, value in enumerate(values)
            if np.isfinite(value) and abs(value - 10.0) > self.least
        )
        return Step(np.zeros(len(values), np.float32), alarms, {})


def told(eyes: WeeklyEyes, weeks: int, jobs: dict[int, float], odd: dict[int, float], scale: float = 1.0) -> list[int]:
    """Return the hours told of: 10, but for ``jobs`` by hour of the week, and ``odd`` by hour of all."""
    found = []
    for hour in range(weeks * HOURS):
        value = odd.get(hour, jobs.get(hour % HOURS, 10.0))
        found += [hour for _ in eyes.update(MONDAY + HOUR * hour, np.array([value])).alarms]
    return found


@pytest.mark.parametrize("job", [50.0, 2.0])
def test_a_weekly_job_is_told_twice_and_no_more(job: float) -> None:
    assert told(WeeklyEyes(Nervous(1, 3.0)), 6, {27: job}, {}) == [27, 27 + HOURS]


def test_once_is_no_habit_and_another_hour_or_size_is_news() -> None:
    odd = {3 * HOURS + 40: 50.0, 4 * HOURS + 40: 50.0, 5 * HOURS + 27: 300.0, 5 * HOURS + 90: 50.0}
    assert told(WeeklyEyes(Nervous(1, 3.0)), 6, {27: 50.0}, odd) == [27, 27 + HOURS, *sorted(odd)]


def test_noise_is_no_habit() -> None:
    eyes, rng = Nervous(1, 3.0), np.random.default_rng(0)
    eyes.least = -1.0
    noise = {hour: 10.0 + float(rng.normal()) for hour in range(5 * HOURS)}
    assert len(told(WeeklyEyes(eyes), 5, {}, noise)) >= 0.99 * 5 * HOURS


def test_it_goes_on_after_a_restart_and_forgets_who_is_gone() -> None:
    first, second = WeeklyEyes(Nervous(1, 3.0)), WeeklyEyes(Nervous(1, 3.0))
    told(first, 3, {27: 50.0}, {})
    second.restore_state(first.state())
    later = np.array([MONDAY + HOUR * (3 * HOURS + 27)])
    assert not second.update(float(later[0]), np.array([50.0])).alarms
    second.forget(np.array([0]))
    assert second.update(float(later[0]), np.array([50.0])).alarms
    with pytest.raises(ValueError, match="does not fit"):
        second.restore_state(Eyes(1, 3.0).state())


def test_magnitudes_rubbish_and_newcomers_do_not_matter() -> None:
    week, sizes = Week(4), np.array([1e-7, 1.0, 1e12, 0.0])
    for hour in range(3 * HOURS):
        values = sizes * (3.0 if hour % HOURS == 30 else 1.0)
        values[3] = 1e6 if hour % HOURS == 30 else 0.0
        if hour % 7 == 3:
            values[:] = np.nan
        week.update(MONDAY + HOUR * hour, values)
        if hour == 2 * HOURS:
            week.grow(1)
            sizes = np.append(sizes, 5.0)
    found = week.usual(MONDAY + HOUR * (3 * HOURS + 30), np.arange(5))
    np.testing.assert_allclose(found[:4], [3e-7, 3.0, 3e12, 1e6], rtol=2e-3)
    assert np.isnan(found[4])  # known for less than two weeks


def test_the_weight_of_a_series_is_small() -> None:
    assert sum(array.nbytes for array in Week(1000).of.values()) / 1000 < 400  # bytes
