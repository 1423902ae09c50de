"""A mark dates its cause: what came with a change and is there still is that change's, however late it is felt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from agent.analysts import changes
from agent.analysts.marked import came_with
from agent.case import Evidence
from agent.observe import Scene
from simulator.episode import TICK, Doorkeeper, demo_fleet, prunella
from simulator.scenario import load_scenarios
from simulator.world.world import START as MONDAY
from simulator.world.world import World
from tests.agent import handmade
from tests.agent.handmade import START, TALK
from tools.change import Change
from tools.errors import Absent
from tools.signal import Frame, SeriesKey, SignalSpec

HOUR = timedelta(hours=1)
MACHINE = ("power_capped", "gpu/n1/0")
CACHE = ("prefix_misses", "replica/talk/talk-1")
RELEASE = Change(id="1", at=START - 6 * HOUR, kind="release", entity=TALK, actor="ci", before="1", after="2")


@dataclass
class Shown(handmade.Metrics):
    """One mark: nothing of a prefix is found in the cache between two instants, and all is well before and after."""

    since: datetime
    until: datetime = START + HOUR
    key: tuple[str, str] = CACHE
    past: handmade.Values = field(default_factory=dict)
    kept: datetime = START - 24 * HOUR  # nothing before is remembered

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        ill, well = (0.0, 0.9) if self.key == CACHE else (1.0, 0.0)
        return Frame(at, (SeriesKey(*self.key),), np.array([ill if self.since <= at < self.until else well]))

    def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
        return tuple(self.read((spec,), at) for at in (start, start + (end - start) / 2, end) if at >= self.kept)


def scene(metrics: handmade.Metrics, *happened: Change) -> Scene:
    records = handmade.Records()
    records.happened = happened or (RELEASE,)
    found = handmade.scene(handmade.seen(0, {}), records=records)
    return replace(found, senses=replace(found.senses, metrics=metrics))


def came(metrics: handmade.Metrics) -> bool:
    return bool(came_with(RELEASE, handmade.incident(handmade.anomaly(TALK)), scene(metrics)))


def release(metrics: handmade.Metrics, *happened: Change) -> Evidence:
    found = changes.examine(handmade.incident(handmade.anomaly(TALK)), scene(metrics, *happened))
    return next(item for item in found if item.finding == "recent_release")


def test_what_began_right_after_a_change_and_is_there_still_came_with_it() -> None:
    assert came(Shown(RELEASE.at + timedelta(minutes=5)))


@pytest.mark.parametrize(
    "metrics",
    [
        Shown(RELEASE.at - HOUR),
        Shown(RELEASE.at + HOUR),
        Shown(RELEASE.at + timedelta(minutes=5), until=START),
        Shown(RELEASE.at + timedelta(minutes=5), kept=RELEASE.at),
        Shown(RELEASE.at + timedelta(minutes=5), key=MACHINE),
        handmade.Metrics(),
    ],
    ids=["before", "long after", "gone", "nobody knows", "a machine's", "nothing can be read"],
)
def test_what_did_not_begin_with_a_change_did_not_come_with_it(metrics: handmade.Metrics) -> None:
    assert not came(metrics)


def test_a_history_that_cannot_be_read_is_no_news() -> None:
    class Short(Shown):
        def history(self, spec: SignalSpec, start: datetime, end: datetime, step: float) -> tuple[Frame, ...]:
            raise Absent("no such long memory")

    assert not came(Short(RELEASE.at + timedelta(minutes=5)))


def test_a_release_of_hours_ago_is_named_by_what_came_with_it() -> None:
    found = release(Shown(RELEASE.at + timedelta(minutes=5)))
    assert (found.weight, found.bindings, found.happened_at) == (1.5, {"good_revision": "1"}, RELEASE.at)
    assert found.text == "release 1 > 2 by ci, 360 min before; since then, and not before: prefix cache hits"
    assert release(Shown(RELEASE.at - HOUR)).weight == -2.0


def test_only_the_newest_release_is_asked_and_not_one_of_ours() -> None:
    newer = RELEASE.model_copy(update={"id": "2", "at": START - 2 * HOUR, "before": "2", "after": "3"})
    metrics = Shown(RELEASE.at + timedelta(minutes=5))
    assert release(metrics, RELEASE, newer).weight == -2.0
    assert release(metrics, RELEASE, newer.model_copy(update={"actor": "prunella"})).weight == 1.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_release_that_is_felt_hours_later_is_taken_back(seed: int) -> None:
    hours, cause = 7, load_scenarios()["prefix_cache_collapse"]
    scenario = cause.model_copy(update={"target": ("chat",), "onset": (3600.0, 3600.0)})
    world = World(demo_fleet(), seed=seed, start=MONDAY + 17 * HOUR, scenario=scenario)
    world.body.pods.workloads["chat"].wanted = 7  # room that hides it until more is asked
    door = Doorkeeper(world)
    crew = prunella(world, door)
    for _ in range(round(hours * 3600 / TICK)):
        world.advance(TICK)
        crew.tick()
    assert [effect.action.verb for effect in door.effects] == ["restore_revision"]
    held = world.ledger.held("chat")
    assert (~held).sum() * TICK / 60 < 20
    assert held[-60:].all()
