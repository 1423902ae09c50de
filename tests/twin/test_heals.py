"""The production controller over the live adapters heals the twin, as it would heal a cluster: over the wire alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.assembly import assemble
from agent.casebook import Case
from agent.controller import Controller
from agent.observe import Senses
from agent.wiring import live_actuator, live_senses
from config.load import load
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.twin.logs import TwinLogs
from simulator.twin.serve import served, write_config
from simulator.twin.twin import Twin
from simulator.world.world import World
from tools.live.kube_api import KubeApi
from tools.live.mlflow import MlflowRegistry
from tools.memory_journal import MemoryJournal

pytestmark = [pytest.mark.real, pytest.mark.enable_socket, pytest.mark.slow]
CALM = 1800.0
TICKS = 240


@dataclass
class Guarded:
    """A twin, the controller that guards it over the wire, and what both do in one tick."""

    twin: Twin
    controller: Controller
    senses: Senses
    beside: tuple[Callable[[], None], ...]

    def until_closed(self) -> list[Case]:
        """Tick until every case is closed; return them."""
        for _ in range(TICKS):
            self.twin.advance()
            for each in self.beside:
                each()
            self.controller.tick()
            cases = self.controller.snapshot().cases
            if cases and not any(case.is_open for case in cases):
                break
        return list(self.controller.snapshot().cases)


@pytest.fixture
def guarded(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Guarded]:
    script = load_scenarios()[request.param].model_copy(update={"onset": (CALM, CALM)})
    twin = Twin(World(demo_fleet(), seed=1, scenario=script))
    with ExitStack() as stack:
        logs = TwinLogs(twin, tmp_path / "logs")
        file = write_config(tmp_path, twin, stack.enter_context(served(twin, twin.world.clock.now)), logs)
        settings, clock = load(file), twin.world.clock
        api = KubeApi(settings.cluster)
        stack.callback(api.close)
        senses = live_senses(settings, api, clock)
        assert isinstance(senses.registry, MlflowRegistry)
        actuator = live_actuator(settings, api, clock)
        controller = assemble(senses, actuator, MemoryJournal(), settings.fleet, clock, settings=settings)
        yield Guarded(twin, controller, senses, (logs.follow, senses.registry.look))


@pytest.mark.parametrize("guarded", ["bad_rollout_errors"], indirect=True)
def test_a_bad_release_is_found_and_rolled_back(guarded: Guarded) -> None:
    (case,) = guarded.until_closed()
    story = [item.text for item in case.timeline]
    assert case.phase == "recovered", story
    assert case.plan is not None
    assert case.plan.playbook == "rollback_release", story
    happened = guarded.twin.world.ledger.happened
    assert happened is not None
    service = happened.entity.split("/")[1]
    assert guarded.twin.world.body.pods.workloads[service].current == "2"


@pytest.mark.parametrize("guarded", ["wrong_version_promoted"], indirect=True)
def test_a_wrong_version_is_found_by_its_answers_and_the_alias_pointed_back(guarded: Guarded) -> None:
    """Quality is read from a log in Parquet, the promotion from MLflow's interface, and there it is undone."""
    (case,) = guarded.until_closed()
    story = [item.text for item in case.timeline]
    assert case.phase == "recovered", story
    assert case.plan is not None
    assert case.plan.playbook == "rollback_model", story


@pytest.mark.parametrize("guarded", ["vendor_outage"], indirect=True)
def test_calls_to_a_vendor_that_fails_are_sent_to_another(guarded: Guarded) -> None:
    """The weights of a route in the API server are what divides them."""
    (case,) = guarded.until_closed()
    story = [item.text for item in case.timeline]
    assert case.phase == "recovered", story
    assert case.plan is not None
    assert case.plan.playbook == "failover_vendor", story
    service = guarded.twin.world.fleet.service(case.incident.service)
    assert guarded.twin.world.body.vendors.weights[service.name][service.vendors[0]] == 0


@pytest.mark.parametrize("guarded", ["concept_drift"], indirect=True)
def test_a_world_that_changed_is_learnt_by_a_job_and_served_step_by_step(guarded: Guarded) -> None:
    """A Job of the team's CronJob trains, MLflow has the version, a route gives it traffic, and the alias follows."""
    (case,) = guarded.until_closed()
    story = [item.text for item in case.timeline]
    assert case.phase == "recovered", story
    assert case.plan is not None
    assert case.plan.playbook == "retrain", story
    world = guarded.twin.world
    service = world.fleet.service(case.incident.service)
    champion = world.body.quality.alias(service.model, "champion")
    assert champion.startswith("p-")
    assert world.body.quality.weights(service.name) == {champion: 100}
    assert guarded.senses.registry.model(service.model).aliases == {"champion": champion, "candidate": champion}
    split = guarded.senses.serving.split(service.name)
    assert split is not None
    assert split.weights == {champion: 100, "candidate": 0}  # home again, where its replicas are watched and scaled
