"""Each analyst says what was seen, what was looked for in vain, and nothing about what is not known."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.analysts import changes, cost, hardware, quality, serving
from agent.case import Evidence
from agent.judged import QualityReading
from tests.agent.handmade import (
    START,
    TALK,
    TICK,
    Records,
    Values,
    anomaly,
    incident,
    rows,
    scene,
    seen,
    topology,
)
from tools.change import Change
from tools.errors import Absent, Transient

HUNG = "replica/talk/talk-1"
NAN = float("nan")


def weights(found: tuple[Evidence, ...]) -> dict[str, float]:
    return {item.finding: item.weight for item in found}


# -- serving -------------------------------------------------------------------------------------------------------
def served(values: Values, past: Values | None = None, **more: Any) -> dict[str, float]:
    return weights(serving.examine(incident(**more), scene(seen(0, values), past=past)))


def test_errors_and_latency_are_judged_by_their_targets() -> None:
    found = served({("error_ratio", TALK): 0.5, ("ttft_p95", TALK): 1.0})
    assert (found["errors_up"], found["latency_up"]) == (2.5, -1.5)
    found = served({("error_ratio", TALK): 0.001, ("ttft_p95", TALK): 9.0})
    assert (found["errors_up"], found["latency_up"]) == (-1.5, 2.5)


@pytest.mark.parametrize("value", [NAN, None])
def test_what_is_not_known_is_no_evidence_for_or_against(value: float | None) -> None:
    names = ("error_ratio", "ttft_p95", "waiting", "kv_cache", "gpu_utilisation", "answer_length", "requests")
    assert served({(name, TALK): value for name in names} if value is not None else {}) == {}


def test_lengths_and_traffic_are_judged_by_what_they_were_before() -> None:
    past = {("answer_length", TALK): 100.0, ("prompt_length", TALK): 100.0, ("requests", TALK): 10.0}
    found = served({("answer_length", TALK): 400.0, ("prompt_length", TALK): 101.0, ("requests", TALK): 13.0}, past)
    assert (found["answers_longer"], found["prompts_longer"], found["traffic_up"]) == (2.5, -1.5, 2.5)
    assert "answers_longer" not in served({("answer_length", TALK): 400.0})  # nothing to compare with


def test_saturation_is_the_worst_of_the_last_minutes() -> None:
    calm: Values = {("waiting", TALK): 0.0, ("kv_cache", TALK): 0.3, ("running", TALK): 10.0}
    full: Values = {("waiting", TALK): 9.0, ("kv_cache", TALK): 0.95, ("running", TALK): 10.0}
    queue: Values = {**calm, ("waiting", TALK): 9.0}
    about = incident()

    def found(*looked: Values) -> float:
        shown = scene(*(seen(tick, values) for tick, values in enumerate(looked)))
        return weights(serving.examine(about, shown))["saturated"]

    assert [found(calm), found(queue), found(full), found(full, calm)] == [-2.0, 1.2, 2.5, 2.5]
    assert found(full, *[calm] * 11) == -2.0  # longer ago than is looked back


@pytest.mark.parametrize(("answers", "weight"), [(False, 3.0), (True, -3.0), (None, 0.0)])
def test_a_stuck_engine_is_asked_and_an_answer_speaks_against(answers: bool | None, weight: float) -> None:
    records = Records()
    records.answers = answers
    stuck = anomaly(HUNG, "stuck", signal="engine_steps")
    shown = scene(seen(0, {("engine_steps", HUNG): 0.0}), records=records)
    found = serving.examine(incident(stuck), shown)
    assert weights(found) == {"engine_stuck": 2.5, "probe_confirms": weight}
    assert {item.bindings.get("replica") for item in found if item.weight > 0} == {"talk-1"}


def test_a_probe_that_cannot_be_had_says_nothing() -> None:
    class Deaf(Records):
        def probe(self, service: str, replica: str) -> Any:
            raise Absent("no route")

    stuck = anomaly(HUNG, "stuck", signal="engine_steps")
    shown = scene(seen(0, {("engine_steps", HUNG): 0.0}), records=Deaf())
    assert weights(serving.examine(incident(stuck), shown))["probe_confirms"] == 0.0
    moving = scene(seen(0, {("engine_steps", HUNG): 3.0}), records=Deaf())
    assert weights(serving.examine(incident(stuck), moving)) == {}


def test_vendors_are_judged_one_by_one() -> None:
    a, b = "vendor/out/a", "vendor/out/b"
    values = {("vendor_error_ratio", a): 0.5, ("vendor_error_ratio", b): 0.01, ("vendor_latency_p95", b): 9.0}
    past = {("vendor_latency_p95", a): 1.0, ("vendor_latency_p95", b): 1.0}
    found = serving.examine(incident(service="out"), scene(seen(0, values), past=past))
    said = {(item.finding, item.entity): item.weight > 0 for item in found if item.entity != "service/out"}
    assert said == {
        ("vendor_failing", a): True,
        ("vendor_late", a): False,
        ("vendor_failing", b): False,
        ("vendor_late", b): True,
    }


# -- hardware ------------------------------------------------------------------------------------------------------
def machine(values: Values, past: Values | None = None) -> dict[str, float]:
    return weights(hardware.examine(incident(), scene(seen(0, values), past=past)))


def test_a_fatal_xid_beneath_the_patient_is_seen_and_one_elsewhere_is_not() -> None:
    assert machine({("xid", "gpu/n1/0"): 79.0}) == {"gpu_off_bus": 3.0, "gpu_fault": 2.0}
    assert machine({("xid", "gpu/n1/0"): 48.0}) == {"gpu_fatal": 3.0, "gpu_fault": 2.0}
    assert machine({("xid", "gpu/n9/0"): 79.0}) == {"gpu_fault": -1.0}


@pytest.mark.parametrize("value", [0.0, 13.0, NAN])
def test_no_xid_one_of_the_application_or_an_unknown_one_is_no_fault(value: float) -> None:
    assert machine({("xid", "gpu/n1/0"): value}) == {"gpu_fault": -1.0}


def test_an_xid_that_stood_there_before_is_an_old_one() -> None:
    assert machine({("xid", "gpu/n1/0"): 79.0}, {("xid", "gpu/n1/0"): 79.0}) == {"gpu_fault": -1.0}
    assert machine({("xid", "gpu/n1/0"): 79.0}, {("xid", "gpu/n1/0"): 0.0})["gpu_off_bus"] == 3.0


def test_heat_and_a_lost_node_are_seen() -> None:
    assert machine({("hw_thermal", "gpu/n1/0"): 6.0}) == {"gpu_throttled": 2.5, "gpu_fault": 2.0}
    assert machine({("node_ready", "node/n1"): 0.0}) == {"node_down": 3.0, "gpu_fault": 2.0}


# -- quality -------------------------------------------------------------------------------------------------------
WORSE = QualityReading(START, 500, 0.70, 0.66, 0.74)
MAYBE = QualityReading(START, 500, 0.79, 0.76, 0.82)


def judged(reading: QualityReading | None, records: Records | None = None) -> dict[str, float]:
    shown = scene(seen(62, {}, {"score": reading} if reading else {}), records=records)
    return weights(quality.examine(incident(service="score"), shown))


def test_accuracy_is_down_beyond_chance_or_not_at_all() -> None:
    assert judged(None) == {}
    assert judged(MAYBE) == {"accuracy_down": -2.0}
    assert judged(WORSE)["accuracy_down"] == 2.5


def test_accuracy_that_surely_was_down_is_so_until_it_surely_is_not() -> None:
    down = incident(service="score").model_copy(update={"anomalies": (anomaly("service/score", signal="accuracy"),)})
    lucky, well = MAYBE, QualityReading(START, 2000, 0.83, 0.81, 0.85)
    for reading, weight in ((lucky, 2.5), (well, -2.0)):
        found = weights(quality.examine(down, scene(seen(62, {}, {"score": reading}))))
        assert found["accuracy_down"] == weight


@pytest.mark.parametrize(("gain", "weight"), [((-0.3, -0.2, -0.1), 3.0), ((-0.3, -0.1, 0.1), -2.0)])
def test_the_version_before_is_blamed_by_the_counterfactual(gain: tuple[float, float, float], weight: float) -> None:
    records = Records()
    records.versions, records.gain = ("v1", "v2"), gain
    assert judged(WORSE, records)["older_version_better"] == weight
    records.gain = None  # no labelled rows to compare on
    assert judged(WORSE, records)["older_version_better"] == 0.0


def test_a_version_before_that_would_have_broken_the_promise_too_is_no_cure() -> None:
    records = Records()
    records.versions, records.gain = ("v1", "v2"), (-0.3, -0.2, -0.1)
    for would, weight in ((0.79, 3.0), (0.77, 3.0), (0.70, -2.0)):  # promised: 0.8, and 500 rows say it to 4 points
        records.would = would
        assert judged(WORSE, records)["older_version_better"] == weight, would


def test_the_version_compared_is_the_one_that_was_replaced_whenever_it_was_made() -> None:
    records = Records()
    records.versions, records.gain = ("v1", "v2", "v3"), (-0.3, -0.2, -0.1)
    judged(WORSE, records)
    turned = change(-20, "promotion", entity="model/score").model_copy(update={"before": "v1", "after": "v3"})
    records.happened = (turned,)
    judged(WORSE, records)
    records.happened = (turned.model_copy(update={"before": "v0"}),)  # of which the registry knows nothing any more
    judged(WORSE, records)
    assert records.compared == ["v2", "v1", "v2"]


def test_inputs_that_moved_are_told_from_those_that_did_not() -> None:
    records = Records()
    records.rows, records.old = rows(500, moved=2.0), rows(500)
    assert judged(WORSE, records)["inputs_moved"] == 2.5
    records.rows = rows(500)
    assert judged(WORSE, records)["inputs_moved"] == -1.5
    records.rows = rows(50, moved=2.0)
    assert "inputs_moved" not in judged(WORSE, records)  # too few
    records.old = None
    assert judged(WORSE, records)["inputs_moved"] == 0.0


# -- cost ----------------------------------------------------------------------------------------------------------
def priced(spend: float, use: float, *anomalies: Any) -> dict[str, float]:
    values = {("spend", TALK): spend, ("gpu_utilisation", TALK): use, ("replicas", TALK): 8.0}
    return weights(cost.examine(incident(*anomalies), scene(seen(0, values))))


def test_capacity_is_idle_when_it_costs_too_much_and_nothing_else_is_wrong() -> None:
    money = anomaly(TALK, "cost", signal="spend", tier="daily")
    assert priced(20.0, 10.0, money) == {"over_budget": 2.0, "capacity_idle": 2.5}
    assert priced(20.0, 58.0, money)["capacity_idle"] == -1.5
    assert priced(9.0, 10.0, money) == {"over_budget": -1.0, "capacity_idle": -1.5}
    assert priced(20.0, 10.0, money, anomaly(TALK))["capacity_idle"] == -1.5
    assert priced(NAN, 10.0, money) == {}


def test_where_use_is_not_read_the_use_and_the_traffic_of_before_say_what_lies_idle() -> None:
    """Six replicas came to two that were half busy; then the GPUs fell silent."""
    past: Values = {("gpu_utilisation", TALK): 50.0, ("replicas", TALK): 2.0, ("requests", TALK): 10.0}

    def found(calls: float, past: Values = past) -> dict[str, float]:
        values = {("spend", TALK): 20.0, ("replicas", TALK): 8.0, ("requests", TALK): calls}
        about = incident(anomaly(TALK, "cost", signal="spend", tier="daily"))
        return weights(cost.examine(about, scene(seen(0, values), past=past)))

    assert found(10.0)["capacity_idle"] == 2.5
    assert found(40.0)["capacity_idle"] == -1.5  # four times the traffic: they are needed
    assert "capacity_idle" not in found(10.0, {**past, ("gpu_utilisation", TALK): NAN})
    assert found(10.0, {})["over_budget"] == 2.0  # nothing to reckon with


def test_what_is_spent_beyond_the_usual_is_told_as_money() -> None:
    about = incident(anomaly(TALK, "cost", signal="spend", tier="daily", tick=0))
    for past, said in (
        ({("spend", TALK): 8.0}, "20.00 an hour, budget 10.00, 12.00 more than before: 24.00 in 2.0 h"),
        ({}, "20.00 an hour, budget 10.00, what was usual is not known"),
    ):
        (first, *_) = cost.examine(about, scene(seen(240, {("spend", TALK): 20.0}), past=past))
        assert first.text == said


# -- changes -------------------------------------------------------------------------------------------------------
def changed(*happened: Change, service: str = "talk") -> dict[str, float]:
    records = Records()
    records.happened = happened
    return weights(changes.examine(incident(service=service), scene(seen(2, {}), records=records)))


def change(minutes: float, kind: Any = "release", actor: str = "ci", entity: str = TALK) -> Change:
    at = START - timedelta(minutes=minutes)
    return Change(
        id="c", at=at, kind=kind, entity=entity, actor=actor, before="1", after="2", text="<b>all is well</b>"
    )


def test_a_release_shortly_before_speaks_the_louder_the_closer_it_is() -> None:
    close, far = changed(change(0))["recent_release"], changed(change(19))["recent_release"]
    assert close == 3.0 > far > 0
    assert changed()["recent_release"] == -2.0


def test_a_change_of_ours_of_others_too_old_or_later_is_none() -> None:
    for other in (change(1, actor="prunella"), change(1, entity="service/out"), change(21), change(-2)):
        assert changed(other)["recent_release"] == -2.0


@pytest.mark.parametrize(
    ("first", "kind", "good"), [(1.5, "release", "0"), (1.5, "config", "0"), (15, "release", "1"), (40, "release", "1")]
)
def test_a_release_upon_one_that_had_no_time_to_prove_itself_goes_back_before_both(
    first: float, kind: str, good: str
) -> None:
    records = Records()
    before = change(first, kind).model_copy(update={"before": "0", "after": "1"})
    records.happened = (before, change(1))
    found = changes.examine(incident(), scene(seen(2, {}), records=records))
    assert next(item for item in found if item.finding == "recent_release").bindings == {"good_revision": good}


def test_promotions_are_looked_for_where_there_is_a_model() -> None:
    assert "recent_promotion" not in changed()
    promoted = change(5, "promotion", "ml-team", "model/score")
    assert changed(promoted, service="score")["recent_promotion"] > 0
    assert changed(service="score")["recent_promotion"] == -2.0


def test_a_promotion_may_come_minutes_after_the_first_wrong_answer_and_a_release_may_not() -> None:
    """Answers right before a promotion may be wrong by chance: the fall seems to begin with them."""
    assert changed(change(-5, "promotion", "ml-team", "model/score"), service="score")["recent_promotion"] > 2
    assert changed(change(-15, "promotion", "ml-team", "model/score"), service="score")["recent_promotion"] == -2.0
    assert changed(change(-5))["recent_release"] == -2.0


def test_a_promotion_of_hours_ago_whose_version_still_answers_is_no_proof_that_none_came() -> None:
    """A version that is a little too bad keeps its promise for hours, and then misses it at a bad look."""
    promoted = change(480, "promotion", "ml-team", "model/score")
    assert changed(promoted, service="score")["recent_promotion"] == 0.0
    replaced = change(300, "promotion", "prunella", "model/score")
    assert changed(promoted, replaced, service="score")["recent_promotion"] == -2.0  # it answers nobody
    assert changed(change(26 * 60, "promotion", "ml-team", "model/score"), service="score")["recent_promotion"] == -2.0


def test_changes_are_asked_for_once_each_and_what_cannot_be_read_is_no_news() -> None:
    class Throttled(Records):
        asked_at = 0

        def changes(self, since: datetime) -> tuple[Any, ...]:
            self.asked_at += 1
            raise Transient("429")

    records = Throttled()
    found = changes.examine(incident(), scene(seen(2, {}), records=records))
    assert {item.weight for item in found} == {0.0}
    assert records.asked_at == 1


def test_hostile_text_of_a_change_is_no_evidence() -> None:
    records = Records()
    records.happened = (change(1),)
    found = changes.examine(incident(), scene(seen(2, {}), records=records))
    assert not any("all is well" in item.text for item in found)


def test_evidence_is_numbered_clipped_and_dated() -> None:
    shown = scene(seen(4, {("error_ratio", TALK): 0.5, ("ttft_p95", TALK): 9.0}, where=topology()))
    found = serving.examine(incident(), shown)
    assert [item.id for item in found] == [f"serving-{number}" for number in range(1, len(found) + 1)]
    assert {item.at for item in found} == {START + 4 * TICK}
    assert all(-3 <= item.weight <= 3 for item in found)
