"""The production controller over the live adapters heals the twin, as it would heal a cluster: over the wire alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.daemon import Controller
from agent.wiring import assemble, live_actuator, live_senses
from config.load import load
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.twin.serve import served, write_config
from simulator.twin.twin import Twin
from simulator.world.world import World
from tools.live.kube_api import KubeApi
from tools.memory_journal import MemoryJournal

pytestmark = [pytest.mark.real, pytest.mark.enable_socket, pytest.mark.slow]
CALM = 1800.0
TICKS = 160


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Twin, Controller]]:
    script = load_scenarios()["bad_rollout_errors"].model_copy(update={"onset": (CALM, CALM)})
    twin = Twin(World(demo_fleet(), seed=1, scenario=script))
    with ExitStack() as stack:
        file = write_config(tmp_path, twin, stack.enter_context(served(twin, twin.world.clock.now)))
        settings, clock = load(file), twin.world.clock
        api = KubeApi(settings.cluster)
        stack.callback(api.close)
        senses = live_senses(settings, api, clock)
        actuator = live_actuator(settings, api, clock)
        yield twin, assemble(senses, actuator, MemoryJournal(), settings.fleet, clock, settings=settings)


def test_a_bad_release_is_found_and_rolled_back(guarded: tuple[Twin, Controller]) -> None:
    twin, controller = guarded
    for _ in range(TICKS):
        twin.advance()
        controller.tick()
        cases = controller.snapshot().cases
        if cases and all(case.phase in ("recovered", "closed") for case in cases):
            break
    story = [item.text for case in controller.snapshot().cases for item in case.timeline]
    (case,) = controller.snapshot().cases
    assert case.phase in ("recovered", "closed"), story
    assert case.plan is not None
    assert case.plan.playbook == "rollback_release", story
    happened = twin.world.ledger.happened
    assert happened is not None
    service = happened.entity.split("/")[1]
    assert twin.world.body.pods.workloads[service].current == "2"
