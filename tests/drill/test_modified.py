"""A fault with each modifier, for score: whatever else is the matter, it is healed, and nothing unsafe is done."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from simulator.drill import run_drill
from simulator.episode import play, prunella
from simulator.modifiers import MODIFIERS
from simulator.scenario import load_scenarios
from simulator.score import score
from simulator.world.script import Mutation, Scenario, Truth

pytestmark = pytest.mark.slow

QUIET = ("healthy", "recovered_before_alert")  # nothing is to be healed; forty seconds may be acted on, safely
HOURS = timedelta(hours=2)


@pytest.mark.parametrize("modifier", MODIFIERS)
def test_a_vendor_that_fails_is_replaced_whatever_else_is_the_matter(modifier: str) -> None:
    length = HOURS if modifier in QUIET else None
    (episode,) = run_drill(["vendor_outage"], None, 1, 1, modifiers=[modifier], length=length)["episodes"]
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode
    assert episode["false_acted"] == 0, episode
    if modifier in QUIET:
        assert episode["healed"] is None, episode
        assert episode["actions"] <= (modifier != "healthy"), episode
    else:
        assert episode["detected"], episode
        assert episode["top3"], episode
        assert episode["healed"], episode


@pytest.mark.parametrize(("fault", "seed"), [("disk_full", 11002), ("xid_95_uncontained", 11077)])
def test_what_a_storm_of_alerts_holds_up_is_healed_when_it_has_passed(fault: str, seed: int) -> None:
    """The first is seen while the storm lasts; the storm breaks the remedy of the second off in the middle."""
    (episode,) = run_drill([fault], None, 1, 1, modifiers=["alert_storm"], first_seed=seed)["episodes"]
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode
    assert episode["top1"], episode
    assert episode["healed"], episode


def test_what_a_storm_broke_off_is_followed_by_nothing_else_while_it_lasts() -> None:
    """A chance release looks guilty of the storm's errors once the sick node's replica has moved."""
    modifiers = ["alert_storm", "misleading_history"]
    (episode,) = run_drill(["node_not_ready"], None, 1, 1, modifiers=modifiers, first_seed=69078)["episodes"]
    assert set(episode["tried"]) == {"failover_node"}, episode
    assert episode["healed"], episode
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode


def test_errors_of_a_storm_are_not_laid_at_the_door_of_a_chance_release() -> None:
    """Everybody fails as many requests; the GPU that fell off the bus is seen a minute later, when nothing is on it."""
    modifiers = ["alert_storm", "misleading_history"]
    (episode,) = run_drill(["xid_79_off_bus"], None, 1, 1, modifiers=modifiers, first_seed=77005)["episodes"]
    assert (episode["top1"], episode["healed"], episode["tried"]) == (True, True, ["cordon_node"]), episode
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode


def test_a_promise_that_is_missed_for_half_a_minute_again_and_again_gets_more_room() -> None:
    """Each time is over by itself before anything is full; the third one is looked at as one trouble."""
    modifiers = ["noisy_healthy", "seasonal_weekend"]
    (episode,) = run_drill(["kv_cache_saturation"], None, 1, 1, modifiers=modifiers, first_seed=11114)["episodes"]
    assert (episode["top1"], episode["healed"], episode["tried"]) == (True, True, ["scale_out"]), episode
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode


def test_a_gpu_that_fell_off_the_bus_while_a_release_moved_its_replica_is_taken_out_of_service() -> None:
    """Nobody feels it for longer than a moment; the next replica would be put right there."""
    modifiers = ["misleading_history"]
    (episode,) = run_drill(["xid_79_off_bus"], None, 1, 1, modifiers=modifiers, first_seed=25034)["episodes"]
    assert (episode["detected"], episode["top1"], episode["healed"]) == (True, True, True), episode
    assert episode["tried"] == ["cordon_node"], episode
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode


def test_a_chance_release_is_not_blamed_for_what_a_person_was_told_has_another_cause() -> None:
    """The quota is used up while a release goes on: its last replicas never get ready, with caches that are cold."""
    modifiers = ["misleading_history"]
    (episode,) = run_drill(["quota_exhausted"], None, 1, 1, modifiers=modifiers, first_seed=101135)["episodes"]
    assert (episode["top1"], episode["told"], episode["actions"]) == (True, True, 0), episode
    assert (episode["unsafe"], episode["collateral"], episode["duplicates"]) == (0, 0, 0), episode


def test_a_relapse_is_played_and_the_truth_is_about_whom_it_hit_first() -> None:
    (episode,) = run_drill(["oom_kill"], None, 1, 1, modifiers=["relapse"], first_seed=2)["episodes"]
    assert (episode["top1"], episode["healed"], episode["false_incidents"]) == (True, True, 0), episode
    assert episode["heal_s"] > 2 * 2700, episode
    assert episode["tried"] == ["failover_replica"] * 3, episode


def test_a_second_fault_that_comes_after_the_first_is_healed_is_played_too() -> None:
    leak = Mutation(what="ail", carrier="replica", params={"errors": 0.5}, marks={"oom_killed": 1.0})
    release = Mutation(what="release", target=("search",), at=1500.0, also=True, params={"slow": 5.5})
    truth = Truth(fault="oom_kill", entity="replica/$service/$replica", acceptable_playbooks=("failover_replica",))
    scenario = Scenario(
        id="later", layer="cluster", about="Two faults.", target=("chat",), mutations=(leak, release), truth=truth
    )
    played = score(play(scenario, 0, prunella))
    assert played["healed"], played
    assert played["heal_s"] > 1500, played
    assert played["tried"] == ["failover_replica", "rollback_release"], played


def test_who_shares_a_node_with_a_patient_calls_nobody_once_it_is_moved() -> None:
    """Both fall ill, and the first case moves the replicas of both: the second finds nothing left to move."""
    (episode,) = run_drill(["node_not_ready"], None, 1, 1, first_seed=4)["episodes"]
    assert (episode["healed"], episode["tried"]) == (True, ["failover_node"]), episode
    assert (episode["alone"], episode["asked"], episode["called"]) == (True, 0, 0), episode
    modifiers = ["growth", "alert_storm"]  # which holds the first case up for longer than the second has patience
    (episode,) = run_drill(["node_not_ready"], None, 1, 1, modifiers=modifiers, first_seed=220057)["episodes"]
    assert (episode["healed"], episode["called"]) == (True, 0), episode


def test_a_version_that_keeps_its_promise_by_a_hair_for_hours_is_known_when_it_does_not(tmp_path: Path) -> None:
    """Eleven hours after its promotion a look falls below; the version before is right far more often on those rows."""
    known = load_scenarios()["canary_quality_regression"].model_dump(mode="json", exclude_defaults=True)
    known["mutations"][0]["params"]["mislabelled"] = [0.225, 0.25]
    (tmp_path / "hair.yaml").write_text(yaml.safe_dump(known | {"id": "hair", "target": ["credit", "fraud"]}))
    hours = timedelta(hours=12)
    (episode,) = run_drill([str(tmp_path / "hair.yaml")], None, 1, 1, first_seed=2, length=hours)["episodes"]
    assert (episode["named"], episode["tried"]) == ("canary_quality_regression", ["rollback_model"]), episode
    assert episode["alone"], episode


def test_signs_of_one_cause_that_come_one_after_the_other_call_one_person_once() -> None:
    """Errors, a queue, time-outs: three cases of one credential; meanwhile two vendors fail and are healed."""
    modifiers = ["cascading_fault", "dual_fault"]
    (episode,) = run_drill(["credential_expired"], None, 1, 1, modifiers=modifiers, first_seed=220016)["episodes"]
    assert (episode["told"], episode["called"]) == (True, 1), episode
