"""A sick GPU that nobody feels: told of once it changed, taken out of service, and never guessed from an old code."""

from datetime import timedelta

import pytest

from agent.analysts import hardware
from agent.case import Anomaly
from agent.correlate import correlate
from agent.detect import Watch
from agent.hardware import STICKY
from agent.machines import GRACE, Machines
from config.fleet import Cadence
from tests.agent.handmade import FLEET, NODE, REPLICA, START, TICK, anomaly, incident, scene, seen, topology
from tools.topology import Topology

GPU = "gpu/n1/0"
QUIET_TICKS = GRACE // TICK


def where(*, there: bool = True, **node: object) -> Topology:
    return topology().model_copy(
        update={"nodes": (NODE.model_copy(update=node),), "replicas": (REPLICA,) if there else ()}
    )


def looked(guard: Machines, tick: int, code: float | None, place: Topology) -> list[Anomaly]:
    values = {("error_ratio", "service/talk"): 0.001} | ({} if code is None else {("xid", GPU): code})
    return guard.update(seen(tick, values, where=place))


def fell(code: float = 79.0, *, after: float = 0.0) -> Machines:
    """Return a guard that saw a code change at the second tick, when the replica had left."""
    guard = Machines(["talk"])
    assert not looked(guard, 0, after, where())
    assert not looked(guard, 1, code, where(there=False))
    return guard


def test_a_gpu_that_fell_off_the_bus_is_told_of_though_its_replica_has_left() -> None:
    guard = fell()
    for tick in range(2, 1 + QUIET_TICKS):
        assert not looked(guard, tick, 79.0, where(there=False))  # whoever feels it says so itself
    (told,) = looked(guard, 1 + QUIET_TICKS, 79.0, where(there=False))
    assert (told.entity, told.patient, told.onset_at, told.tier) == (GPU, "talk", START + TICK, "daily")


def test_a_code_that_stood_there_when_we_came_says_nothing() -> None:
    guard = Machines(["talk"])
    assert not any(looked(guard, tick, 79.0, where(there=tick == 0)) for tick in range(20))


@pytest.mark.parametrize("code", [13.0, 31.0, 43.0, 0.0])
def test_a_code_that_a_replica_survives_is_no_matter_of_the_machine(code: float) -> None:
    guard = fell(code, after=94.0)
    assert not any(looked(guard, tick, code, where(there=False)) for tick in range(2, 20))


def test_a_fatal_code_after_a_harmless_one_is_a_change() -> None:
    assert looked(fell(after=13.0), 9, 79.0, where())


@pytest.mark.parametrize(
    "place", [where(there=False, schedulable=False), where(there=False, owners=("nvsentinel",)), where(name="n2")]
)
def test_a_machine_that_somebody_took_in_hand_is_told_of_no_more(place: Topology) -> None:
    guard = fell()
    assert not looked(guard, 9, 79.0, place)
    assert not looked(guard, 10, 79.0, where(there=False))  # it is back, and the code is still on show


def test_where_nodes_may_not_be_listed_it_is_told_of_all_the_same() -> None:
    assert looked(fell(), 9, 79.0, where(there=False).model_copy(update={"nodes": ()}))


def test_a_gpu_that_is_well_again_or_whose_code_is_old_is_told_of_no_more() -> None:
    guard = fell()
    assert looked(guard, 9, 79.0, where(there=False))
    assert looked(guard, 10, None, where(there=False))  # NO DATA is no all-clear
    assert not looked(guard, 11, 0.0, where(there=False))
    assert not looked(fell(), 1 + STICKY // TICK, 79.0, where(there=False))


def test_machines_on_which_nothing_of_ours_ran_are_somebody_elses() -> None:
    guard = Machines(["talk"])
    for tick, code in enumerate((0.0, *[79.0] * 20)):
        assert not looked(guard, tick, code, where(there=False))


def test_a_restart_changes_nothing() -> None:
    one, two = Watch(FLEET, Cadence()), Watch(FLEET, Cadence())
    for tick, code in enumerate((0.0, 79.0, 79.0)):
        one.update(seen(tick, {("xid", GPU): code}, where=where(there=tick == 0)))
    two.restore(one.save())
    later = seen(9, {("xid", GPU): 79.0}, where=where(there=False))
    told = [alarm for alarm in one.update(later) if alarm.patient]
    assert told
    assert told == [alarm for alarm in two.update(later) if alarm.patient]


def test_it_is_an_incident_of_whoever_was_there_last_and_wakes_nobody() -> None:
    (sick,) = looked(fell(), 9, 79.0, where(there=False))
    now = START + timedelta(minutes=6)
    (found,) = correlate([sick], (), FLEET, where(there=False), now)
    assert (found.service, found.tier, found.severity) == ("talk", "daily", "low")
    (grown,) = correlate([sick, anomaly("service/talk")], (found,), FLEET, where(there=False), now)
    assert (grown.id, grown.tier) == (found.id, "immediate")  # now it is felt
    assert not correlate(
        [sick], (incident(anomaly(GPU, "hardware", signal="xid"), service="talk"),), FLEET, where(), now
    )


def test_the_analyst_looks_at_the_machine_of_the_incident_though_nothing_of_the_patients_is_there() -> None:
    (sick,) = looked(fell(), 9, 79.0, where(there=False))
    newest = seen(9, {("xid", GPU): 79.0}, where=where(there=False))
    found = hardware.examine(incident(sick), scene(newest, past={("xid", GPU): 0.0}))
    assert {item.finding: item.bindings for item in found}["gpu_off_bus"] == {"node": "n1"}


def test_a_node_that_its_provider_takes_back_is_told_of_at_once_while_something_guarded_is_there() -> None:
    guard = Machines(["talk"])
    assert not looked(guard, 0, 0.0, where())
    (told,) = looked(guard, 1, 0.0, where(leaving=True))
    assert (told.entity, told.patient, told.onset_at, told.tier) == ("node/n1", "talk", START + TICK, "immediate")
    (told,) = looked(guard, 3, 0.0, where(leaving=True))
    assert told.onset_at == START + TICK
    assert not looked(guard, 4, 0.0, where(leaving=True, there=False))
    assert not looked(guard, 5, 0.0, where(leaving=True, schedulable=False))  # somebody has it in hand
    assert not looked(guard, 6, 0.0, where(leaving=True, owners=("karpenter",)))
