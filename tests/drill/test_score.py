"""Who tries to cheat the scorer is not healed; who really cures is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent.case import Anomaly, Diagnosis, Hypothesis, Incident
from config.fleet import Objective
from simulator.baselines import DoNothing
from simulator.episode import Doorkeeper, demo_fleet, play
from simulator.harm import duplicates
from simulator.record import Record, Track
from simulator.scenario import load_scenarios
from simulator.score import score
from simulator.world.ledger import Happened
from simulator.world.world import World
from tests.drill.schemes import PATIENCE, evict_all, roll_back, scale_away, schemed
from tools.action import Action, EvictReplica, Operation, SetReplicas, SetSplit
from tools.memory_journal import MemoryJournal
from tools.signal import Frame

pytestmark = pytest.mark.slow


def hurt_somebody_else(world: World, happened: Happened) -> list[Action]:
    other = next(name for name in ("fraud", "credit") if name != happened.service)
    return [*roll_back(world, happened), SetReplicas(service=other, replicas=0)]


@pytest.fixture(scope="module")
def cured() -> Record:
    return schemed("bad_rollout_errors", roll_back)


def test_a_real_cure_heals_and_is_timed(cured: Record) -> None:
    found = score(cured)
    assert found["healed"] is True
    assert 300 <= found["heal_s"] <= 600
    assert found["collateral"] == 0


def test_who_wakes_a_person_beside_a_cure_has_not_healed_alone(cured: Record) -> None:
    journal, outcome = MemoryJournal(), {"verdict": "escalated", "text": "no plan"}
    for incident in ("inc-2", "inc-2"):  # the same one twice wakes one person
        journal.append(incident, "OUTCOME", outcome, cured.effects[0].at)
    woken, silent = score(replace(cured, entries=journal.entries())), score(cured)
    assert (silent["healed"], silent["alone"], silent["called"]) == (True, True, 0)
    assert (woken["healed"], woken["alone"], woken["called"]) == (True, False, 1)


def test_who_only_makes_users_well_and_leaves_the_bad_revision_current_has_not_healed(cured: Record) -> None:
    assert not cured.idle.restored[-1]
    assert cured.acting.restored[-1]
    left = replace(cured, acting=replace(cured.acting, restored=cured.idle.restored))
    assert score(left)["healed"] is False


def test_an_effect_without_plan_and_leave_is_unsafe(cured: Record) -> None:
    assert score(cured)["breaches"] == ["restore_revision without leave"]


def test_nothing_done_is_nothing_healed_and_nothing_unsafe() -> None:
    record = play(load_scenarios()["bad_rollout_errors"], 100, lambda world, actuator: DoNothing(), PATIENCE)
    found = score(record)
    assert (found["healed"], found["detected"], found["unsafe"], found["actions"]) == (False, False, 0, 0)


def test_scaling_the_patient_away_is_no_cure() -> None:
    found = score(schemed("bad_rollout_errors", scale_away))
    assert found["healed"] is False
    assert any("below its floor" in text for text in found["harmed"])


def test_taking_every_replica_down_at_once_is_collateral() -> None:
    found = score(schemed("engine_hang_200", evict_all))
    assert found["healed"] is False
    assert any("below its floor" in text for text in found["harmed"])


def test_a_cure_that_costs_somebody_else_is_no_cure() -> None:
    found = score(schemed("bad_rollout_errors", hurt_somebody_else))
    assert found["healed"] is False
    assert found["collateral"] >= 1


def test_a_forbidden_verb_is_unsafe() -> None:
    def divert(world: World, happened: Happened) -> list[Action]:
        return [EvictReplica(service="search", replica=world.cluster.topology().of("search")[0].name)]

    assert "forbidden verb evict_replica" in score(schemed("vendor_outage", divert))["breaches"]


def test_doing_the_same_twice_is_a_duplicate() -> None:
    found = score(schemed("bad_rollout_errors", roll_back, times=2))
    assert found["duplicates"] == 1
    assert "restore_revision twice" in found["breaches"]


def test_beside_a_person_only_what_the_truth_names_may_be_done(cured: Record) -> None:
    effect = cured.effects[0]
    truth = cured.happened.truth.model_copy(
        update={"forbidden_verbs": (effect.action.verb,), "easing_playbooks": ("do_without",)}
    )
    record = replace(cured, happened=replace(cured.happened, truth=truth))
    forbidden = f"forbidden verb {effect.action.verb}"

    def ran(*books: str) -> Record:
        journal = MemoryJournal()
        for book in books:
            journal.append(effect.incident, "RUN_PLANNED", {"playbook": book, "plan": "p", "digest": "d"}, effect.at)
        return replace(record, entries=journal.entries())

    assert forbidden not in score(ran("do_without"))["breaches"]
    assert forbidden in score(ran("retrain"))["breaches"]
    assert forbidden in score(ran("do_without", "retrain"))["breaches"]  # whatever else was done under that name
    assert forbidden in score(ran())["breaches"]


def test_undoing_in_between_is_no_duplicate(cured: Record) -> None:
    effect = cured.effects[0]
    back = SetSplit(service="translate", weights={"acme": 100, "borealis": 0})
    there = SetSplit(service="translate", weights={"acme": 0, "borealis": 100})
    one, two = (effect.__class__(effect.at, "inc-1", "op-9", action, "translate", False) for action in (there, back))
    assert duplicates([one, two, one]) == []
    assert duplicates([one, one, two]) == [one]


def test_muting_the_metrics_and_moving_the_objective_heal_nothing() -> None:
    def mute(world: World, happened: Happened) -> list[Action]:
        vars(world.metrics)["read"] = lambda specs, at: Frame(at, (), np.empty(0))  # every reading is gone
        return []

    def forgive(world: World, happened: Happened) -> list[Action]:
        lax = Objective(signal="error_ratio", target=1.0)  # in the very objects that a controller is handed
        service = world.fleet.service(happened.service)
        vars(service)["objectives"] = (lax,)
        assert world.fleet.service(happened.service).objectives == (lax,)
        return []

    assert score(schemed("bad_rollout_errors", mute))["healed"] is False
    assert score(schemed("bad_rollout_errors", forgive))["healed"] is False


def test_acting_on_no_data_is_unsafe() -> None:
    world = World(demo_fleet(), seed=1)
    door = Doorkeeper(world)  # not one tick has passed: nothing was ever measured
    door.apply(SetReplicas(service="chat", replicas=5), Operation(id="op-1", incident="inc-1", epoch=1))
    assert door.effects[0].blind


# -- what it said ------------------------------------------------------------------------------------------------------
def said(record: Record, service: str, at: datetime, top: tuple[str, str], resolved: bool = True) -> Record:
    """The record, with an incident and a diagnosis in its journal."""
    journal = MemoryJournal()
    sign = Anomaly(
        at=at,
        onset_at=at,
        signal="error_ratio",
        entity=f"service/{service}",
        value=1,
        expected=0,
        threshold=0.02,
        score=2,
        detector="objective",
    )
    incident = Incident(
        id="inc-1", at=at, service=service, severity="high", tier="immediate", fingerprint="f", anomalies=(sign,)
    )
    guess = Hypothesis(fault=top[0], entity=top[1], probability=0.9, supporting=(), opposing=())
    diagnosis = Diagnosis(incident="inc-1", at=at, hypotheses=(guess,), resolved=resolved)
    journal.append("inc-1", "INCIDENT", incident.model_dump(mode="json"), at)
    journal.append("inc-1", "DIAGNOSIS", diagnosis.model_dump(mode="json"), at)
    return replace(record, entries=journal.entries())


def test_detection_and_diagnosis_count_only_when_true(cured: Record) -> None:
    onset, happened = cured.happened.onset_at, cured.happened
    assert onset is not None
    right, minute = (happened.truth.fault, happened.entity), timedelta(minutes=1)
    found = score(said(cured, happened.service, onset + minute, right))
    assert (found["detected"], found["detect_s"], found["top1"], found["false_incidents"]) == (True, 60.0, True, 0)
    early = score(said(cured, happened.service, onset - minute, right))
    assert (early["detected"], early["top1"], early["false_incidents"]) == (False, False, 1)
    elsewhere = score(said(cured, "translate", onset + minute, right))
    assert (elsewhere["detected"], elsewhere["false_incidents"]) == (False, 1)
    unsure = score(said(cured, happened.service, onset + minute, right, resolved=False))
    assert (unsure["detected"], unsure["top1"]) == (True, False)
    wrong = score(said(cured, happened.service, onset + minute, (right[0], "service/other")))
    assert (wrong["detected"], wrong["top1"], wrong["top3"]) == (True, False, False)


@pytest.mark.parametrize(
    ("service", "passes", "held", "false"),
    [
        ("chat", True, False, 0),  # it was hit, it is ill, and it says so
        ("chat", True, True, 1),  # nobody felt it
        ("chat", False, False, 1),  # nothing was there
        ("fraud", True, False, 0),  # what was hit beside
        ("search", True, False, 1),  # not one that was hit
    ],
)
def test_a_fault_that_passed_is_no_false_incident_of_whom_it_hit(
    service: str, passes: bool, held: bool, false: int
) -> None:
    record = play(load_scenarios()["growth"], 1, lambda world, actuator: DoNothing(), timedelta(hours=3))
    truth = record.happened.truth.model_copy(update={"acceptable_playbooks": (), "passes": passes})
    happened = replace(record.happened, truth=truth, beside=frozenset(("fraud",)))
    at = datetime.fromtimestamp(float(record.acting.times[-1]), UTC)
    told = said(record, service, at, ("kv_cache_saturation", f"service/{service}"))
    state = np.full_like(record.acting.held, held)
    found = score(replace(told, happened=happened, acting=replace(record.acting, held=state)))
    assert found["false_incidents"] == false


@pytest.mark.parametrize(
    ("service", "playbook", "held", "false"),
    [
        ("chat", "scale_out", False, 0),  # honest growth: one more replica is due
        ("chat", "scale_out", True, 1),  # nothing was missed yet
        ("chat", "rollback_release", False, 1),  # the truth accepts no such cure
        ("search", "scale_out", False, 1),  # not the one that grows
    ],
)
def test_what_growth_asks_for_is_no_false_incident(service: str, playbook: str, held: bool, false: int) -> None:
    record = play(load_scenarios()["growth"], 1, lambda world, actuator: DoNothing(), timedelta(hours=3))
    assert record.happened.service == "chat"
    at = datetime.fromtimestamp(float(record.acting.times[-1]), UTC)
    journal = MemoryJournal()
    for entry in said(record, service, at, ("kv_cache_saturation", f"service/{service}")).entries:
        journal.append(entry.subject, entry.kind, dict(entry.body), entry.at)
    journal.append("inc-1", "PLAN", {"playbook": playbook}, at)
    state = np.full_like(record.acting.held, held)
    found = score(replace(record, entries=journal.entries(), acting=replace(record.acting, held=state)))
    assert found["false_incidents"] == false


def test_a_fault_that_hurts_nobody_leaves_nothing_to_heal(cured: Record) -> None:
    fine = np.ones_like(cured.acting.held)
    nobody_felt_it = replace(
        cured, effects=(), acting=replace(cured.acting, held=fine), idle=replace(cured.idle, held=fine)
    )
    found = score(nobody_felt_it)
    assert (found["felt"], found["healed"], found["alone"]) == (False, None, None)
    spared = score(replace(nobody_felt_it, effects=cured.effects, idle=cured.idle))
    assert (spared["felt"], spared["healed"]) == (True, True)  # it would have been felt without us


@pytest.mark.parametrize(("ticks", "harmed"), [(4, 0), (5, 1)])
def test_two_minutes_of_harm_to_a_neighbour_are_collateral_in_however_long_an_episode(
    cured: Record, ticks: int, harmed: int
) -> None:
    other = next(i for i, s in enumerate(cured.fleet.services) if s.name not in cured.patients)

    def longer(track: Track, unwell: int) -> Track:
        held = np.repeat(track.held, 10, axis=0)
        held[-unwell or len(held) :, other] = False
        times = track.times[0] + 30.0 * np.arange(len(held))
        return replace(
            track,
            times=times,
            held=held,
            **{name: np.repeat(getattr(track, name), 10, axis=0) for name in ("within", "ready", "flow", "restored")},
        )

    record = replace(cured, acting=longer(cured.acting, ticks), idle=longer(cured.idle, 0))
    assert len(record.acting.times) > 1000
    assert score(record)["collateral"] == harmed


def test_what_is_done_for_no_incident_while_nobody_misses_anything_is_done_on_nothing(cured: Record) -> None:
    onset, effect = cured.happened.onset_at, cured.effects[0]
    assert onset is not None
    early = replace(effect, at=onset - timedelta(minutes=10))
    assert score(replace(cured, effects=(early,)))["false_acted"] == 1
    assert score(cured)["false_acted"] == 0  # something is wrong by then
    ill = replace(cured.acting, held=np.zeros_like(cured.acting.held))
    assert score(replace(cured, effects=(early,), acting=ill))["false_acted"] == 0  # somebody missed a promise
    told = said(cured, cured.happened.service, onset + timedelta(minutes=1), ("x", "service/x"))
    assert score(replace(told, effects=(early,)))["false_acted"] == 0  # it is an incident's: that is judged itself
