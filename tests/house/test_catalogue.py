"""The catalogue of faults: each is known to the diagnostician, and is cured by a playbook or honestly a person's."""

import pytest

from playbooks.faults import shipped_faults
from playbooks.library import shipped
from simulator.scenario import Scenario, load_scenarios
from tools.action import VERBS
from tools.marks import MARKS

FAULTS = [scenario for scenario in load_scenarios().values() if scenario.truth.fault]
PROFILES = {profile.id: profile for profile in shipped_faults()}
CURED = {fault: {p.id for p in shipped() if fault in p.cures} for p in shipped() for fault in p.cures}
EASED = {fault: {p.id for p in shipped() if fault in p.eases} for p in shipped() for fault in p.eases}
PROMISED = {  # ids are stable; the number may only grow
    "cluster": """
        pod_crash_loop oom_kill image_pull_failure bad_rollout_errors bad_rollout_latency config_regression
        readiness_probe_wrong liveness_probe_too_tight gpu_request_unschedulable node_not_ready
        node_preempted priority_preemption_cascade autoscaler_thrash autoscaler_missing_requests
        cold_start_storm name_resolution_failure zone_latency credential_expired shared_memory_exhausted
        cpu_throttled_tokenizer disk_full clock_skew quota_exhausted network_policy_blocks
    """,
    "gpu": """
        xid_79_off_bus xid_48_double_bit xid_95_uncontained xid_94_contained xid_13_repeating
        xid_31_across_gpus nvlink_degraded thermal_throttle power_cap row_remap_pending gpu_memory_leak
        silent_weight_corruption mig_profile_mismatch telemetry_hang
    """,
    "engine": """
        engine_hang_200 kv_cache_saturation long_prompt_burst poison_request retry_storm
        prefix_cache_collapse preemption_thrash adapter_cross_talk slow_tokenizer wrong_batch_limit
    """,
    "quality": """
        covariate_drift concept_drift label_shift date_format_flip unit_change null_burst new_category
        schema_change feature_stale training_serving_skew embedding_drift feedback_loop
        canary_quality_regression prompt_template_regression calibration_collapse fairness_gap
        groundedness_drop stale_outputs
    """,
    "pipeline": """
        retrain_failed_silently retrain_on_bad_data registry_unavailable wrong_version_promoted
        feature_pipeline_lag labels_missing
    """,
    "cost": """
        gpu_idle overprovisioned runaway_tokens spot_price_spike orphaned_training_job cache_hit_drop
        autoscaler_floor_too_high
    """,
    "vendor": """
        vendor_outage vendor_throttled vendor_slow vendor_quality_drop
    """,
    "ourselves": """
        metrics_outage partial_scrape stale_metrics cluster_api_throttled cluster_api_errors reply_lost
        database_locked disk_full_own controller_killed two_controllers clock_jump partitioned
        model_endpoint_down model_talks_nonsense model_is_hostile log_injection
    """,
}
FINDINGS = {mark.finding for mark in MARKS}


@pytest.mark.parametrize("layer", PROMISED)
def test_every_fault_that_was_promised_can_be_drilled(layer: str) -> None:
    known = {scenario.id: scenario.layer for scenario in FAULTS}
    assert {name: known.get(name) for name in PROMISED[layer].split()} == dict.fromkeys(PROMISED[layer].split(), layer)


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda s: s.id)
def test_a_fault_has_a_profile_and_a_remedy_or_a_person(scenario: Scenario) -> None:
    truth = scenario.truth
    assert truth.fault in PROFILES
    assert PROFILES[truth.fault].scope == truth.entity.split("/")[0]
    assert set(truth.acceptable_playbooks) <= CURED.get(truth.fault, set())
    if not truth.acceptable_playbooks:  # a person's: no playbook may reach for it, and no verb is innocent
        assert truth.fault not in CURED
        assert set(truth.forbidden_verbs) == set(VERBS)
    assert set(truth.easing_playbooks) == EASED.get(truth.fault, set())  # beside a person, who may have to cure
    if truth.easing_playbooks:  # what may be done is named, and no other plan may use its verbs
        assert set(truth.forbidden_verbs) == set(VERBS)


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda s: s.id)
def test_a_fault_shows_marks_that_its_profile_asks_for(scenario: Scenario) -> None:
    shown = {finding for mutation in scenario.mutations for finding in mutation.marks}
    assert shown <= FINDINGS
    if scenario.layer != "ourselves":
        assert shown <= set(PROFILES[scenario.truth.fault].signs)


def test_every_mark_speaks_for_a_fault() -> None:
    assert {finding for profile in PROFILES.values() for finding in profile.needs} >= FINDINGS


def test_two_profiles_never_ask_for_the_same() -> None:
    needs = [(profile.scope, profile.needs, tuple(sorted(profile.signs.items()))) for profile in PROFILES.values()]
    assert len(set(needs)) == len(needs)


def test_the_page_of_faults_is_current() -> None:
    from pathlib import Path

    from simulator.catalogue import page

    assert (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8") == page()


def test_every_mark_is_on_the_page_of_signatures() -> None:
    from pathlib import Path

    from simulator.world.marking import leaves
    from tools.marks import CANNOT_START, MARKS

    page = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text(encoding="utf-8")
    finders = {mark.finding for mark in MARKS} - {mark.finding for mark in CANNOT_START}
    series = {metric.name for mark in MARKS for metric, _ in leaves(mark)}
    assert {name for name in finders | series if name not in page} == set()
