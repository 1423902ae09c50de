"""What every model registry must say and do: the pretend one, its twin over the wire, and a real MLflow."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import pytest
import requests

from config.fleet import Fleet, Service, ServiceKind
from config.servers import RegistrySettings
from simulator.episode import demo_fleet
from simulator.lab.binaries import LabError
from simulator.twin.serve import served
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.contracts.mlflow_server import mlflow_server
from tools.action import Operation, SetAlias
from tools.clock import Clock
from tools.errors import Absent, Refused
from tools.live.clock import SystemClock
from tools.live.mlflow import MlflowActuator, MlflowRegistry
from tools.live.mlflow_api import MlflowApi
from tools.ports import Actuator, Registry


@dataclass
class Shelf:
    """A registry whose ``model`` has two versions or more, the newest of them champion."""

    registry: Registry
    actuator: Actuator
    clock: Clock
    service: str
    model: str
    start: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.clock.now()
        self.registry.changes(self.start)  # whoever keeps no history is watched from here on

    @property
    def champion(self) -> str:
        return self.registry.model(self.model).aliases["champion"]

    @property
    def other(self) -> str:
        return next(v.version for v in self.registry.model(self.model).versions if v.version != self.champion)

    def to(self, version: str) -> SetAlias:
        return SetAlias(service=self.service, model=self.model, version=version)


def operation(name: str, epoch: int = 1, **more: object) -> Operation:
    return Operation.model_validate({"id": name, "incident": "inc-1", "epoch": epoch, **more})


def _model(world: World) -> Service:
    return next(each for each in world.fleet.services if each.model)


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(mlflow_server(tmp_path_factory.mktemp("mlflow")))
        except LabError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        yield url


@pytest.fixture
def real_shelf(mlflow_url: str, request: pytest.FixtureRequest) -> Shelf:
    name = f"fraud-{request.node.name.partition('[')[0]}"
    base = f"{mlflow_url}/api/2.0/mlflow"
    made = [("registered-models/create", {"name": name})]
    made += [("model-versions/create", {"name": name, "source": "s3://models/fraud"})] * 3
    made += [("registered-models/alias", {"name": name, "alias": "champion", "version": "3"})]
    for path, body in made:
        requests.post(f"{base}/{path}", json=body, timeout=30).raise_for_status()
    fleet = Fleet(services=(Service(name="scorer", kind=ServiceKind.TABULAR, model=name),))
    return _wired(mlflow_url, fleet, SystemClock(), "scorer", name)


def _wired(url: str, fleet: Fleet, clock: Clock, service: str, model: str) -> Shelf:
    api = MlflowApi(RegistrySettings.model_validate({"url": url, "timeout": "60s"}))
    return Shelf(MlflowRegistry(api, fleet, clock), MlflowActuator(api, fleet, clock), clock, service, model)


@pytest.fixture
def twin_shelf() -> Iterator[Shelf]:
    twin = Twin(World(demo_fleet()))
    service = _model(twin.world)
    with served(twin, SystemClock().now) as where:
        yield _wired(where.registry_url, twin.world.fleet, twin.world.clock, service.name, service.model)
    gc.collect()  # a world holds fifty megabytes, and refers to itself


WIRED = [pytest.mark.real, pytest.mark.enable_socket]


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("mlflow", marks=WIRED)])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """Any implementation, fresh."""
    if request.param == "world":
        world = World(demo_fleet())
        service = _model(world)
        return Shelf(world.registry, world.actuator, world.clock, service.name, service.model)
    made = request.getfixturevalue("twin_shelf" if request.param == "twin" else "real_shelf")
    assert isinstance(made, Shelf)
    return made


def test_versions_come_oldest_first_and_the_champion_is_one_of_them(shelf: Shelf) -> None:
    state = shelf.registry.model(shelf.model)
    assert len(state.versions) >= 2
    assert [v.created_at for v in state.versions] == sorted(v.created_at for v in state.versions)
    assert state.aliases["champion"] in [v.version for v in state.versions]


def test_a_model_that_is_not_there_is_absent(shelf: Shelf) -> None:
    with pytest.raises(Absent):
        shelf.registry.model("nobody-knows")


def test_an_alias_is_moved_once_and_can_be_moved_back(shelf: Shelf) -> None:
    old, new = shelf.champion, shelf.other
    action = shelf.to(new)
    before = shelf.actuator.preimage(action)
    assert before.state == {"champion": old}
    assert before.inverse == shelf.to(old)
    assert new in shelf.actuator.rehearse(action)
    assert shelf.champion == old
    stamp = operation("op-1", expects=before.state)
    assert shelf.actuator.lookup(action, stamp) is None
    receipt = shelf.actuator.apply(action, stamp)
    assert (receipt.state, shelf.champion) == ("done", new)
    assert shelf.actuator.lookup(action, stamp) is not None
    assert before.inverse is not None
    shelf.actuator.apply(before.inverse, operation("op-2", expects={"champion": new}))
    assert shelf.champion == old
    assert shelf.actuator.apply(action, stamp).operation == "op-1"  # answered, not done again
    assert shelf.champion == old


def test_what_was_changed_meanwhile_is_left_alone(shelf: Shelf) -> None:
    old, new = shelf.champion, shelf.other
    with pytest.raises(Refused):
        shelf.actuator.apply(shelf.to(new), operation("op-1", expects={"champion": "something else"}))
    assert shelf.champion == old


def test_who_was_superseded_is_refused(shelf: Shelf) -> None:
    old, new = shelf.champion, shelf.other
    shelf.actuator.apply(shelf.to(new), operation("op-1", epoch=7))
    with pytest.raises(Refused):
        shelf.actuator.apply(shelf.to(old), operation("op-2", epoch=6))
    assert shelf.champion == new


def test_a_fence_keeps_earlier_holders_out(shelf: Shelf) -> None:
    old, new = shelf.champion, shelf.other
    assert shelf.actuator.fence(shelf.to(new), operation("op-1", epoch=9)) is None
    with pytest.raises(Refused):
        shelf.actuator.apply(shelf.to(new), operation("op-1", epoch=8))
    assert shelf.champion == old


def test_a_version_that_is_not_there_is_refused(shelf: Shelf) -> None:
    old = shelf.champion
    for attempt in (
        lambda: shelf.actuator.rehearse(shelf.to("999")),
        lambda: shelf.actuator.apply(shelf.to("999"), operation("op-1")),
    ):
        with pytest.raises(Refused):
            attempt()
    assert shelf.champion == old


def test_a_promotion_is_noticed(shelf: Shelf) -> None:
    old, new = shelf.champion, shelf.other
    shelf.actuator.apply(shelf.to(new), operation("op-1"))
    (change,) = shelf.registry.changes(shelf.start)
    assert (change.kind, change.entity, change.before, change.after) == ("promotion", f"model/{shelf.model}", old, new)
    assert change.actor == "prunella"


@pytest.mark.real
@pytest.mark.enable_socket
def test_a_version_that_a_job_registered_is_called_by_its_tag_and_promoted_by_that_name(mlflow_url: str) -> None:
    """As ``mlflow.register_model(..., tags=...)`` and ``set_registered_model_alias`` do it, on a real MLflow."""
    base, tags = f"{mlflow_url}/api/2.0/mlflow", [{"key": "prunella.version", "value": "p-1"}]
    made: list[tuple[str, dict[str, object]]] = [("registered-models/create", {"name": "trained"})]
    made += [("model-versions/create", {"name": "trained", "source": "s3://models/trained"})] * 2
    made += [("model-versions/create", {"name": "trained", "source": "s3://models/trained", "tags": tags})]
    made += [("registered-models/alias", {"name": "trained", "alias": "champion", "version": "2"})]
    made += [("registered-models/alias", {"name": "trained", "alias": "candidate", "version": "3"})]
    for path, body in made:
        requests.post(f"{base}/{path}", json=body, timeout=30).raise_for_status()
    side = {"champion": "a", "candidate": "b"}
    told = {"name": "scorer", "kind": "tabular", "model": "trained", "route": "r", "versions": side}
    service = Service.model_validate({**told, "training": {"cron_job": "t", "scores": "{version}"}})
    shelf = _wired(mlflow_url, Fleet(services=(service,)), SystemClock(), "scorer", "trained")
    state = shelf.registry.model("trained")
    assert [version.version for version in state.versions] == ["1", "2", "p-1"]
    assert state.aliases == {"champion": "2", "candidate": "p-1"}
    done = shelf.actuator.apply(shelf.to("p-1"), operation("op-1", expects={"champion": "2"}))
    assert done.observed == {"champion": "p-1"}
    answer = requests.get(f"{base}/registered-models/get", params={"name": "trained"}, timeout=30).json()
    aliases = {each["alias"]: each["version"] for each in answer["registered_model"]["aliases"]}
    assert aliases == {"champion": "3", "candidate": "3"}
