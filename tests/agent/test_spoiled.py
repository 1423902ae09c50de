"""Columns that a model is shown are spoiled: seen before any label, told by day, graver once a promise is broken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from agent.analysts import quality
from agent.analysts.columns import Columns, spoils
from agent.case import Anomaly
from agent.correlate import correlate
from agent.diagnose import diagnose
from agent.judged import QualityReading
from agent.observe import Observation
from agent.shown import LASTING, Shown, Spoiled
from agent.spoiled import spoiled_inputs
from playbooks.faults import shipped_faults
from tests.agent.handmade import FLEET, START, Records, anomaly, incident, scene, seen, topology
from tools.errors import Transient
from tools.records import InferenceWindow

NAMES = ("x", "y", "date", "code")
EVERY = timedelta(minutes=10)
Table = np.ndarray


def drawn(seed: int, count: int = 1500) -> Table:
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 12, count) * 30.4 + rng.integers(1, 31, count)
    return np.stack((rng.normal(10, 2, count), rng.normal(90, 5, count), days, rng.integers(0, 4, count)), axis=1)


def window(table: Table, until: datetime = START) -> InferenceWindow:
    at = until.timestamp() - np.arange(len(table), 0, -1.0) * 0.3
    none = np.full(len(table), np.nan)
    return InferenceWindow("score", NAMES, at, table, none, np.zeros(len(table)), np.full(len(table), "v1"))


def nulls(table: Table) -> Table:
    table[::2, 0] = np.nan
    return table


def units(table: Table) -> Table:
    table[:, 1] *= 1000
    return table


def codes(table: Table) -> Table:
    table[:, 3] += 20
    return table


def places(table: Table) -> Table:
    return table[:, [1, 0, 2, 3]]


def stuck(table: Table) -> Table:
    table[:, 0] = 13.0
    return table


def dates(table: Table) -> Table:
    day = np.rint(table[:, 2] % 30.4)
    table[day > 12, 2] = np.nan
    return table


def found(table: Table) -> set[str]:
    return {spoil.finding for spoil in spoils(Columns(NAMES, drawn(0, 4000)), Columns(NAMES, table))}


SPOILT = [
    (nulls, "nulls_up", "null_burst"),
    (units, "unit_changed", "unit_change"),
    (codes, "category_new", "new_category"),
    (places, "columns_swapped", "schema_change"),
    (stuck, "feature_stuck", "feature_stale"),
]


@pytest.mark.parametrize(("spoil", "finding"), [pair[:2] for pair in SPOILT])
def test_a_spoiled_column_is_named(spoil: Callable[[Table], Table], finding: str) -> None:
    assert found(spoil(drawn(1))) == {finding}


def test_rows_as_before_few_rows_and_rows_that_drifted_are_not_spoiled() -> None:
    assert not any(found(drawn(seed, 400)) for seed in range(1, 60))
    assert not found(units(drawn(1, 50)))
    wider = drawn(2) - 10.0  # a feature about zero: whatever it is divided by, it stays there
    wider[:, 0] *= 1.6
    assert not any(
        spoil.finding == "unit_changed"
        for spoil in spoils(Columns(NAMES, drawn(0, 4000) - 10.0), Columns(NAMES, wider))
    )
    moved = drawn(2)
    moved[:, 0] = moved[:, 0] * 1.5 + 5
    assert not found(moved)


def test_another_unit_is_told_at_any_hour_of_the_day() -> None:
    table = drawn(1)
    table[:, 1] += 2.4  # what a season does: the reference is of a whole week
    assert found(units(table)) == {"unit_changed"}


# -- looking -------------------------------------------------------------------------------------------------------
def looked(records: Records, minutes: float = 0.0, by: Shown | None = None) -> Spoiled:
    return (by or Shown(records, ("score",), EVERY)).look(START + timedelta(minutes=minutes))


def test_the_newest_rows_are_held_beside_those_that_the_model_was_accepted_on() -> None:
    records = Records()
    records.old, records.rows = window(drawn(0, 4000)), window(nulls(drawn(1)))
    (spoil,) = looked(records)["score"]
    assert (spoil.column, round(spoil.share, 1)) == ("x", 0.5)
    slight = drawn(1)
    slight[::10, 0] = np.nan  # a tenth of the rows: evidence in a case, and no alarm
    records.rows = window(slight)
    assert looked(records) == {"score": ()}


def test_what_cannot_be_read_is_no_all_clear() -> None:
    class Throttled(Records):
        fails = False

        def window(
            self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
        ) -> InferenceWindow:
            if self.fails:
                raise Transient("429")
            return super().window(service, start, end, labelled=labelled)

    records = Throttled()
    assert looked(records) == {}
    records.old, records.rows = window(drawn(0, 4000)), window(nulls(drawn(1)))
    shown = Shown(records, ("score",), EVERY)
    before = looked(records, by=shown)
    records.fails = True
    assert looked(records, 11, by=shown) == before
    records.fails, records.rows = False, window(drawn(1), START + timedelta(minutes=22))
    assert looked(records, 12, by=shown) == before  # not yet due
    assert looked(records, 22, by=shown) == {"score": ()}


def test_what_one_look_saw_is_looked_at_again_before_anybody_is_told() -> None:
    records = Records()
    records.old, records.rows = window(drawn(0, 4000)), window(units(drawn(1)))  # of seven and a half minutes
    shown = Shown(records, ("score",), timedelta(hours=1))
    assert looked(records, by=shown)["score"]
    records.rows = window(drawn(1), START + timedelta(minutes=4))
    assert looked(records, 2, by=shown)["score"]  # seven and a half and two: no ten minutes yet
    assert not looked(records, 4, by=shown)["score"]  # it was a blip
    records.rows = window(units(drawn(1)), START + timedelta(hours=1))
    assert looked(records, 60, by=shown)["score"]
    records.rows = window(units(drawn(1)), START + timedelta(minutes=64))
    assert looked(records, 64, by=shown)["score"]
    records.rows = window(drawn(1), START + timedelta(minutes=70))
    assert looked(records, 70, by=shown)["score"]  # confirmed: the next look is due when it is due


# -- the alarm -----------------------------------------------------------------------------------------------------
def test_an_alarm_waits_for_what_is_no_blip_and_wakes_nobody() -> None:
    records, since = Records(), dict[str, datetime]()
    records.old, records.rows = window(drawn(0, 4000)), window(nulls(drawn(1)))
    spoiled = replace(seen(0, {}), spoiled=looked(records))
    assert not spoiled_inputs(spoiled, ("score",), since)
    later = replace(spoiled, at=START + LASTING)
    (alarm,) = spoiled_inputs(later, ("score",), since)
    assert (alarm.tier, alarm.entity) == ("daily", "service/score")
    assert START - timedelta(minutes=2) < alarm.onset_at <= START
    assert "x is missing" in alarm.reason
    assert not spoiled_inputs(replace(later, spoiled={}), ("score",), since)
    assert not since


@pytest.mark.parametrize("minutes", [2, 3, 4, 6])
def test_what_is_spoiled_is_as_old_as_its_rows_and_not_as_the_first_look(minutes: int) -> None:
    records, table = Records(), drawn(1)  # of seven and a half minutes, and a row takes 0.3 s
    table[-200 * minutes :, 1] *= 1000
    records.old, records.rows = window(drawn(0, 4000)), window(table)
    (alarm,) = alarms(replace(seen(20, {}), spoiled=looked(records)))
    late = alarm.onset_at - (START - timedelta(minutes=minutes))
    assert timedelta(0) <= late < timedelta(minutes=2)  # a look at so many rows takes those of two minutes


def alarms(observed: Observation) -> list[Anomaly]:
    return spoiled_inputs(observed, ("score",), {})


INPUTS = anomaly("service/score", "inputs", signal="inputs", tier="daily")
FELL = anomaly("service/score", "quality", tick=40, signal="accuracy")


def test_spoiled_inputs_are_one_incident_that_grows_grave_with_the_first_broken_promise() -> None:
    (quiet,) = correlate((INPUTS,), (), FLEET, topology(), START)
    assert (quiet.tier, quiet.severity) == ("daily", "low")
    (grave,) = correlate((INPUTS, FELL), (quiet,), FLEET, topology(), START)
    assert (grave.id, grave.tier, grave.severity) == (quiet.id, "immediate", "medium")
    told = [(quiet, START + timedelta(minutes=1))]
    (news,) = correlate((INPUTS, FELL), (), FLEET, topology(), START + timedelta(hours=1), told)
    assert news.tier == "immediate"


def test_money_and_inputs_at_one_time_are_two_matters() -> None:
    money = anomaly("service/score", "cost", signal="spend", tier="daily")
    found = correlate((INPUTS, money), (), FLEET, topology(), START)
    assert len({each.id for each in found}) == 2


def test_nobody_who_leans_on_a_service_is_explained_by_inputs_that_break_no_promise() -> None:
    quiet = incident(anomaly("service/out", "inputs", signal="inputs", tier="daily"), service="out")
    own = anomaly("service/talk", tick=2)
    (found,) = correlate((own,), (quiet,), FLEET, topology(), START + timedelta(minutes=9))
    assert found.service == "talk"


# -- the diagnosis -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spoil", "fault"), [*((spoil, fault) for spoil, _, fault in SPOILT), (dates, "date_format_flip")]
)
@pytest.mark.parametrize("reading", [QualityReading(START, 500, 0.85, 0.82, 0.88), None])
def test_what_is_spoiled_is_named_before_accuracy_falls(
    spoil: Callable[[Table], Table], fault: str, reading: QualityReading | None
) -> None:
    records = Records()
    records.old, records.rows = window(drawn(0, 4000)), window(spoil(drawn(1)))
    shown = scene(seen(0, {}, {"score": reading} if reading else {}), records=records)
    about = incident(INPUTS, service="score")
    told = diagnose(about, quality.examine(about, shown), shipped_faults())
    assert told.resolved
    assert told.hypotheses[0].fault == fault


def test_rows_are_held_beside_those_of_the_version_that_answers_now() -> None:
    records = Records()
    records.old, records.rows = window(drawn(0, 4000)), window(units(drawn(1)))
    shown = Shown(records, ("score",), EVERY)
    assert looked(records, by=shown)["score"]
    records.old = replace(window(units(drawn(0, 4000))), version=np.full(4000, "v2"))  # accepted on rows as they come
    records.rows = replace(window(units(drawn(1)), START + timedelta(minutes=22)), version=np.full(1500, "v2"))
    assert looked(records, 22, by=shown) == {"score": ()}
