"""Healthy fleets show marks as well: habits, starts and spells. They harm nobody and change no other draw."""

import numpy as np
import pytest

from config.fleet import Fleet
from simulator.scenario import load_scenarios
from simulator.world import background
from simulator.world.background import HABITS, PASSING, Habit
from simulator.world.marking import NAMED, axis_of, leaves
from simulator.world.world import World
from tools.action import EvictReplica, Operation
from tools.marks import SPECS

HOUR = 120  # ticks


def seen(world: World) -> set[tuple[str, str]]:
    """Return the marks that are seen now, each with its entity."""
    frame = world.metrics.read(SPECS, world.clock.now())
    read = [(key, float(value)) for key, value in zip(frame.keys, frame.values, strict=True)]
    return {
        (finding, key.entity)
        for finding, mark in NAMED.items()
        for key, value in read
        if key.signal == mark.spec.name and mark.seen(value) and mark.side != "absent"
    }


def play(fleet: Fleet, seed: int, ticks: int) -> World:
    world = World(fleet, seed=seed, scenario=load_scenarios()["healthy"])
    for _ in range(ticks):
        world.advance(30.0)
    return world


def test_every_habit_and_spell_is_a_mark_of_its_axis_and_far_enough_to_be_seen() -> None:
    for each in (*HABITS, *PASSING):
        mark = NAMED[each.finding]
        assert axis_of(mark, leaves(mark)[0][0]) == each.axis
        assert each.value[0] <= each.value[1]


def test_healthy_fleets_show_marks_and_no_two_seeds_the_same(fleet: Fleet) -> None:
    shown = [frozenset(seen(play(fleet, seed, 20))) for seed in range(6)]
    assert len(set(shown)) > 3
    assert len({finding for marks in shown for finding, _ in marks}) > 3


def test_a_new_replica_waits_for_its_image_and_fails_probes_until_it_is_ready(fleet: Fleet) -> None:
    world = play(fleet, 1, 4)
    victim = world.cluster.topology().of("chat")[0].name
    world.actuator.apply(EvictReplica(service="chat", replica=victim), Operation(id="op", incident="i", epoch=1))
    found = set()
    for _ in range(8):
        world.advance(30.0)
        new = {f"replica/chat/{r.name}" for r in world.cluster.topology().of("chat") if not r.ready}
        found |= {finding for finding, entity in seen(world) if entity in new}
    assert {"container_creating", "readiness_failing"} <= found
    assert all(replica.ready for replica in world.cluster.topology().of("chat"))
    assert not {(f, e) for f, e in seen(world) if f == "container_creating"}


def test_without_a_background_the_weather_is_the_same(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = play(fleet, 5, HOUR)
    monkeypatch.setattr(background, "HABITS", tuple(each._replace(share=0.0) for each in HABITS))
    monkeypatch.setattr(background, "PASSING", tuple(each._replace(daily=0.0) for each in PASSING))
    without = play(fleet, 5, HOUR)
    assert np.array_equal(with_it.ledger.requests, without.ledger.requests)
    assert np.array_equal(with_it.ledger.good_requests, without.ledger.good_requests)
    assert seen(with_it) != seen(without)


def test_a_habit_of_everybody_stands_on_everybody_from_the_first_hour(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "HABITS", (Habit("job_failed", "service", 1.0, (1.0, 1.0)),))
    world = play(fleet, 2, 4)
    assert {e for f, e in seen(world) if f == "job_failed"} >= {"service/chat", "service/fraud"}
