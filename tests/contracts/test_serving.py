"""What every look at a replica must say, of the pretend and of one behind real HTTP."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from config.servers import ClusterSettings, ServingSettings
from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.twin.serve import served, write_kubeconfig
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.live.conftest import Script, Served, reply, serve  # noqa: F401 - a fixture
from tools.errors import Absent
from tools.live.clock import SystemClock
from tools.live.kube_api import KubeApi
from tools.live.kubernetes import Address, KubernetesCluster
from tools.live.serving import HttpServing
from tools.ports import Serving

PATIENCE = "4s"  # for which one test waits in vain; all others are answered at once, on a busy machine a little later


@dataclass(frozen=True)
class Line:
    """A port, a replica of ``service`` that is well, and one whose engine hangs behind a green page."""

    serving: Serving
    service: str
    well: str
    hung: str


def pretend() -> Line:
    script = load_scenarios()["engine_hang_200"].model_copy(update={"onset": (60.0, 60.0)})
    world = World(demo_fleet(), scenario=script)
    for _ in range(20):
        world.advance(30.0)
    assert world.ledger.happened is not None
    _, service, hung = world.ledger.happened.entity.split("/")
    well = next(each.name for each in world.cluster.topology().of(service) if each.name != hung)
    return Line(world.serving, service, well, hung)


class Pods:
    """Where the replicas listen."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports

    def address(self, service: str, replica: str) -> Address:
        if service != "chat" or replica not in self._ports:
            raise Absent(f"{service} has no replica {replica}")
        return Address("127.0.0.1", self._ports[replica])


@pytest.fixture
def real(serve: Callable[[Script], Served]) -> Iterator[Line]:  # noqa: F811
    over = threading.Event()

    def engine(hangs: bool) -> Script:
        def script(handler: BaseHTTPRequestHandler) -> None:
            if handler.path.endswith("/completions") and hangs:
                over.wait(20)
                handler.close_connection = True
                return
            reply(handler, 200, b'{"data":[{"id":"tiny"}]}' if handler.path == "/v1/models" else b"{}")

        return script

    ports = {"chat-1": serve(engine(hangs=False)).port, "chat-2": serve(engine(hangs=True)).port}
    settings = ServingSettings.model_validate({"timeout": PATIENCE})
    yield Line(HttpServing(settings, demo_fleet(), Pods(ports), SystemClock()), "chat", "chat-1", "chat-2")
    over.set()


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Line]:
    """The pretend fleet behind ports of its own, asked by the live adapter."""
    script = load_scenarios()["engine_hang_200"].model_copy(update={"onset": (60.0, 60.0)})
    shown = Twin(World(demo_fleet(), scenario=script))
    for _ in range(20):
        shown.advance()
    assert shown.world.ledger.happened is not None
    _, service, hung = shown.world.ledger.happened.entity.split("/")
    well = next(each.name for each in shown.world.cluster.topology().of(service) if each.name != hung)
    clock = shown.world.clock
    with served(shown, clock.now) as where:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", where.cluster_url, "default")
        api = KubeApi(ClusterSettings.model_validate({"kubeconfig": kubeconfig}))
        settings = ServingSettings.model_validate({"timeout": PATIENCE})
        yield Line(
            HttpServing(settings, demo_fleet(), KubernetesCluster(api, demo_fleet(), clock), clock), service, well, hung
        )
        api.close()
    gc.collect()  # a world holds fifty megabytes, and refers to itself


WIRED = [pytest.mark.real, pytest.mark.enable_socket]


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("http", marks=WIRED)])
def line(request: pytest.FixtureRequest) -> Line:
    """Any implementation."""
    if request.param == "world":
        return pretend()
    found: Line = request.getfixturevalue("twin" if request.param == "twin" else "real")
    return found


def test_a_replica_that_works_is_well_and_answers_in_some_time(line: Line) -> None:
    seen = line.serving.probe(line.service, line.well)
    assert (seen.replica, seen.health_ok, seen.answers) == (line.well, True, True)
    assert seen.seconds is not None
    assert seen.seconds >= 0
    assert seen.at.tzinfo is not None


def test_a_hung_engine_is_told_by_its_silence_and_not_by_its_page(line: Line) -> None:
    seen = line.serving.probe(line.service, line.hung)
    assert (seen.health_ok, seen.answers, seen.seconds) == (True, False, None)


def test_a_replica_that_is_not_there_is_absent(line: Line) -> None:
    for service, replica in ((line.service, "nobody"), ("nobody", line.well), ("translate", line.well)):
        with pytest.raises(Absent):
            line.serving.probe(service, replica)


def test_a_split_is_none_or_the_whole_of_the_traffic(line: Line) -> None:
    assert line.serving.split(line.service) is None
    for service in demo_fleet().services:
        split = line.serving.split(service.name)
        assert split is None or (split.service, sum(split.weights.values())) == (service.name, 100)
