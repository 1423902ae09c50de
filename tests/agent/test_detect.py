"""What raises an alarm, what clears it, and what must do neither."""

import math

from hypothesis import given
from hypothesis import strategies as st

from agent.detect import Watch
from agent.judged import QualityReading
from agent.money import IDLE_FOR
from config.fleet import Cadence
from tests.agent.handmade import FLEET, REPLICA, START, TICK, seen, topology

TALK, TRAFFIC = "service/talk", {("requests", "service/talk"): 5.0}


def watch() -> Watch:
    return Watch(FLEET, Cadence(tick=TICK))


def signals(guard: Watch, tick: int, errors: float, **more: float) -> set[str]:
    values = {("error_ratio", TALK): errors, **TRAFFIC, **{(name, TALK): value for name, value in more.items()}}
    return {alarm.signal for alarm in guard.update(seen(tick, values))}


def test_a_blip_is_no_alarm_and_a_lasting_breach_is_one() -> None:
    guard = watch()
    assert [signals(guard, i, e) for i, e in enumerate((0.03, 0.0, 0.03, 0.0))] == [set()] * 4
    assert signals(guard, 4, 0.03) == {"error_ratio"}


def test_a_gross_breach_needs_two_looks_alone() -> None:
    guard = watch()
    assert signals(guard, 0, 0.5) == set()
    assert signals(guard, 1, 0.5) == {"error_ratio"}


def test_no_data_neither_raises_nor_clears() -> None:
    guard = watch()
    assert [signals(guard, i, math.nan) for i in range(6)] == [set()] * 6
    for tick in range(6, 9):
        signals(guard, tick, 0.03)
    assert all(signals(guard, tick, math.nan) == {"error_ratio"} for tick in range(9, 30))
    gone = [guard.update(seen(tick, TRAFFIC)) for tick in range(30, 40)]
    assert all([alarm.signal for alarm in alarms] == ["error_ratio"] for alarms in gone)
    assert [signals(guard, tick, 0.0) for tick in range(40, 46)][-1] == set()


def test_an_engine_that_stands_still_with_work_is_stuck_and_one_without_data_is_not() -> None:
    guard = watch()
    still = {("engine_steps", "replica/talk/talk-1"): 0.0, ("replica_running", "replica/talk/talk-1"): 3.0}
    assert not guard.update(seen(0, still))
    assert [a.detector for a in guard.update(seen(1, still))] == ["stuck"]
    assert [a.detector for a in guard.update(seen(2, {}))] == ["stuck"]
    other = watch()
    silent = {("replica_running", "replica/talk/talk-1"): 3.0}
    assert all(not other.update(seen(tick, silent)) for tick in range(5))


def test_accuracy_is_wrong_only_beyond_chance() -> None:
    guard = watch()
    maybe = QualityReading(START, 500, 0.79, 0.76, 0.82)
    surely = QualityReading(START, 500, 0.70, 0.66, 0.74)
    few = QualityReading(START, 50, 0.40, 0.30, 0.50)
    assert not guard.update(seen(0, {}, {"score": maybe}))
    assert not guard.update(seen(1, {}, {"score": few}))
    assert [a.detector for a in guard.update(seen(2, {}, {"score": surely}))] == ["quality"]
    assert [a.detector for a in guard.update(seen(3, {}))] == ["quality"]
    assert not guard.update(seen(4, {}, {"score": maybe}))


def test_money_over_budget_waits_and_needs_no_spare_replicas() -> None:
    def told(spend: float, use: float) -> set[str]:
        guard, last = watch(), int(IDLE_FOR / TICK) + 1
        return [signals(guard, t, 0.0, spend=spend, gpu_utilisation=use, replicas=8.0) for t in range(last + 1)][-1]

    assert told(20.0, 15.0) == {"spend"}
    assert told(20.0, 58.0) == {"spend"}
    assert told(9.0, 15.0) == set()


def test_idle_money_without_data_neither_begins_nor_ends() -> None:
    guard, last = watch(), int(IDLE_FOR / TICK) + 1
    idle = {"spend": 20.0, "gpu_utilisation": 15.0, "replicas": 8.0}
    for tick in range(last):
        signals(guard, tick, 0.0, **idle)
    assert signals(guard, last, 0.0, **idle) == {"spend"}
    assert signals(guard, last + 1, 0.0) == {"spend"}
    assert signals(guard, last + 2, 0.0, **{**idle, "spend": 9.0}) == set()


def test_money_over_budget_needs_no_reading_of_what_is_used() -> None:
    guard, last = watch(), int(IDLE_FOR / TICK) + 1
    assert [signals(guard, tick, 0.0, spend=20.0) for tick in range(last + 1)][-1] == {"spend"}
    assert all(not signals(watch(), tick, 0.0, gpu_utilisation=1.0) for tick in range(last + 1))


def test_one_still_look_and_then_no_data_is_no_stuck_engine() -> None:
    guard = watch()
    still = {("engine_steps", "replica/talk/talk-1"): 0.0, ("replica_running", "replica/talk/talk-1"): 3.0}
    assert not guard.update(seen(0, still))
    assert all(not guard.update(seen(tick, {})) for tick in range(1, 9))


def test_an_engine_that_is_idle_young_or_moving_is_not_stuck() -> None:
    steps, held = ("engine_steps", "replica/talk/talk-1"), ("replica_running", "replica/talk/talk-1")
    for values in ({steps: 0.0, held: 0.0}, {steps: 5.0, held: 3.0}):
        guard = watch()
        assert all(not guard.update(seen(tick, values)) for tick in range(4))
    young = REPLICA.model_copy(update={"started_at": START})
    where = topology().model_copy(update={"replicas": (young,)})
    guard = watch()
    assert all(not guard.update(seen(tick, {steps: 0.0, held: 3.0}, where=where)) for tick in range(4))


def test_a_machine_that_left_takes_its_alarm_along_and_a_lost_series_of_a_promise_does_not() -> None:
    guard = watch()
    both = {("xid", "gpu/n1/0"): 79.0, ("error_ratio", TALK): 0.5}
    for tick in range(3):
        alarms = guard.update(seen(tick, both))
    assert {alarm.signal for alarm in alarms} == {"xid", "error_ratio"}
    assert {alarm.signal for alarm in guard.update(seen(3, {("requests", TALK): 1.0}))} == {"error_ratio"}


def test_an_alarm_shows_the_bad_reading_and_since_when() -> None:
    guard = watch()
    for tick, errors in enumerate((0.03, 0.04, 0.05, 0.001)):
        alarms = guard.update(seen(tick, {("error_ratio", TALK): errors}))
    (alarm,) = alarms
    assert (alarm.value, alarm.expected, alarm.onset_at) == (0.05, 0.02, START)
    assert alarm.score > 1


def test_the_order_of_series_is_irrelevant() -> None:
    values = {("error_ratio", TALK): 0.5, ("ttft_p95", TALK): 9.0, ("xid", "gpu/n1/0"): 79.0}
    one, two = watch(), watch()
    for tick in range(4):
        first = one.update(seen(tick, values))
        second = two.update(seen(tick, dict(reversed(values.items()))))
    assert sorted(first, key=str) == sorted(second, key=str)


@given(st.lists(st.sampled_from([0.0, 0.03, 0.5, math.nan]), max_size=30))
def test_readings_that_are_not_there_change_nothing_wherever_they_are_missing(readings: list[float]) -> None:
    whole, holed = watch(), watch()
    known: set[str] = set()
    for tick, value in enumerate(value for value in readings if not math.isnan(value)):
        known = signals(whole, tick, value)
    said: set[str] = set()
    for tick, value in enumerate(readings):
        said = signals(holed, tick, value)
    assert said == known


def labels_seen(guard: Watch, tick: int, rows: int, echo: bool = False) -> bool:
    quality = {"score": QualityReading(START + TICK * tick, rows, 0.9, 0.85, 0.95, echo)} if rows else {}
    return "labels" in {alarm.signal for alarm in guard.update(seen(tick, TRAFFIC, quality))}


def test_labels_are_missed_only_where_they_came_steadily() -> None:
    steady, brief = watch(), watch()
    assert not any(labels_seen(steady, tick, 900) for tick in range(121))
    found = [labels_seen(steady, tick, 0) for tick in range(121, 160)]
    assert found.index(True) == 30  # a quarter of an hour
    assert all(found[30:])
    assert not labels_seen(steady, 160, 900)
    assert not any(labels_seen(brief, tick, 900) for tick in range(60))
    assert not any(labels_seen(brief, tick, 0) for tick in range(60, 180))


def test_labels_that_only_repeat_what_was_answered_are_an_alarm() -> None:
    guard = watch()
    assert not labels_seen(guard, 0, 900)
    assert labels_seen(guard, 1, 900, echo=True)
