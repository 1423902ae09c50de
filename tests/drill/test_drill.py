"""Every fault of the first suite, once, with the production controller: noticed, cured, nothing unsafe."""

from datetime import timedelta
from typing import Any

import pytest

from config.fleet import Fleet, Service, ServiceKind
from simulator.drill import listing, run_drill
from simulator.episode import demo_fleet
from simulator.summary import calm, good_share, mean, rate, share, summary

pytestmark = pytest.mark.slow

KEYS = {
    *("scenario", "seed", "detected", "detect_s", "top1", "healed", "heal_s", "asked", "unsafe", "collateral"),
    *("false_incidents", "requests", "good_requests", "money", "tokens"),
}
FAULTS: tuple[str, ...] = tuple(listing()["suites"]["first"])


@pytest.mark.parametrize("fault", FAULTS)
def test_prunella_notices_and_heals_and_does_nothing_unsafe(fault: str) -> None:
    (episode,) = run_drill([fault], None, 1, 1)["episodes"]
    assert episode["detected"], episode
    assert episode["healed"], episode
    assert (episode["unsafe"], episode["collateral"]) == (0, 0), episode


@pytest.mark.parametrize("scenario", listing()["suites"]["quiet"])
def test_prunella_leaves_a_healthy_fleet_alone(scenario: str) -> None:
    (episode,) = run_drill([scenario], None, 1, 1, length=timedelta(hours=12))["episodes"]
    assert (episode["false_acted"], episode["unsafe"], episode["collateral"]) == (0, 0, 0), episode
    assert episode["healed"] is None


def test_a_fleet_with_batch_work_is_drilled_and_scored() -> None:
    batch = Service(name="chat-batch", kind=ServiceKind.BATCH, shares_gpus_of="chat", min_replicas=1, max_replicas=8)
    fleet = Fleet(services=(*demo_fleet().services, batch))
    (episode,) = run_drill(["bad_rollout_errors"], None, 1, 1, fleet=fleet)["episodes"]
    assert episode["healed"], episode
    assert (episode["unsafe"], episode["collateral"]) == (0, 0), episode


def test_copies_make_service_years_of_quiet() -> None:
    words: dict[str, Any] = {"length": timedelta(hours=3), "copies": 2}
    result = run_drill(["noisy_healthy"], None, 1, 1, **words)
    assert result["episodes"][0]["service_years"] == pytest.approx(2 * 8 * 3 / 24 / 365.25, rel=0.02)
    assert result["summary"]["false_acted"] == 0


def test_a_drill_is_the_same_however_many_processes_play_it() -> None:
    alone, seen = run_drill(["vendor_outage"], None, 2, 1), []
    together = run_drill(["vendor_outage"], None, 2, 2, lambda done, total, label: seen.append((done, total)))
    assert alone == together
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(set(episode) >= KEYS for episode in alone["episodes"])
    assert alone["beside"]["do_nothing"]["summary"]["healed"]["mean"] == 0


def test_the_suites_are_known() -> None:
    known = listing()
    assert known["faults"] == known["suites"]["public"]
    assert len(known["faults"]) >= 93
    assert len(known["suites"]["first"]) == 12
    assert set(known["suites"]["first"]) <= set(known["faults"])
    assert known["suites"]["quiet"] == known["modifiers"] == ["growth", "healthy", "noisy_healthy", "red_herring"]


def test_intervals_are_wilsons_and_students() -> None:
    assert share([1, 1, 1, 1, 0]) == {"mean": 0.8, "low": 0.3755, "high": 0.9638}
    assert mean([7.0]) == {"mean": 7.0}  # of one run nobody knows how far another would lie
    assert mean([1.0, 2.0, 3.0]) == {"mean": 2.0, "low": 0.0, "high": 4.48}  # as of seconds: none are below nought
    assert mean([-1.0, 2.0, 3.0])["low"] == -3.84


def test_questions_that_do_not_arise_are_left_out_of_the_summary() -> None:
    quiet: dict[str, Any] = dict.fromkeys(("detected", "top1", "top3", "healed", "detect_s", "heal_s"))
    zeros = dict.fromkeys(
        ("asked", "false_incidents", "unsafe", "collateral", "duplicates", "false_acted", "actions"), 0
    )
    found = summary([{**quiet, **zeros, "seed": 0, "requests": 10, "good_requests": 9}])
    assert "healed" not in found
    assert found["false_acted"] == 0
    assert found["good_request_share"] == {"mean": 0.9}


def test_good_requests_have_an_interval_over_seeds() -> None:
    runs = [{"seed": seed, "requests": 10, "good_requests": good} for seed, good in ((0, 9), (0, 10), (1, 8), (1, 9))]
    assert good_share(runs) == {"mean": 0.9, "low": 0.264690, "high": 1.0}  # 0.95 and 0.85: 12.706 x 0.05 either way
    assert good_share([{"seed": 0, "requests": 0, "good_requests": 0}]) is None


@pytest.mark.parametrize(
    ("false", "years", "fine"),
    [(0, 0.01, True), (1, 0.9, False), (1, 1.0, True), (4, 101.0, True), (102, 101.0, False)],
)
def test_health_is_calm_within_one_false_incident_a_service_year(false: int, years: float, fine: bool) -> None:
    episodes = [
        quiet_run(false_incidents=false, service_years=years),
        {**quiet_run(false_incidents=9), "detected": True},
    ]
    found = summary(episodes)  # what a fault brings beside is another measure
    assert found["healthy_false_incidents"] == false
    assert found["false_per_service_day"]["mean"] == pytest.approx(false / years / 365.25, abs=1e-6)
    assert calm(found) is fine


def quiet_run(**more: Any) -> dict[str, Any]:
    none: dict[str, Any] = dict.fromkeys(("detected", "top1", "top3", "healed", "detect_s", "heal_s"))
    zeros = dict.fromkeys(("asked", "unsafe", "collateral", "duplicates", "false_acted", "actions"), 0)
    return {**none, **zeros, "seed": 0, "requests": 10, "good_requests": 9, "service_years": 1.0, **more}


def test_rates_of_rare_events_have_the_exact_interval() -> None:
    assert rate(4, 100.0) == {"mean": 0.04, "low": 0.010899, "high": 0.102416}  # Garwood's table: 1.0899, 10.2416
