"""Evidence becomes a cause, or an honest "unresolved"."""

import itertools

import pytest

from agent.case import BLIND, Diagnosis, Evidence
from agent.diagnose import diagnose
from playbooks.faults import shipped_faults
from tests.agent.handmade import anomaly, evidence, incident

HUNG = "replica/talk/talk-1"


def told(*items: Evidence) -> Diagnosis:
    return diagnose(incident(anomaly("service/talk")), items, shipped_faults())


def top(*items: Evidence) -> str:
    best = told(*items).top
    return best.fault if best and told(*items).resolved else ""


def test_errors_after_a_release_are_the_release() -> None:
    items = (evidence("errors_up", 2.5), evidence("recent_release", 2.8), evidence("latency_up", -1.5))
    assert top(*items) == "bad_rollout_errors"


def test_slowness_after_a_release_is_not_called_errors_because_of_time_outs() -> None:
    items = (evidence("errors_up", 2.5), evidence("recent_release", 2.8), evidence("latency_up", 3.0))
    assert top(*items) == "bad_rollout_latency"


@pytest.mark.parametrize(
    ("finding", "weight", "entity", "fault", "felt"),
    [
        ("node_down", 3.0, "node/n1", "node_not_ready", "errors_up"),
        ("gpu_off_bus", 3.0, "gpu/n1/0", "xid_79_off_bus", "errors_up"),
        ("gpu_throttled", 2.5, "gpu/n1/0", "thermal_throttle", "latency_up"),
    ],
)
def test_a_machine_that_is_seen_to_fail_outweighs_a_release_that_came_by_chance(
    finding: str, weight: float, entity: str, fault: str, felt: str
) -> None:
    other = "latency_up" if felt == "errors_up" else "errors_up"
    quiet = [evidence(name, -1.5) for name in (other, "answers_longer", "prompts_longer", "engine_stuck")]
    machine = (evidence(finding, weight, entity), evidence("gpu_fault", 2.0))
    assert top(evidence(felt, 2.5), evidence("recent_release", 3.0), *machine, *quiet) == fault


def test_a_cache_is_cold_while_replicas_are_still_being_created() -> None:
    cold = (evidence("prefix_misses", 2.5), evidence("recent_release", 3.0), evidence("latency_up", 2.5))
    assert top(*cold) == "prefix_cache_collapse"
    assert top(*cold, evidence("container_creating", 2.5)) == "cold_start_storm"


@pytest.mark.parametrize("change", ["recent_release", "recent_config"])
def test_what_people_ask_is_nothing_that_a_release_made_longer(change: str) -> None:
    slow = (evidence("latency_up", 2.5), evidence(change, 2.6), evidence("answers_longer", -1.5))
    assert top(*slow, evidence("prompts_longer", -1.5)) in ("bad_rollout_latency", "config_regression")
    assert top(*slow, evidence("prompts_longer", 2.5)) == ""
    full = evidence("saturated", 2.5)
    assert top(*slow, evidence("prompts_longer", 2.5), full) == "kv_cache_saturation"


def test_a_hang_is_no_hang_when_the_engine_answers() -> None:
    stuck = evidence("engine_stuck", 2.5, HUNG)
    assert top(stuck, evidence("probe_confirms", 3.0, HUNG)) == "engine_hang_200"
    assert top(stuck, evidence("probe_confirms", -3.0, HUNG)) == ""


def test_what_was_looked_for_in_vain_proves_no_fault() -> None:
    absent = [evidence(name, -3.0) for name in ("recent_release", "gpu_fault", "answers_longer", "prompts_longer")]
    assert top(evidence("saturated", 0.6), evidence("latency_up", 2.0), *absent) == ""


def test_nothing_seen_is_unresolved_and_says_what_it_wants() -> None:
    assert not told().resolved
    assert told().wants


def test_faults_that_one_remedy_cures_need_not_be_told_apart_for_ever() -> None:
    items = (evidence("latency_up", 2.5), evidence("recent_release", 2.8), evidence("recent_config", 2.8))
    alone = told(*items)
    assert not alone.resolved
    same = {"bad_rollout_latency": frozenset(("back",)), "config_regression": frozenset(("back",))}
    found = diagnose(incident(anomaly("service/talk")), items, shipped_faults(), same)
    assert found.resolved
    assert {*found.alike} == {*same}
    other = {**same, "config_regression": frozenset(("else",))}
    assert not diagnose(incident(anomaly("service/talk")), items, shipped_faults(), other).resolved
    nobody: dict[str, frozenset[str]] = dict.fromkeys(same, frozenset())
    assert not diagnose(incident(anomaly("service/talk")), items, shipped_faults(), nobody).resolved


def test_the_order_of_evidence_is_irrelevant() -> None:
    items = (evidence("errors_up", 2.5), evidence("recent_release", 2.8), evidence("saturated", -2.0))
    assert len({told(*order).model_dump_json() for order in itertools.permutations(items)}) == 1


def test_what_could_refute_a_fault_and_did_not_come_leaves_it_open() -> None:
    seen_down = evidence("accuracy_down", 2.5)
    assert diagnose(incident(), (seen_down,), shipped_faults()).resolved
    lost = evidence("older_version_better", 0.0).model_copy(update={"text": f"{BLIND}: registry: 503"})
    assert not diagnose(incident(), (seen_down, lost), shipped_faults()).resolved
    absent = evidence("older_version_better", 0.0)  # there is no registry here: nothing will ever come of it
    assert diagnose(incident(), (seen_down, absent), shipped_faults()).resolved
