"""From a hypothesis to one bounded plan, or to the reasons why there is none."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bindings import bindings_for, subject_of
from agent.capacity import TARGET, affordable, enough, fewer, more, use_lately, use_of
from agent.case import Hypothesis, Outcome
from agent.casebook import Case
from agent.plan import Facts, propose, without
from agent.preconditions import KNOWN, Ground, unmet
from playbooks.faults import shipped_faults
from playbooks.library import shipped
from tests.agent.handmade import (
    FLEET,
    NODE,
    REPLICA,
    START,
    TALK,
    TALKING,
    Records,
    Values,
    case_of,
    evidence,
    guess,
    plan,
    rows,
    scene,
    seen,
    topology,
)
from tools.action import SetReplicas, TrainModel
from tools.records import InferenceWindow

SERVICE, SCORE, OUT = (FLEET.service(name) for name in ("talk", "score", "out"))
BUSY: Values = {("gpu_utilisation", TALK): 90.0, ("spend", TALK): 6.0}
HUNG = "replica/talk/talk-1"
WINDOW = ("at", "features", "scores", "labels", "version")


def needs(name: str, values: Values | None = None, service: Any = SERVICE, records: Any = None, **bound: Any) -> str:
    shown = scene(seen(0, values if values is not None else BUSY), records=records)
    return unmet(name, Ground(service, bound, shown))


# -- capacity ------------------------------------------------------------------------------------------------------
def test_use_is_that_of_the_busiest_part_and_counts_the_queue() -> None:
    assert use_of(seen(0, BUSY), SERVICE) == 0.9
    assert use_of(seen(0, {**BUSY, ("kv_cache", TALK): 0.95}), SERVICE) == 0.95
    queue = {**BUSY, ("running", TALK): 10.0, ("waiting", TALK): 5.0}
    assert use_of(seen(0, queue), SERVICE) == pytest.approx(1.35)
    assert use_of(seen(0, {("spend", TALK): 6.0}), SERVICE) is None


MEASURED: Values = {("gpu_utilisation", TALK): 60.0, ("kv_cache", TALK): 0.2, ("requests", TALK): 5.0}


def test_a_load_whose_measure_was_lost_is_that_of_before_grown_with_the_traffic_and_never_less() -> None:
    kept = {key: value for key, value in MEASURED.items() if key[0] != "gpu_utilisation"}
    before = seen(0, MEASURED)
    assert use_of(seen(1, kept), SERVICE) == 0.2  # the cache alone says too little
    assert use_lately((before, seen(1, kept)), SERVICE) == pytest.approx(0.66)
    assert use_lately((before, seen(1, {**kept, ("requests", TALK): 10.0})), SERVICE) == pytest.approx(1.32)
    assert use_lately((before, seen(1, {**kept, ("requests", TALK): 1.0})), SERVICE) == pytest.approx(0.66)
    assert use_lately((before, seen(1, {**kept, ("kv_cache", TALK): 0.9})), SERVICE) == 0.9
    assert use_lately((before, seen(1, {("kv_cache", TALK): 0.2})), SERVICE) is None  # nor is the traffic known
    assert use_lately((before, seen(200, {})), SERVICE) is None  # too long ago
    assert use_lately((before, seen(1, MEASURED)), SERVICE) == 0.6


def test_what_lost_a_measure_of_its_load_is_never_made_smaller() -> None:
    kept = {("kv_cache", TALK): 0.2}
    shown = scene(seen(0, MEASURED), seen(1, kept))
    assert unmet("load_is_known", Ground(SERVICE, {}, shown)) == "a part of the load of talk is NO DATA since lately"
    assert not unmet("load_is_known", Ground(SERVICE, {}, scene(seen(0, kept), seen(1, kept))))


@given(st.integers(1, 50), st.floats(0, 5, allow_nan=False))
def test_enough_replicas_carry_the_load_and_one_less_does_not(ready: int, use: float) -> None:
    count = enough(ready, use)
    assert ready * use / count <= TARGET + 1e-6
    assert count == 1 or ready * use / (count - 1) > TARGET - 1e-6


def test_more_is_at_least_one_more_within_maximum_gpus_and_money() -> None:
    def wanted(values: Values, free: int = 3) -> int | None:
        return more(seen(0, values, where=topology(free=free)), SERVICE)

    assert wanted(BUSY) == 5  # 3 replicas 90 % busy want 4.5
    assert wanted({("gpu_utilisation", TALK): 10.0}) == 4
    assert wanted(BUSY, free=1) == 4
    assert wanted(BUSY, free=0) is None
    assert wanted({**BUSY, ("spend", TALK): 9.0}) is None  # the budget of 10 an hour pays for 3
    assert wanted({**BUSY, ("waiting", TALK): 900.0, ("running", TALK): 9.0}) == 5  # 2 an hour each, 10 to spend
    assert wanted({("spend", TALK): 6.0}) is None


def test_what_a_load_wants_is_the_most_of_the_last_minutes() -> None:
    calm = {("gpu_utilisation", TALK): 20.0}
    assert more(seen(1, calm), SERVICE) == 4
    assert more(seen(1, calm), SERVICE, [seen(0, BUSY)]) == 5


def test_fewer_falls_one_by_one_to_what_carries_the_load_and_never_below_the_floor() -> None:
    six = TALKING.model_copy(update={"replicas": 6, "ready": 6})

    def given_back(percent: float) -> tuple[int, ...]:
        return fewer(seen(0, {("gpu_utilisation", TALK): percent}, where=topology(deployment=six)), SERVICE)

    assert given_back(30.0) == (5, 4, 3)
    assert given_back(1.0) == (5, 4, 3, 2)
    assert given_back(60.0) == ()
    assert fewer(seen(0, {}), SERVICE) == ()


def test_a_budget_pays_for_whole_replicas() -> None:
    assert affordable(seen(0, {("spend", TALK): 7.5}), SERVICE, 3) == 4
    assert affordable(seen(0, {}), SERVICE, 3) == SERVICE.max_replicas


# -- preconditions -------------------------------------------------------------------------------------------------
def test_an_unknown_precondition_is_never_true() -> None:
    assert needs("the_moon_is_full") == "the_moon_is_full is not known here"


def test_every_precondition_of_the_library_is_known() -> None:
    assert {name for playbook in shipped() for name in playbook.preconditions} <= KNOWN


def test_a_revision_to_go_back_to_is_another_one_that_exists() -> None:
    assert not needs("good_revision_is_not_current", good_revision="1")
    assert needs("good_revision_is_not_current", good_revision="2")
    assert needs("good_revision_is_not_current", good_revision="9")
    assert needs("good_revision_is_not_current")
    assert "no deployment" in needs("good_revision_is_not_current", service=SCORE, good_revision="1")


def test_replicas_are_bounded_above_and_below_and_never_guessed() -> None:
    assert not needs("more_replicas_within_maximum", more_replicas="6")
    assert needs("more_replicas_within_maximum", more_replicas="7")
    assert needs("more_replicas_within_maximum")
    assert not needs("fewer_replicas_above_floor", fewer_replicas=("3", "2"))
    assert needs("fewer_replicas_above_floor", fewer_replicas=("3", "2", "1"))
    assert needs("fewer_replicas_above_floor", fewer_replicas=())
    assert not needs("load_is_known")
    assert needs("load_is_known", {}) == "the load of talk is NO DATA"


def test_peers_carry_the_load_where_that_is_known_and_nothing_is_left_to_lose_where_none_is_ready() -> None:
    assert not needs("peers_can_carry_load")
    assert needs("peers_can_carry_load", {}) == "the load of talk is NO DATA"

    def with_ready(count: int, percent: float) -> str:
        where = topology(deployment=TALKING.model_copy(update={"ready": count}))
        shown = scene(seen(0, {("gpu_utilisation", TALK): percent}, where=where))
        return unmet("peers_can_carry_load", Ground(SERVICE, {}, shown))

    assert with_ready(1, 90.0)
    assert not with_ready(1, 20.0)
    assert not with_ready(0, 90.0)


def test_replicas_on_a_dead_node_are_no_loss_to_the_one_that_works_elsewhere() -> None:
    dead = NODE.model_copy(update={"ready": False})
    pair = (REPLICA, REPLICA.model_copy(update={"name": "talk-2", "node": "n2"}))
    where = topology(deployment=TALKING.model_copy(update={"ready": 2}))
    where = where.model_copy(update={"nodes": (dead, NODE.model_copy(update={"name": "n2"})), "replicas": pair})
    shown = scene(seen(0, {("gpu_utilisation", TALK): 40.0}, where=where))

    def said(*replicas: str) -> str:
        return unmet("peers_can_carry_load", Ground(SERVICE, {"replicas": replicas}, shown))

    assert not said("talk/talk-1", "score/score-1")
    assert said("talk/talk-1", "talk/talk-2")
    assert said("score/score-1")


def test_a_node_in_other_hands_is_left_to_them() -> None:
    held = topology().model_copy(update={"nodes": (NODE.model_copy(update={"owners": ("nvsentinel",)}),)})
    said = unmet("node_is_unclaimed", Ground(SERVICE, {"node": "n1"}, scene(seen(0, BUSY, where=held))))
    assert said == "node n1 is in the hands of nvsentinel"
    assert not needs("node_is_unclaimed", node="n1")


def test_a_vendor_is_well_only_when_it_says_so() -> None:
    ratio = ("vendor_error_ratio", "vendor/out/b")
    for value, well in ((0.01, True), (0.5, False), (float("nan"), False)):
        assert (not needs("other_vendor_is_well", {ratio: value}, OUT, to_vendor="b")) is well
    assert needs("other_vendor_is_well", {}, OUT, to_vendor="b") == "vendor b is NO DATA"


def test_a_candidate_bears_a_name_of_its_own() -> None:
    records = Records()
    assert needs("candidate_is_new", {}, SCORE, records, candidate="p-1") == "no registry"
    records.versions = ("v1", "v2")
    assert not needs("candidate_is_new", {}, SCORE, records, candidate="p-1")
    assert needs("candidate_is_new", {}, SCORE, records, candidate="v1")
    assert needs("candidate_is_new", {}, SCORE, records)


# -- bindings ------------------------------------------------------------------------------------------------------
def bound(hypothesis: Hypothesis, *items: Any, service: str = "talk", records: Any = None, **where: Any) -> Any:
    case = case_of(hypothesis, evidence=items, service=service)
    values = {**BUSY, ("vendor_error_ratio", "vendor/out/b"): 0.01}
    return bindings_for(case, scene(seen(62, values, **where), records=records), hypothesis)


def test_a_release_goes_back_to_the_revision_before() -> None:
    assert bound(guess("bad_rollout_errors"))["good_revision"] == "1"
    first = TALKING.model_copy(update={"current": "1"})
    assert "good_revision" not in bound(guess("bad_rollout_errors"), where=topology(deployment=first))


def test_what_speaks_against_a_hypothesis_binds_nothing() -> None:
    hung = guess("engine_hang_200", HUNG)
    assert bound(hung, evidence("engine_stuck", 2.5, HUNG, replica="talk-1"))["replica"] == "talk-1"
    other = evidence("recent_release", -2.0, TALK, good_revision="7")
    assert bound(guess("bad_rollout_errors"), other)["good_revision"] == "1"


def test_a_replica_is_bound_with_its_node_and_what_else_is_there() -> None:
    found = bound(guess("engine_hang_200", HUNG))
    assert (found["replica"], found["node"], found["replicas"]) == ("talk-1", "n1", ("talk/talk-1",))


def test_traffic_goes_from_the_sick_vendor_to_the_one_that_fails_least() -> None:
    found = bound(guess("vendor_outage", "vendor/out/a"), service="out")
    assert (found["service"], found["from_vendor"], found["to_vendor"]) == ("out", "a", "b")
    assert "more_replicas" not in found


def test_training_is_on_labelled_rows_since_the_onset_less_those_that_will_judge_it() -> None:
    records, drift = Records(), guess("concept_drift", "service/score")
    records.versions = ("v1", "v2")
    assert "train_start" not in bound(drift, service="score", records=records)
    records.rows = rows(1300)
    assert "train_start" not in bound(drift, service="score", records=records)  # too few once some are held out
    records.rows = rows(1400)
    found = bound(drift, service="score", records=records)
    assert found["train_start"] == START.isoformat()
    assert START.isoformat() < found["train_end"]
    newest = records.rows.at[-350]
    assert START.fromisoformat(found["train_end"]).timestamp() == pytest.approx(newest, abs=5)
    assert (found["champion"], found["good_version"], found["candidate"]) == ("v2", "v1", "p-1-score")


def widened(*ago: float) -> str:
    """Return how many replicas are wanted of a calm service, after replicas were added so many minutes ago."""
    load = guess("kv_cache_saturation")
    wider = plan(SetReplicas(service="talk", replicas=3)).model_copy(update={"playbook": "scale_out"})
    shown = scene(seen(62, {("gpu_utilisation", TALK): 20.0}))
    past = []
    for minutes in ago:
        end = Outcome(incident="inc-0", at=shown.now - timedelta(minutes=minutes), verdict="recovered", text="held")
        past.append(case_of().model_copy(update={"plans": (wider,), "outcome": end}))
    return str(bindings_for(case_of(load), shown, load, past)["more_replicas"])


def test_a_load_that_outgrows_a_service_again_within_the_hour_gets_twice_as_many_more() -> None:
    assert widened() == "4"
    assert widened(90) == "4"
    assert widened(20) == "5"
    assert widened(20, 40) == "6"  # as many again as there are, at most


def trained(start: datetime, version: str = "v2") -> Case:
    """Return an earlier case in which that version was trained."""
    action = TrainModel(
        service="score", model="score", version=version, start_at=start, end_at=START, max_seconds=600.0
    )
    return case_of(service="score").model_copy(update={"plans": (plan(action, service="score"),)})


def train_start(right: float, version: str = "v2", hours: float = 1.0) -> str:
    """Return from when on is learnt, two hours later, where accuracy was 90 % before and is ``right`` now."""
    records, drift = Records(), guess("concept_drift", "service/score")
    records.versions = ("v1", "v2")
    before, after = rows(1400, right=0.9), rows(1400, right=right)
    records.rows = InferenceWindow(
        "score", before.names, *(np.concatenate([getattr(before, n), getattr(after, n)]) for n in WINDOW)
    )
    records.rows.at[:1400] -= 1800  # the half hour before the onset
    wrong = (np.arange(1400) * 0.6180339887 % 1.0) >= right  # evenly spread: nothing goes on falling
    records.rows.scores[1400:] = np.where(wrong, 1 - after.labels, after.labels) * 0.8 + 0.1
    past = (trained(START - timedelta(hours=hours), version),)
    shown = scene(seen(60, {}), records=records)
    found = bindings_for(case_of(drift, service="score"), shown, drift, past)
    return str(found["train_start"])


def test_a_champion_that_faded_is_trained_anew_on_all_rows_since_the_change_that_it_learnt() -> None:
    hour_ago = (START - timedelta(hours=1)).isoformat()
    assert train_start(right=0.85) == hour_ago
    assert train_start(right=0.6) == START.isoformat()  # it fell at once: the world changed again
    assert train_start(right=0.85, version="v1") == START.isoformat()  # not what answers now
    assert train_start(right=0.85, hours=20) == START.isoformat()  # too long ago


def test_the_patient_of_a_shared_cause_is_whom_the_hypothesis_names() -> None:
    case = case_of(service="talk")
    shown = scene(seen(0, {}))
    assert subject_of(case, guess("vendor_outage", "vendor/out/a"), shown).service is OUT
    assert subject_of(case, guess("canary_quality_regression", "model/score"), shown).service is SCORE
    assert subject_of(case, guess("xid_79_off_bus", "gpu/n1/0"), shown).service is SERVICE


# -- the planner ---------------------------------------------------------------------------------------------------
def plans(case: Case, *lacking: str, attempt: int = 1, values: dict[str, Any] | None = None) -> Any:
    known = {"service": "talk", "good_revision": "1", "replica": "talk-1", "more_replicas": "4"}
    facts = Facts("talk", values if values is not None else known, lambda name: "no" if name in lacking else "")
    return propose(case, shipped(), lambda _: facts, attempt, START)


def test_the_likeliest_cure_becomes_a_bounded_plan() -> None:
    found = plans(case_of(guess("bad_rollout_errors"), guess("engine_hang_200", HUNG, 0.3)))
    assert found.plan is not None
    assert (found.plan.playbook, found.plan.fault, found.plan.service) == (
        "rollback_release",
        "bad_rollout_errors",
        "talk",
    )
    assert found.plan.predicted == "error_ratio of talk from 10% back to 2% within 4 min"
    assert len(found.plan.steps) <= found.plan.bounds.steps


def test_what_lacks_its_ground_gives_way_to_the_next() -> None:
    case = case_of(guess("bad_rollout_errors"), guess("engine_hang_200", HUNG, 0.3))
    found = plans(case, "good_revision_is_not_current")
    assert found.plan is not None
    assert found.plan.playbook == "failover_replica"
    none = plans(case, "good_revision_is_not_current", "peers_can_carry_load")
    assert none.plan is None
    assert len(none.reasons) == 2


def test_what_was_tried_is_not_tried_again() -> None:
    case = case_of(guess("bad_rollout_errors")).model_copy(update={"plans": (plan(),)})
    found = plans(case, attempt=2)
    assert found.plan is None
    assert found.reasons == ("rollback_release was tried and did not help",)


def test_what_was_broken_off_by_what_passes_is_tried_again() -> None:
    tried = {"plans": (plan(),)}
    case = case_of(guess("bad_rollout_errors")).model_copy(update={**tried, "held": (plan().id,)})
    found = plans(case, attempt=2)
    assert found.plan is not None
    assert (found.plan.playbook, found.plan.attempt) == ("rollback_release", 2)


def test_a_node_that_takes_nothing_already_is_not_cordoned_twice() -> None:
    values: dict[str, Any] = {"service": "talk", "node": "n1", "replicas": ("talk/talk-1",)}
    found = plans(case_of(guess("node_not_ready", "node/n1")), values=values).plan
    assert [step.action.verb for step in found.steps] == ["set_schedulable", "evict_replica"]
    assert [step.action.verb for step in without(found, ["n1"]).steps] == ["evict_replica"]
    assert without(found, ["n2"]) == found


def test_an_unlikely_or_incurable_hypothesis_is_no_ground() -> None:
    assert plans(case_of(guess("bad_rollout_errors", probability=0.1))).reasons == ("no hypothesis is likely enough",)
    assert plans(case_of(guess("gremlins"))).reasons == ("no playbook cures gremlins",)
    assert plans(case_of()).plan is None


def test_only_labels_are_worth_waiting_for() -> None:
    values = {"service": "score", "model": "score", "champion": "v2", "candidate": "p-1", "train_seconds": "600"}
    waiting = plans(case_of(guess("concept_drift")), "labels_are_enough", values=values)
    assert (waiting.plan, waiting.worth_waiting) == (None, True)
    both = plans(case_of(guess("concept_drift")), "labels_are_enough", "candidate_is_new", values=values)
    assert not both.worth_waiting
    assert not plans(case_of(guess("bad_rollout_errors")), values={"service": "talk"}).worth_waiting


def test_every_fault_of_the_taxonomy_has_a_cure_or_is_a_persons() -> None:
    cured = {fault for playbook in shipped() for fault in playbook.cures}
    assert {fault.id for fault in shipped_faults() if not fault.person} <= cured
    assert not {fault.id for fault in shipped_faults() if fault.person} & cured


def test_what_is_likelier_a_persons_is_not_treated_for_the_next_best() -> None:
    case = case_of(guess("null_burst", probability=0.65), guess("bad_rollout_errors", probability=0.3))
    found = plans(case)
    assert (found.plan, found.reasons) == (None, ("no playbook cures null_burst",))
