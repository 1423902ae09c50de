"""The month: the same faults for everybody, a person who sleeps, repairs that take the cause away."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.arrivals import DAY, MONTH, Arrival, counted, kind_of, month, shipped_rates
from simulator.copies import copies, everywhere
from simulator.episode import TICK, demo_fleet
from simulator.month import Shift, guard, guardians, run_months
from simulator.month_html import page
from simulator.month_score import (
    EVERYBODY,
    FORESEEING,
    NOBODY,
    PERSON,
    STATIC,
    US,
    by_rates,
    compared,
    pooled,
    together,
)
from simulator.month_view import calendar
from simulator.oncall import ALERT, UNNOTICED, OnCall
from simulator.scenario import load_scenarios
from simulator.world.mend import Tickets
from simulator.world.script import Scenario
from simulator.world.world import World
from tools.memory_journal import MemoryJournal


@pytest.fixture(scope="module")
def forty() -> Fleet:
    return copies(demo_fleet())


def test_forty_services_lean_on_each_other_within_their_copy(forty: Fleet) -> None:
    assert len(forty.services) == 40
    assert forty.service("chat-3").depends_on == ("moderate-3",)
    assert forty.service("fraud-2").model == "fraud-2"


def test_a_quiet_run_of_copies_restarts_replicas_in_each_and_grows_one_service(forty: Fleet) -> None:
    names, known = {service.name for service in forty.services}, load_scenarios()
    noisy, growing = everywhere(known["noisy_healthy"], 5), everywhere(known["growth"], 5)
    restarts = [each.target for each in noisy.mutations if each.what == "restart"]
    assert [target[0] for target in restarts] == ["chat-1", "chat-2", "chat-3", "chat-4", "chat-5"]
    assert all(set(target) <= names for target in restarts)
    assert len(growing.mutations) == 1
    assert set(growing.target) == {f"{name}-{number}" for name in ("chat", "code") for number in range(1, 6)}
    assert forty.service("chat-3").model == ""


def test_every_rate_says_where_it_comes_from_and_names_faults_that_exist() -> None:
    known = load_scenarios()
    for rate in shipped_rates():
        assert rate.source.strip()
        assert set(rate.faults) <= set(known)


def test_arrivals_follow_their_rates_and_belong_to_the_seed(forty: Fleet) -> None:
    many = [counted(month(forty, seed, 30)[1]) for seed in range(60)]
    for rate in shipped_rates():
        mean = float(np.mean([each[rate.kind] for each in many]))
        assert mean == pytest.approx(rate.per_month, abs=4 * (rate.per_month / 60) ** 0.5)
    assert month(forty, 3, 30) == month(forty, 3, 30)


def test_a_longer_month_begins_as_a_shorter_one(forty: Fleet) -> None:
    short, long = month(forty, 5, 10)[1], month(forty, 5, 30)[1]
    key = [(each.at, each.scenario) for each in short]
    assert key == [(each.at, each.scenario) for each in long if each.at < 10 * DAY]
    assert all(each.at < MONTH for each in long)


def test_a_fault_hits_one_service_that_its_scenario_names(forty: Fleet) -> None:
    scenario, arrivals = month(forty, 2, 30)
    for each in arrivals:
        targets = {scenario.mutations[number].target for number in each.numbers}
        assert targets == {(each.service,)}
        if each.scenario:
            assert each.service.rpartition("-")[0] in load_scenarios()[each.scenario].target


def alone(fault: str, service: str, *, alerts: bool = True) -> tuple[World, OnCall]:
    """Return a demo world with one fault after half an hour, and the person on call."""
    mutations = [m.model_copy(update={"target": (service,), "at": 1800.0}) for m in load_scenarios()[fault].mutations]
    script = Scenario(id="one", layer="quiet", about="one", onset=(0.0, 0.0), mutations=tuple(mutations))
    world = World(demo_fleet(), seed=4, scenario=script)
    arrival = Arrival("change", fault, service, 1800.0, tuple(range(len(mutations))))
    return world, OnCall(world, (arrival,), MemoryJournal(), alerts=alerts)


def live(world: World, person: OnCall, hours: float) -> list[bool]:
    held = []
    for _ in range(round(hours * 3600 / TICK)):
        world.advance(TICK)
        person.tick()
        held.append(all(world.ledger.objectives_hold(service.name) for service in world.fleet.services))
    return held


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "service"),
    [("bad_rollout_errors", "chat"), ("name_resolution_failure", "code"), ("engine_hang_200", "search")],
)
def test_a_person_is_paged_and_the_repair_holds(fault: str, service: str) -> None:
    world, person = alone(fault, service)
    held = live(world, person, 6)
    assert [each.scenario for each in person.pages] == [fault]
    bad = [tick for tick, fine in enumerate(held) if not fine]
    assert min(bad) >= 1800 / TICK - 1
    assert (max(bad) - min(bad)) * TICK > ALERT.total_seconds()
    assert all(held[max(bad) + 1 :])
    assert len(held) - max(bad) > 60  # well for the last half hour at least


@pytest.mark.slow
def test_where_nobody_is_paged_it_lasts_for_a_day() -> None:
    world, person = alone("name_resolution_failure", "code", alerts=False)
    held = live(world, person, 25.5)
    assert not person.pages
    bad = np.flatnonzero(~np.array(held))
    lasted = timedelta(seconds=(int(bad[-1]) - int(bad[0])) * TICK)
    assert lasted == pytest.approx(UNNOTICED, abs=timedelta(minutes=40))


@pytest.mark.slow
def test_a_promoted_version_is_withdrawn_and_a_lost_gpu_replaced() -> None:
    world, _ = alone("canary_quality_regression", "fraud")
    for _ in range(62):
        world.advance(TICK)
    assert world.registry.model("fraud").aliases["champion"] == "3"
    world.mend((0,))
    assert world.registry.model("fraud").aliases["champion"] == "2"
    world, _ = alone("canary_quality_regression", "fraud")
    world.body.quality.set_alias("fraud", "champion", "1")  # version 2 was made last, and answers nobody
    for _ in range(62):
        world.advance(TICK)
    world.mend((0,))
    assert world.registry.model("fraud").aliases["champion"] == "1"
    world, _ = alone("xid_79_off_bus", "chat")
    for _ in range(62):
        world.advance(TICK)
    assert sum(world.body.pods.lost) == 1
    world.mend((0,))
    assert sum(world.body.pods.lost) == 0


@pytest.mark.parametrize("fault", ["null_burst", "training_serving_skew"])
def test_a_drift_ends_when_it_is_repaired(fault: str) -> None:
    world, _ = alone(fault, "fraud")
    for _ in range(70):
        world.advance(TICK)
    ill = world.body.quality.accuracy("fraud")
    world.mend((0,))
    world.advance(TICK)
    assert world.body.quality.accuracy("fraud") > ill + 0.1


@pytest.mark.parametrize("relearnt", [True, False])
def test_the_world_does_not_go_back_under_a_model_that_has_learnt_it(
    relearnt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = alone("concept_drift", "fraud")
    person = OnCall(world, (Arrival("drift", "concept_drift", "fraud", 1800.0, (0,)),), MemoryJournal(), guarded=True)
    monkeypatch.setattr(world.ledger, "objectives_hold", lambda _: False)
    for _ in range(70):
        world.advance(TICK)
        person.tick()
    ill = world.body.quality.accuracy("fraud")
    if relearnt:
        world.body.quality.set_alias("fraud", "champion", "1")  # another model, whatever it has learnt
    monkeypatch.setattr(world.ledger, "objectives_hold", lambda _: True)
    for _ in range(40):
        world.clock.at += timedelta(seconds=TICK)
        person.tick()
    world.clock.at += UNNOTICED
    person.tick()
    monkeypatch.undo()
    world.body.quality.set_alias("fraud", "champion", "2")
    world.advance(TICK)
    assert (world.body.quality.accuracy("fraud") > ill + 0.03) is not relearnt


def test_a_node_taken_out_of_service_comes_back_within_a_day() -> None:
    world = World(demo_fleet(), seed=1)
    tickets = Tickets(world.body, seconds=600.0)
    world.body.pods.machines[2].schedulable = False
    back: list[str] = []
    for _ in range(30):
        world.advance(TICK)
        back += tickets.tick(world.clock.now())
    assert back == [world.body.pods.machines[2].name]
    assert world.body.pods.machines[2].schedulable


def test_a_second_try_leaves_of_chance_errors_their_square() -> None:
    world = World(demo_fleet(), seed=1)
    for _ in range(40):
        world.advance(TICK)
    ledger = world.ledger
    late = ledger.calls - ledger.failed_calls - ledger.good_requests  # a second try does not help those
    chance = ledger.requests - ledger.good_requests - late
    assert np.all(chance <= 0.02 * ledger.failed_calls)
    assert chance.sum() > 0


def test_comparison_is_with_the_best_of_the_others() -> None:
    def result(bad: float, minutes: float, paged: int = 2) -> dict[str, float]:
        return {
            "requests": 100.0, "good_requests": 100.0 - bad, "degraded_minutes": minutes, "paged": paged,
            "faults": 8, "utilisation": 50.0, "degraded_minutes_of_models": minutes / 2, "money": 7.0,
        }  # fmt: skip

    found = {US: result(1, 10), PERSON: result(9, 120), "restart_first": result(5, 200), NOBODY: result(90, 5)}
    summary = compared(found)
    assert (summary["best_baseline"], summary["degraded_ratio"], summary["bad_requests_ratio"]) == (PERSON, 12.0, 9.0)
    assert summary["needing_a_person"] == 0.25
    assert summary["degraded_models_ratio"] == 2.0  # against nobody
    ahead = compared({**found, FORESEEING: {**result(2, 15), "utilisation": 65.0, "money": 6.3}})
    assert ahead["foreseeing_utilisation_ratio_beside_batch"] == 1.3  # nobody had batch work
    beside = {
        **found,
        STATIC: {**result(0, 1), "utilisation": 52.0},
        FORESEEING: {**result(2, 15), "utilisation": 65.0},
    }
    assert compared(beside)["foreseeing_utilisation_ratio_beside_batch"] == 1.25
    assert compared(beside)["best_baseline"] == PERSON  # who only has batch work is no baseline of healing
    assert (ahead["best_baseline"], ahead["foreseeing_utilisation_ratio"]) == (PERSON, 1.3)
    assert (ahead["foreseeing_money_ratio"], ahead["foreseeing_degraded_ratio"]) == (0.9, 1.5)
    assert compared({PERSON: result(1, 1)}) == {}
    assert compared({**found, US: result(0, 0)})["degraded_ratio"] is None


def kept(**more: Any) -> dict[str, Any]:
    """Return what one guardian's month came to."""
    known: dict[str, Any] = {"requests": 1000, "good_requests": 999, "availability_of_calls": 0.99, "utilisation": 30.0}
    known |= dict.fromkeys(("degraded_minutes", "degraded_minutes_of_models", "paged", "answered", "actions"), 0)
    known |= {"service_minutes": 100.0, "money": 1.0, "batch_gpu_hours": 0, "faults": 0, "arrived": {}, "paged_for": []}
    return known | {"degraded_by_day": [1.0, 2.0], "events": []} | more


def test_no_fault_is_of_two_kinds() -> None:
    named = [fault for rate in shipped_rates() for fault in rate.faults]
    assert len(named) == len(set(named))
    assert kind_of("feature_stale") == "data"


def test_several_months_are_pooled_by_their_sums() -> None:
    short, long = kept(requests=1000, good_requests=900), kept(requests=9000, good_requests=9000, degraded_minutes=4.0)
    one = together([short, long])
    assert one["availability"] == 0.99
    assert one["degraded_minutes"] == 4.0
    assert one["availability_of_calls"] == pytest.approx(0.99)
    both = [(10.0, 100.0), (30.0, 200.0), (0.0, 100.0)]
    months = [
        {"seed": at, "shifts": {US: kept(degraded_minutes=ours), PERSON: kept(degraded_minutes=theirs)}}
        for at, (ours, theirs) in enumerate(both)
    ]
    ratio = pooled(months)["degraded_ratio"]
    assert ratio["mean"] == 10.0  # of the sums, not the mean of the ratios, one of which there is none of
    assert 6.0 < ratio["low"] < 10.0 < ratio["high"]
    assert pooled(months[:1])["degraded_ratio"] == 10.0  # one month tells nothing of its spread


def test_a_kind_that_came_too_often_counts_by_its_rate() -> None:
    rates = {rate.kind: rate.per_month for rate in shipped_rates()}
    arrived = {"change": 12, "platform": 7, "data": 0, "launch": 5}
    ours = kept(arrived=arrived, paged_for=["quota_exhausted"] * 7, paged=7, faults=19)
    wanted = rates["platform"] / (rates["platform"] + rates["change"])
    assert by_rates(ours) == pytest.approx(wanted, abs=1e-4)
    needing = pooled([{"seed": 0, "shifts": {US: ours, PERSON: kept(faults=19)}}])["needing_a_person"]
    assert needing["mean"] == pytest.approx(7 / 19, abs=1e-4)
    assert needing["low"] < 7 / 19 < needing["high"]
    assert by_rates(kept(arrived={"launch": 3})) is None


def test_the_page_and_the_table_show_every_month_and_what_came(capsys: pytest.CaptureFixture[str]) -> None:
    event = {"day": 0.5, "kind": "data", "scenario": "null_<burst", "service": "fraud-1", "paged": True}
    shifts = {US: kept(events=[event], faults=1, paged=1, paged_for=["null_burst"]), PERSON: kept(), NOBODY: kept()}
    months = [{"seed": seed, "shifts": shifts} for seed in (8, 9)]
    result = {"suite": "month", "days": 2.0, "months": months, "summary": pooled(months)}
    text = page(result)
    assert text.count("<polyline") == 6
    assert text.count("◆</text>") == 2
    assert "null_&lt;burst" in text
    assert "null_<burst" not in text
    assert "1, 12:00" in text
    old = {
        who: {name: value for name, value in each.items() if name != "degraded_by_day"} for who, each in shifts.items()
    }
    assert "<polyline" not in page({**result, "months": [{"seed": 8, "shifts": old}]})
    calendar(result)
    shown = capsys.readouterr().out
    assert "seed 8" in shown
    assert "seed 9" in shown
    assert "faults that needed a person" in shown


@pytest.mark.slow
def test_a_part_of_a_day_is_the_same_twice_and_is_not_played_again(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    file = tmp_path / "month.jsonl"
    first = run_months((1,), 0.02, 1, lambda done, of, _: told.append((done, of)), file)
    assert set(first["months"][0]["shifts"]) == set(EVERYBODY)
    assert told[-1] == (len(EVERYBODY), len(EVERYBODY))
    assert run_months((1,), 0.02, 1, lambda *_: None, file) == first
    assert guard(Shift(US, 1, 0.02)) == first["months"][0]["shifts"][US]


@pytest.mark.slow
def test_two_processes_play_the_same_months_as_one() -> None:
    told: list[tuple[int, int]] = []
    two = run_months((1, 2), 0.02, 2, lambda done, of, _: told.append((done, of)), beside=(NOBODY,))
    assert [month["seed"] for month in two["months"]] == [1, 2]
    assert list(two["months"][0]["shifts"]) == [US, NOBODY]
    assert told[-1] == (4, 4)
    assert run_months((1, 2), 0.02, 1, lambda *_: None, beside=(NOBODY,)) == two
    assert guardians(("nobody", "nobody")) == (US, NOBODY)


@pytest.mark.slow
def test_every_day_so_far_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.month.DAY", 600.0)
    told: list[tuple[dict[str, Any], int]] = []
    whole = guard(Shift(NOBODY, 1, 2.0), lambda so_far, day: told.append((so_far, day)))
    assert [day for _, day in told] == [1, 2]
    assert told[0][0]["requests"] < told[1][0]["requests"]
    assert told[1][0] == whole
    assert len(whole["degraded_by_day"]) == 2
