"""Faults are named as what they are; the same data without the fault is not accused."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from agent.drift.compare import compare
from agent.drift.finding import DriftReport, Limits
from agent.drift.instants import swapped, time_faults
from tests.drift.tables import Rows
from tools.grid import Floats

N = 4000
JANUARY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
MARCH = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
CITIES = ["München", "Köln", "Zürich", "Graz"]
Columns = dict[str, "Floats | list[str | None]"]


def columns(seed: int, start: float) -> Columns:
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.choice(24 * 60, N, p=_busy()))  # of sixty days, more by day than by night
    return {
        "weight": rng.normal(70, 10, N),
        "height": rng.normal(170, 8, N),
        "score": rng.random(N),
        "city": [CITIES[at] for at in rng.integers(0, 4, N)],
        "born": [f"{rng.integers(1, 29):02}/{rng.integers(1, 13):02}/{rng.integers(1950, 2005)}" for _ in range(N)],
        "seen_at": start + 3600.0 * hours + rng.random(N),
    }


def _busy() -> Floats:
    load = 1.2 + np.sin(2 * np.pi * np.arange(24 * 60) / 24)
    return np.asarray(load / load.sum(), np.float64)


def spoil(change: Callable[[Columns], None], sample: int = 0) -> DriftReport:
    now = columns(2, MARCH)
    change(now)
    return compare(Rows("before", **columns(1, JANUARY)), Rows("now", **now), Limits(sample=sample))


def some(share: float) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.random.default_rng(9).random(N) < share


def put(name: str, value: Callable[[Floats], Floats]) -> Callable[[Columns], None]:
    def change(now: Columns) -> None:
        old = now[name]
        assert isinstance(old, np.ndarray)
        now[name] = value(old)

    return change


def say(name: str, value: Callable[[str], str | None]) -> Callable[[Columns], None]:
    def change(now: Columns) -> None:
        old = now[name]
        assert isinstance(old, list)
        now[name] = [value(text or "") for text in old]

    return change


def _flip(at: Floats) -> Floats:
    return swapped(at)


def _exchange(now: Columns) -> None:
    now["weight"], now["height"] = now["height"], now["weight"]


def _repeat(now: Columns) -> None:
    for name, column in now.items():
        now[name] = np.concatenate([column, column[:200]]) if isinstance(column, np.ndarray) else column + column[:200]


def _drop(now: Columns) -> None:
    del now["score"]


def _hole(now: Columns) -> None:
    at = now["seen_at"]
    assert isinstance(at, np.ndarray)
    now["seen_at"] = np.where(at > MARCH + 30 * 86400, at + 9 * 86400, at)


FAULTS: dict[str, tuple[Callable[[Columns], None], str, str]] = {
    "kilo": (put("weight", lambda x: x * 1000), "weight", "unit"),
    "pounds": (put("weight", lambda x: x * 2.204623), "weight", "unit"),
    "some in grams": (put("weight", lambda x: np.where(some(0.02), x * 1000, x)), "weight", "unit"),
    "sign": (put("weight", lambda x: -x), "weight", "sign"),
    "sentinel": (put("score", lambda x: np.where(some(0.03), -999, x)), "score", "sentinel"),
    "stuck": (put("score", lambda x: np.full(N, 0.25)), "score", "stuck"),
    "nulls": (put("score", lambda x: np.where(some(0.01), np.nan, x)), "score", "nulls"),
    "infinite": (put("score", lambda x: np.where(some(0.01), np.inf, x)), "score", "infinite"),
    "decimals": (put("weight", np.rint), "weight", "precision"),
    "range": (put("score", lambda x: np.where(some(0.02), 1.3 + x, x)), "score", "range"),
    "swapped columns": (_exchange, "height", "swapped"),
    "encoding": (say("city", lambda x: x.encode().decode("latin-1")), "city", "encoding"),
    "broken encoding": (say("city", lambda x: x.replace("ü", "\ufffd")), "city", "encoding"),
    "spelling": (say("city", lambda x: x.upper() + " "), "city", "spelling"),
    "unseen": (say("city", lambda x: "Wien" if x == "Graz" else x), "city", "unseen"),
    "month first": (say("born", lambda x: "/".join([x[3:5], x[:2], x[6:]])), "born", "day and month"),
    "swapped instants": (put("seen_at", _flip), "seen_at", "day and month"),
    "time zone": (put("seen_at", lambda x: x + 5.5 * 3600), "seen_at", "time zone"),
    "hole": (_hole, "seen_at", "hole"),
    "duplicates": (_repeat, "(rows)", "duplicates"),
    "missing": (_drop, "score", "missing column"),
    "type": (lambda now: now.update(score=["0,5"] * N), "score", "type"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str) -> None:
    change, column, kind = FAULTS[name]
    report = spoil(change)
    assert (column, kind) in {(fault.column, fault.kind) for fault in report.faults}
    assert len(report.faults) <= 2
    assert report.alarming


def test_sound_data_has_no_faults() -> None:
    report = spoil(lambda now: None, 100_000)
    assert report.faults == ()
    assert not report.alarming


@pytest.mark.parametrize("seed", range(20))
def test_sound_data_of_many_shapes_have_no_faults(seed: int) -> None:
    def side(rng: np.random.Generator, rows: int) -> Rows:
        return Rows(
            heavy=rng.standard_cauchy(rows),
            count=rng.poisson(2, rows).astype(float),
            flag=rng.integers(0, 2, rows).astype(float),
            word=[f"w{at}" for at in rng.zipf(1.3, rows).clip(max=10**6)],
            mostly_nought=np.where(rng.random(rows) < 0.9, 0.0, rng.lognormal(0, 2, rows)),
        )

    rng = np.random.default_rng(seed)
    report = compare(side(rng, 3000), side(rng, int(rng.integers(500, 9000))))
    assert report.faults == ()
    assert not report.alarming


def test_dates_that_changed_places_leave_no_hole_behind() -> None:
    before: Floats = MARCH + np.arange(0.0, 900_000.0, 600.0, dtype=np.float64)
    after: Floats = np.add(before, 9 * 86400.0, dtype=np.float64)
    after = np.where(np.arange(1500) < 288, swapped(after), after)  # the first two days: a twelfth can be a month
    assert [fault.kind for fault in time_faults("seen_at", before, after)] == ["day and month"]


def through_days(seed: int, rows: int, days: int, turned: float = 0.0, swing: float = 0.8) -> Floats:
    """Instants of a daily rhythm, so many hours later."""
    rng = np.random.default_rng(seed)
    minutes = np.arange(24 * 60)
    load = 1 + swing * np.sin(2 * np.pi * (minutes / 60 - turned) / 24)
    found = JANUARY + 86400.0 * rng.integers(0, days, rows) + 60.0 * rng.choice(minutes, rows, p=load / load.sum())
    return np.sort(np.asarray(found, np.float64))


@pytest.mark.parametrize("turned", [2.0, -3.0, 5.5])
def test_a_time_zone_of_few_hours_is_told_by_how_many(turned: float) -> None:
    (fault,) = time_faults("at", through_days(0, 4000, 30), through_days(1, 4000, 7, turned))
    assert fault.text == f"the hours of the day are turned by {turned:+g} h: the time zone changed"


@pytest.mark.parametrize(("turned", "swing"), [(0.0, 0.8), (0.0, 0.0), (0.0, 0.4), (1.5, 0.4)])
@pytest.mark.parametrize("rows", [300, 4000])
def test_another_shape_of_the_day_is_no_time_zone(rows: int, turned: float, swing: float) -> None:
    before = through_days(0, 4000, 30, swing=0.0 if swing == 0 else 0.8)
    for seed in range(10):
        found = time_faults("at", before, through_days(seed + 1, rows, 7, turned, swing))
        assert not [fault for fault in found if fault.kind == "time zone"]


def through_hours(seed: int, start: float, swing: float, turned: float = 0.0) -> Floats:
    """Instants of a day and a half from an hour on, by a daily rhythm; stamped by a clock so many hours ahead."""
    rng = np.random.default_rng(seed)
    at = 3600.0 * start + 60.0 * np.arange(33 * 60)
    load = 1 + swing * np.sin(2 * np.pi * at / 86400)
    return np.sort(JANUARY + rng.choice(at, 4000, p=load / load.sum()) + 3600.0 * turned)


@pytest.mark.parametrize("swing", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("later", [2, 5])
def test_a_table_that_begins_some_hours_later_in_the_day_is_no_time_zone(swing: float, later: int) -> None:
    for seed in range(5):
        found = list(time_faults("at", through_hours(seed, 0, swing), through_hours(seed + 9, 48 + later, swing)))
        assert not found


def test_a_time_zone_is_told_from_a_table_of_a_day_and_a_half() -> None:
    (fault,) = time_faults("at", through_hours(0, 0, 0.8), through_hours(1, 48, 0.8, turned=4))
    assert fault.kind == "time zone"


def test_day_and_month_of_instants_written_as_text_are_looked_at_though_they_all_differ() -> None:
    at = (JANUARY + 3600.0 * np.arange(800)).astype("datetime64[s]").astype(object)
    one, two = ([each.strftime(form) for each in at] for form in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"))
    assert {fault.kind for fault in compare(Rows(at=one), Rows(at=two)).faults} == {"day and month"}
    assert not compare(Rows(at=one), Rows(at=one)).faults


@pytest.mark.parametrize("way", ["in Fahrenheit", "in Celsius"])
def test_some_rows_on_the_other_scale_of_temperature_are_named(way: str) -> None:
    rng = np.random.default_rng(4)
    before, now = (rng.normal(37, 0.4, N) for _ in range(2))
    if way == "in Celsius":
        before, now = before * 1.8 + 32, now * 1.8 + 32
    turned = now * 1.8 + 32 if way == "in Fahrenheit" else (now - 32) / 1.8
    mixed = np.where(some(0.03), turned, now)
    faults = compare(Rows("before", warmth=before), Rows("now", warmth=mixed), Limits(sample=0)).faults
    assert [fault.kind for fault in faults] == ["unit"]
    assert f"of the values are {way}: another unit" in faults[0].text
