"""The facts that rules may see are those of the world, now."""

from dataclasses import replace
from typing import Any

import pytest

from agent.casebook import Case
from agent.rollouts import Stuck
from agent.situate import situate
from playbooks.plan import Execution
from policies.decision import Situation
from tests.agent.handmade import (
    NODE,
    START,
    TALK,
    TALKING,
    TICK,
    Values,
    case_of,
    guess,
    plan,
    scene,
    seen,
    topology,
)
from tools.action import Action, EvictReplica, RestoreRevision, SetAlias, SetReplicas, SetSchedulable
from tools.memory_journal import MemoryJournal
from tools.topology import Deployment

WELL: Values = {("error_ratio", TALK): 0.1, ("gpu_utilisation", TALK): 60.0, ("spend", TALK): 9.0}
CASE = case_of(guess("bad_rollout_errors", probability=0.826), guess("engine_hang_200", probability=0.1))


def facts(
    *actions: Action,
    values: Values = WELL,
    deployment: Deployment = TALKING,
    journal: MemoryJournal | None = None,
    case: Case = CASE,
    open_cases: int = 1,
    **more: Any,
) -> Situation:
    shown = scene(seen(0, values, where=topology(deployment=deployment)))
    return situate(case, plan(*actions, **more), shown, journal or MemoryJournal(), open_cases, freeze="")


def test_faults_that_count_together_make_one_confidence() -> None:
    apart = case_of(guess("bad_rollout_errors", probability=0.5), guess("config_regression", probability=0.375))
    assert facts(case=apart).confidence_percent == 50
    assert apart.diagnosis is not None
    one = apart.diagnosis.model_copy(update={"alike": ("bad_rollout_errors", "config_regression")})
    assert facts(case=apart.model_copy(update={"diagnosis": one})).confidence_percent == 88


def test_a_rollback_takes_nothing_away() -> None:
    found = facts()
    assert (found.blast_percent, found.floor_margin, found.load_percent) == (0, 1, 60)
    assert (found.confidence_percent, found.tier, found.environment) == (83, "gold", "production")
    assert (found.money_per_hour, found.data_fresh, found.reversible) == (0.0, True, True)
    assert not any((found.storm, found.frozen, found.other_owner, found.opted_out))


def test_an_eviction_takes_a_replica_away_unless_it_did_not_work() -> None:
    evict = EvictReplica(service="talk", replica="talk-1")
    found = facts(evict)
    assert (found.blast_percent, found.floor_margin, found.load_percent) == (33, 0, 90)
    assert facts(evict, fault="engine_hang_200").blast_percent == 0


def test_each_step_down_counts_from_the_one_before_and_the_floor_at_the_end() -> None:
    found = facts(SetReplicas(service="talk", replicas=2), SetReplicas(service="talk", replicas=1))
    assert (found.blast_percent, found.floor_margin, found.load_percent) == (50, -1, 180)


def test_what_is_taken_from_a_gold_service_counts_by_its_own_tier_whoever_the_patient_is() -> None:
    evict = EvictReplica(service="talk", replica="talk-1")
    mine, neighbour = facts(evict), facts(evict, service="score")
    assert (mine.tier, mine.blast_percent, mine.gold_blast_percent) == ("gold", 33, 33)
    assert (neighbour.tier, neighbour.blast_percent, neighbour.gold_blast_percent) == ("silver", 33, 33)
    score = TALKING.model_copy(update={"service": "score"})
    other = facts(SetReplicas(service="score", replicas=1), deployment=score)
    assert (other.tier, other.blast_percent, other.gold_blast_percent) == ("gold", 67, 0)


def test_more_replicas_cost_money_and_fewer_save_it() -> None:
    assert facts(SetReplicas(service="talk", replicas=5)).money_per_hour == 6.0
    assert facts(SetReplicas(service="talk", replicas=2)).money_per_hour == -3.0


@pytest.mark.parametrize("values", [{}, {("error_ratio", "service/score"): 0.5}, {("error_ratio", TALK): float("nan")}])
def test_without_data_nothing_is_fresh_and_what_remains_is_taken_for_full(values: Values) -> None:
    found = facts(EvictReplica(service="talk", replica="talk-1"), values=values)
    assert not found.data_fresh
    assert found.load_percent == 100


BACK, AWAY = RestoreRevision(service="talk", revision="2"), EvictReplica(service="talk", replica="talk-1")


@pytest.mark.parametrize(
    ("serving", "problems", "action", "fresh"),
    [(0, (), BACK, True), (1, (), BACK, False), (0, ("500",), BACK, False), (0, (), AWAY, False)],
)
def test_where_a_release_left_nothing_serving_no_promise_need_be_measured_to_take_it_back(
    serving: int, problems: tuple[str, ...], action: Action, fresh: bool
) -> None:
    look = replace(seen(0, {}), rollouts={"talk": Stuck("3", START, 2, serving)}, problems=problems)
    assert situate(CASE, plan(action), scene(look), MemoryJournal(), 1, freeze="").data_fresh is fresh


def test_partial_data_is_not_fresh() -> None:
    shown = scene(seen(0, WELL, problems=("a shard is away",)))
    assert not situate(CASE, plan(), shown, MemoryJournal(), 1, freeze="").data_fresh


@pytest.mark.parametrize(
    ("owner", "action", "owned"),
    [
        ("hpa", SetReplicas(service="talk", replicas=4), True),
        ("hpa", RestoreRevision(service="talk", revision="1"), False),
        ("argocd", RestoreRevision(service="talk", revision="1"), True),
        ("argocd", SetAlias(service="talk", model="talk", alias="champion", version="1"), False),
        ("argocd", EvictReplica(service="talk", replica="talk-1"), True),
    ],
)
def test_another_owner_is_one_of_what_the_plan_writes(owner: str, action: Action, owned: bool) -> None:
    assert facts(action, deployment=TALKING.model_copy(update={"owners": (owner,)})).other_owner is owned


@pytest.mark.parametrize(
    ("owners", "action", "owned"),
    [
        (("nvsentinel",), SetSchedulable(node=NODE.name, schedulable=False), True),
        (("nvsentinel",), EvictReplica(service="talk", replica="talk-1"), False),
        ((), SetSchedulable(node=NODE.name, schedulable=False), False),
    ],
)
def test_a_node_is_never_mended_by_two(owners: tuple[str, ...], action: Action, owned: bool) -> None:
    claimed = topology().model_copy(update={"nodes": (NODE.model_copy(update={"owners": owners}),)})
    found = situate(CASE, plan(action), scene(seen(0, WELL, where=claimed)), MemoryJournal(), 1, freeze="")
    assert found.other_owner is owned


def test_hands_off_and_storms_are_seen() -> None:
    assert facts(deployment=TALKING.model_copy(update={"opted_out": True})).opted_out
    assert not facts(open_cases=2).storm
    assert facts(open_cases=3).storm


def test_actions_are_counted_by_what_they_wrote_to_whatever_incident_they_were_for() -> None:
    journal = MemoryJournal()
    late, early = START - TICK, START - TICK * 121
    for subject, service, at in (
        ("inc-1-talk", "talk", late),
        ("inc-2-out", "talk", late),
        ("inc-3-small-talk", "small-talk", late),
        ("inc-4-talk", "talk", early),
    ):
        body = {"action": RestoreRevision(service=service, revision="1").model_dump(mode="json")}
        journal.append(subject, "STEP_INTENT", body, at)
    found = facts(journal=journal)
    assert (found.service_actions_last_hour, found.fleet_actions_last_hour) == (2, 3)


def test_earlier_runs_against_the_same_fault_are_counted_for_a_day() -> None:
    journal = MemoryJournal()

    def ran(name: str, *, hours: float, begun: bool = True, fault: str = "bad_rollout_errors") -> None:
        at = START - TICK * 120 * hours
        made = plan(fault=fault).model_copy(update={"id": name})
        journal.append(f"inc-{name}", "PLAN", made.model_dump(mode="json"), at)
        if begun:
            journal.append(f"inc-{name}", "RUN_PLANNED", {"plan": name}, at)

    ran("old", hours=25)
    ran("other fault", hours=2, fault="engine_hang_200")
    ran("never begun", hours=2, begun=False)
    ran("plan-1", hours=0)
    assert facts(journal=journal).attempts == 0
    ran("one", hours=3)
    ran("two", hours=23)
    assert facts(journal=journal).attempts == 2
    barred = Execution(plan="two", incident="inc-two", at=START, state="failed", barred=True)
    journal.append("inc-two", "EXECUTION", barred.model_dump(mode="json"), START)
    assert facts(journal=journal).attempts == 1  # a look was refused: nothing was tried
    ran("three", hours=1)
    earlier = plan(fault="kv_cache_saturation").model_copy(update={"id": "here", "attempt": 2})
    assert facts(journal=journal, case=CASE.model_copy(update={"plans": (earlier, plan())})).attempts == 3


@pytest.mark.parametrize(
    ("errors", "percent"), [((0.02, 0.02), 100), ((0.01, 0.05), 150), ((), 0), ((float("nan"), 0.04), 200)]
)
def test_the_pace_of_errors_is_that_of_lately(errors: tuple[float, ...], percent: int) -> None:
    values: list[Any] = [{("error_ratio", TALK): share} for share in errors] or [{}]
    shown = scene(*(seen(tick, each) for tick, each in enumerate(values)))
    assert situate(CASE, plan(), shown, MemoryJournal(), 1, freeze="").budget_burn_percent == percent
