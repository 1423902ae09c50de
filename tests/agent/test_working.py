"""Replicas that do no good take no capacity away when they go: not ready, on a dead node, hung, or failing all."""

import pytest

from agent.headroom import headroom
from agent.moving import spared
from agent.observe import Observation
from agent.situate import situate
from agent.working import idle_replicas, ready_beside, working_of
from tests.agent.handmade import FLEET, NODE, REPLICA, START, TALK, TALKING, Values, case_of, guess, plan, scene, seen
from tools.action import EvictReplica
from tools.memory_journal import MemoryJournal
from tools.topology import Topology

ONE = "replica/talk/talk-1"
FINE: Values = {(name, ONE): value for name, value in (("replica_requests", 2.0), ("replica_error_ratio", 0.01))}
LOAD: Values = {
    ("gpu_utilisation", TALK): 70.0,
    ("requests", TALK): 6.0,
    ("error_ratio", TALK): 0.001,
    ("ttft_p95", TALK): 0.5,
}


def where(*, sick: bool = False, node: bool = True) -> Topology:
    """Three replicas on a node each; the first may not be ready, or its node not."""
    sound = [
        REPLICA.model_copy(update={"name": f"talk-{number}", "node": f"n{number}", "ready": number > 1 or not sick})
        for number in (1, 2, 3)
    ]
    nodes = [NODE.model_copy(update={"name": f"n{number}", "ready": number > 1 or node}) for number in (1, 2, 3)]
    deployment = TALKING.model_copy(update={"ready": 2 if sick else 3})
    return Topology(at=START, deployments=(deployment,), replicas=tuple(sound), nodes=tuple(nodes))


def look(values: Values, place: Topology, tick: int = 0) -> Observation:
    return seen(tick, {**LOAD, **values}, where=place)


IDLE: dict[str, tuple[Values, Topology]] = {
    "not ready": (FINE, where(sick=True)),
    "on a node that is not ready": (FINE, where(node=False)),
    "failing what it gets": ({**FINE, ("replica_error_ratio", ONE): 0.97}, where()),
    "hung": ({**FINE, ("replica_waiting", ONE): 9.0, ("engine_steps", ONE): 0.0}, where()),
    "serving nobody": ({("replica_requests", ONE): 0.0, ("replica_waiting", ONE): 9.0}, where()),
}


@pytest.mark.parametrize(("values", "place"), IDLE.values(), ids=IDLE)
def test_what_does_no_good_takes_no_capacity_away(values: Values, place: Topology) -> None:
    shown = scene(*(look(values, place, tick) for tick in range(10)))
    assert idle_replicas(shown.observation, "talk") == {"talk-1"}
    assert working_of(shown.observation, "talk") == 2
    case = case_of(guess("overprovisioned"))
    move = plan(EvictReplica(service="talk", replica="talk-1"))
    facts = situate(case, move, shown, MemoryJournal(), 1, freeze="")
    assert (facts.blast_percent, facts.capacity_proven) == (0, True)
    sound = plan(EvictReplica(service="talk", replica="talk-2"))
    facts = situate(case, sound, shown, MemoryJournal(), 1, freeze="")
    assert facts.blast_percent > 0
    assert not facts.capacity_proven


def test_no_data_is_never_a_sign_of_idleness() -> None:
    for values in ({}, FINE, {("replica_requests", ONE): 0.0}):
        assert idle_replicas(look(values, where()), "talk") == frozenset()


def test_what_is_idle_carries_nothing_of_what_remains() -> None:
    service = FLEET.services[0]
    quiet: Values = {("gpu_utilisation", TALK): 25.0}
    all_work = scene(*(look({**FINE, **quiet}, where(), tick) for tick in range(10)))
    hung = scene(*(look({**IDLE["hung"][0], **quiet}, where(), tick) for tick in range(10)))
    assert headroom(all_work, service, 2).text.startswith("talk 3 > 2: 0.75 replicas busy")
    assert headroom(hung, service, 2).text.startswith("talk 2 > 1: 0.75 replicas busy")


def test_two_evictions_of_one_service_count_together() -> None:
    shown = scene(*(look({**FINE, ("gpu_utilisation", TALK): 25.0}, where(), tick) for tick in range(10)))
    moves = [EvictReplica(service="talk", replica=f"talk-{number}") for number in (1, 2)]
    one, both = plan(moves[0]), plan(*moves)
    case = case_of(guess("overprovisioned"))
    alone, together = (situate(case, each, shown, MemoryJournal(), 1, freeze="") for each in (one, both))
    assert (alone.capacity_proven, alone.floor_margin) == (True, 0)
    assert together.floor_margin == -1


def test_the_cluster_is_asked_about_one_replica_at_a_time() -> None:
    assert ready_beside(where(), "talk", "talk-1") == (3, 2)
    assert ready_beside(where(sick=True), "talk", "talk-1") == (2, 2)
    assert ready_beside(where(node=False), "talk", "talk-1") == (3, 3)
    assert ready_beside(where(), "talk", "gone") == (3, 3)
    assert ready_beside(where(), "score", "score-1") is None


def test_a_neighbour_that_cannot_be_spared_stays_and_one_at_fault_always_goes() -> None:
    fault = ("thermal_throttle", "score")  # on a card of score's; talk's replica is its neighbour
    quiet, full = (
        scene(*(look({**FINE, ("gpu_utilisation", TALK): use}, where(), tick) for tick in range(10)))
        for use in (15.0, 70.0)
    )
    there = ("score/score-1", "talk/talk-1", "talk/talk-2")
    assert spared(there, fault, quiet) == there[:2]  # two of three would be too much, whatever is proven
    assert spared(there, fault, full) == ("score/score-1",)
    assert spared(there[1:], fault, full) == ("talk/talk-1",)  # for a person to judge
    hung = scene(*(look({**IDLE["hung"][0], ("gpu_utilisation", TALK): 70.0}, where(), tick) for tick in range(10)))
    assert spared(there, fault, hung) == ("score/score-1", "talk/talk-1")
    assert spared(there, ("node_not_ready", "score"), full) == there
