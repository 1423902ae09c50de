"""Every modifier works with every fault, and says what became of the truth."""

import pytest

from config.fleet import Fleet
from simulator.modifiers import MODIFIERS, modified
from simulator.scenario import load_scenarios
from simulator.world.world import World

KNOWN = load_scenarios()
NAMES = (
    *("healthy", "noisy_healthy", "growth", "seasonal_weekend", "launch_surge", "recovered_before_alert"),
    *("red_herring", "missing_metric", "delayed_labels", "misleading_history", "dual_fault", "cascading_fault"),
    *("alert_storm", "relapse", "owner_conflict", "approver_absent"),
)
PICKED = ("growth", "bad_rollout_errors", "concept_drift", "disk_full", "vendor_throttled", "spot_price_spike")


def test_the_modifiers_are_those_of_the_design() -> None:
    assert tuple(MODIFIERS) == NAMES


@pytest.mark.parametrize("scenario", KNOWN)
def test_every_modifier_makes_a_sound_scenario_of_any(scenario: str) -> None:
    for name in NAMES:  # not as parameters: sixteen hundred tests of a millisecond each cost ten
        made = modified(KNOWN[scenario], (name,))
        again = type(made).model_validate(made.model_dump())
        assert again == made, name
        assert made.modifiers[-1] == name
        assert (made.truth.fault == "") == (made.layer == "quiet"), name
        assert made.truth.fault in ("", KNOWN[scenario].truth.fault), name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_modified_world_runs(fleet: Fleet, name: str) -> None:
    for scenario in PICKED:
        made = modified(KNOWN[scenario], (name,)).model_copy(update={"onset": (60.0, 90.0)})
        world = World(fleet, seed=2, scenario=made)
        for _ in range(12):
            world.advance(30.0)
        assert world.ledger.happened is not None


def test_a_missing_metric_is_no_data_and_counting_goes_on(fleet: Fleet) -> None:
    from tools.catalogue import SIGNALS

    made = modified(KNOWN["bad_rollout_errors"], ("missing_metric",)).model_copy(update={"onset": (60.0, 90.0)})
    world = World(fleet, seed=2, scenario=made)
    for _ in range(12):
        world.advance(30.0)
    frame = world.metrics.read(SIGNALS, world.clock.now())
    values = dict(zip(frame.keys, frame.values, strict=True))
    assert all(value != value for key, value in values.items() if key.signal == "gpu_utilisation")
    assert any(value == value for key, value in values.items() if key.signal == "requests")


def test_what_passes_by_itself_is_nothing_to_heal() -> None:
    assert modified(KNOWN["disk_full"], ("recovered_before_alert",)).truth.fault == ""
    assert modified(KNOWN["xid_79_off_bus"], ("recovered_before_alert",)).truth.fault == "xid_79_off_bus"
    assert modified(KNOWN["bad_rollout_errors"], ("recovered_before_alert",)).truth.fault == "bad_rollout_errors"


def test_a_release_that_is_there_to_mislead_keeps_no_fault_alive_that_passes() -> None:
    assert modified(KNOWN["log_injection"], ("recovered_before_alert",)).truth.fault == ""
    assert modified(KNOWN["gpu_memory_leak"], ("misleading_history", "recovered_before_alert")).truth.fault == ""


def test_what_another_controller_owns_is_a_persons() -> None:
    assert modified(KNOWN["bad_rollout_errors"], ("owner_conflict",)).truth.acceptable_playbooks == ()
    assert modified(KNOWN["vendor_outage"], ("owner_conflict",)).truth.acceptable_playbooks == ("failover_vendor",)
