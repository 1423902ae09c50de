"""Every modifier works with every fault, and says what became of the truth."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.modifiers import MODIFIERS, SETTLED, modified
from simulator.scenario import load_scenarios
from simulator.world.gaps import MISSING, read_about
from simulator.world.script import Mutation
from simulator.world.world import World
from tools.action import Operation, RestoreRevision, SetReplicas
from tools.catalogue import SIGNALS
from tools.marks import MARKS
from tools.signal import SeriesKey, metric_names

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


def played(fleet: Fleet, name: str, modifiers: tuple[str, ...], seed: int = 2, ticks: int = 12) -> World:
    made = modified(KNOWN[name], modifiers).model_copy(update={"onset": (60.0, 90.0)})
    world = World(fleet, seed=seed, scenario=made)
    for _ in range(ticks):
        world.advance(30.0)
    return world


def test_which_metrics_of_the_patient_are_missing_is_drawn_and_no_promise_depends_on_them(fleet: Fleet) -> None:
    found = set()
    for seed in range(6):
        world = played(fleet, "bad_rollout_errors", ("missing_metric",), seed, 5)
        happened = world.ledger.happened
        assert happened is not None
        patient, gaps = fleet.service(happened.service), world.body.knobs.gaps
        assert len(gaps) == MISSING
        assert gaps <= set(read_about(patient)) & set(world.body.store.families)
        newest = world.body.store.ring[(world.body.store.ticks - 1) % len(world.body.store.ring)]
        for family in (each for name in gaps for each in world.body.store.families[name]):
            width = family.rows * family.width
            assert np.isnan(newest[family.offset : family.offset + width]).all()
            assert np.isfinite(world.body.store.now[family.offset : family.offset + width]).any()  # counting goes on
        frame = world.metrics.read(SIGNALS, world.clock.now())
        values = dict(zip(frame.keys, frame.values, strict=True))
        for objective in (o for o in patient.objectives if o.signal != "accuracy"):
            assert values[SeriesKey(objective.signal, f"service/{patient.name}")] >= 0
        found |= gaps
    assert len(found) > 2 * MISSING
    assert found & {name for mark in MARKS for name in metric_names(mark.spec)}


@pytest.mark.parametrize(("modifiers", "stays"), [((), True), (("owner_conflict",), False)])
def test_who_owns_a_deployment_puts_back_what_another_changed(
    fleet: Fleet, modifiers: tuple[str, ...], stays: bool
) -> None:
    world = played(fleet, "bad_rollout_errors", modifiers)
    happened = world.ledger.happened
    assert happened is not None
    workload = world.body.pods.workloads[happened.service]
    wanted, bad = workload.wanted, workload.current
    more = SetReplicas(service=happened.service, replicas=wanted + 1)
    world.actuator.apply(more, Operation(id="more", incident="i", epoch=1))
    back = RestoreRevision(service=happened.service, revision="2")
    world.actuator.apply(back, Operation(id="back", incident="i", epoch=1))
    for _ in range(3):
        world.advance(30.0)
    assert (workload.wanted, workload.current) == ((wanted + 1, "2") if stays else (wanted, bad))
    synced = [c for c in world.cluster.changes(world.clock.now() - timedelta(minutes=5)) if c.actor == "argocd"]
    assert {(c.kind, c.after) for c in synced} == (set() if stays else {("scale", str(wanted)), ("release", bad)})


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


def test_a_relapse_breaks_again_whatever_is_fixed_and_once_more(fleet: Fleet) -> None:
    made = modified(KNOWN["bad_rollout_errors"], ("relapse",)).model_copy(update={"onset": (60.0, 60.0)})
    world = World(fleet, seed=2, scenario=made)
    broke = []
    for tick in range(round((60 + 2 * SETTLED + 600) / 30)):
        world.advance(30.0)
        happened = world.ledger.happened
        assert happened is not None
        if not world.ledger.healthy(happened.service) and tick % 20 == 19:
            broke.append(tick * 30)
            deployment = world.cluster.topology().deployment(happened.service)
            assert deployment is not None
            cure = RestoreRevision(service=happened.service, revision="2")
            world.actuator.apply(cure, Operation(id=f"op-{tick}", incident="inc-1", epoch=tick))
    assert [round(second / SETTLED) for second in broke] == [0, 1, 2]


@pytest.mark.parametrize("share", [0.25, 0.7])
def test_what_is_periodic_is_there_for_its_share_of_each_period(fleet: Fleet, share: float) -> None:
    mutation = Mutation(what="errors", params={"rate": 0.5}, onset="periodic", every=1200, share=share)
    scenario = KNOWN["bad_rollout_errors"].model_copy(update={"mutations": (mutation,), "onset": (60.0, 60.0)})
    world = World(fleet, seed=2, scenario=scenario)
    ill = []
    for _ in range(2 + 3 * 40):  # three periods
        world.advance(30.0)
        assert world.ledger.happened is not None
        ill.append(not world.ledger.healthy(world.ledger.happened.service))
    assert abs(np.mean(ill[2:]) - share) < 0.06
    assert sum(a != b for a, b in pairwise(ill)) >= 5
