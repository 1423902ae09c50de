"""What dividing traffic promises: the pretend world, its twin, and a real API server that knows HTTPRoutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from config.fleet import Fleet, Service, ServiceKind
from config.load import load_fleet
from config.servers import ClusterSettings
from simulator.lab.servers import wait_until
from simulator.twin.serve import routed, served, write_kubeconfig
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.contracts.conftest import WIRED, RealCluster
from tests.plane import NAMESPACE, there
from tools.action import Operation, SetReplicas, SetSplit
from tools.errors import Absent, Refused
from tools.live.clock import SystemClock
from tools.live.kube_api import KubeApi
from tools.live.kube_routes import GROUP, RouteActuator, Routes
from tools.ports import Actuator
from tools.records import Split

DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"
FLEET = Fleet(
    services=(
        Service(
            name="translate",
            kind=ServiceKind.VENDOR,
            namespace=NAMESPACE,
            vendors=("acme", "borealis"),
            route="out",
        ),
    )
)
ROUTES = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/httproutes"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD = {
    "metadata": {
        "name": f"httproutes.{GROUP}",
        # The API server asks for this on names that belong to the Kubernetes project.
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997"},
    },
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "httproutes", "singular": "httproute", "kind": "HTTPRoute", "listKind": "HTTPRouteList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": OPEN, "status": OPEN}}},
            }
        ],
    },
}


class Divided:
    """A service ``translate`` whose calls go to acme, 90 %, and borealis, 10 %."""

    actuator: Actuator
    split: Callable[[str], Split | None]


class PretendDivided(Divided):
    def __init__(self) -> None:
        world = World(load_fleet(DEMO))
        self.actuator, self.split = world.actuator, world.serving.split


class TwinDivided(Divided):
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        twin = Twin(World(load_fleet(DEMO)))
        fleet, clock = routed(twin.world.fleet), twin.world.clock
        where = stack.enter_context(served(twin, clock.now))
        kubeconfig = write_kubeconfig(folder / "kubeconfig", where.cluster_url, "default")
        api = KubeApi(ClusterSettings.model_validate({"kubeconfig": kubeconfig, "timeout": "30s"}))
        stack.callback(api.close)
        self.actuator, self.split = RouteActuator(api, fleet, clock), Routes(api, fleet).split


class RealDivided(Divided):
    def __init__(self, real: RealCluster, stack: ExitStack) -> None:
        admin = real.admin
        admin.ensure("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        wait_until(lambda: there(admin, ROUTES), "HTTPRoutes")
        if there(admin, f"{ROUTES}/out"):
            admin.delete(f"{ROUTES}/out")
        refs = [{"name": "translate-acme", "port": 443, "weight": 9}, {"name": "borealis", "port": 443}]
        admin.post(ROUTES, {"metadata": {"name": "out"}, "spec": {"rules": [{"backendRefs": refs}]}} | HEAD)
        accepted = {"type": "Accepted", "status": "True", "reason": "Accepted"}
        status: Any = {"parents": [{"parentRef": {"name": "egress"}, "conditions": [accepted]}]}
        admin.patch(f"{ROUTES}/out/status", {"status": status}, "merge")
        api = real.api()
        stack.callback(api.close)
        self.actuator, self.split = RouteActuator(api, FLEET, SystemClock()), Routes(api, FLEET).split


HEAD = {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute"}


@pytest.fixture(params=["world", pytest.param("twin", marks=WIRED), pytest.param("kubernetes", marks=WIRED)])
def divided(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Divided]:
    """Any implementation, fresh."""
    with ExitStack() as stack:
        match request.param:
            case "world":
                yield PretendDivided()
            case "twin":
                yield TwinDivided(tmp_path, stack)
            case _:
                yield RealDivided(request.getfixturevalue("real_cluster"), stack)


def op(name: str, epoch: int = 0) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=epoch)


def to(**weights: int) -> SetSplit:
    return SetSplit(service="translate", weights=weights)


def weights(divided: Divided) -> dict[str, int]:
    found = divided.split("translate")
    assert found is not None
    return {name: share for name, share in found.weights.items() if share}


AWAY = to(acme=0, borealis=100)


def test_traffic_goes_where_it_is_sent_and_back(divided: Divided) -> None:
    before = divided.actuator.preimage(AWAY)
    assert before.state == {"acme": "90", "borealis": "10"}
    divided.actuator.apply(AWAY, op("a"))
    assert weights(divided) == {"borealis": 100}
    assert before.inverse is not None
    divided.actuator.apply(before.inverse, op("b"))
    assert weights(divided) == {"acme": 90, "borealis": 10}
    assert divided.actuator.preimage(AWAY).state == before.state


def test_it_is_done_once_and_answered_with_its_first_receipt(divided: Divided) -> None:
    first = divided.actuator.apply(AWAY, op("a"))
    divided.actuator.apply(to(acme=50, borealis=50), op("b"))
    again = divided.actuator.apply(AWAY, op("a"))
    known = divided.actuator.lookup(AWAY, op("a"))
    assert known is not None
    assert {(each.operation, each.state, each.at) for each in (first, again, known)} == {("a", "done", first.at)}
    assert weights(divided) == {"acme": 50, "borealis": 50}


def test_what_did_not_happen_is_not_known(divided: Divided) -> None:
    assert divided.actuator.lookup(AWAY, op("never")) is None


def test_a_rehearsal_changes_nothing(divided: Divided) -> None:
    assert divided.actuator.rehearse(AWAY)
    assert weights(divided) == {"acme": 90, "borealis": 10}
    assert divided.actuator.lookup(AWAY, op("a")) is None


def test_a_lower_epoch_and_whoever_comes_late_are_kept_out(divided: Divided) -> None:
    assert divided.actuator.fence(AWAY, op("gone", epoch=9)) is None
    for attempt in (divided.actuator.apply, divided.actuator.fence):
        with pytest.raises(Refused, match="epoch 8 is below 9"):
            attempt(AWAY, op("zombie", epoch=8))
    assert weights(divided) == {"acme": 90, "borealis": 10}
    done = divided.actuator.apply(AWAY, op("a", epoch=9))
    fenced = divided.actuator.fence(AWAY, op("a", epoch=10))
    assert fenced is not None
    assert (fenced.operation, fenced.at) == ("a", done.at)


def test_what_is_not_as_it_was_seen_is_left_alone(divided: Divided) -> None:
    seen = divided.actuator.preimage(AWAY).state
    divided.actuator.apply(to(acme=80, borealis=20), op("somebody"))
    with pytest.raises(Refused, match="changed meanwhile"):
        divided.actuator.apply(AWAY, op("a").model_copy(update={"expects": seen}))
    assert weights(divided) == {"acme": 80, "borealis": 20}


@pytest.mark.parametrize(
    "action",
    [to(acme=0, umbra=100), SetSplit(service="nobody", weights={"a": 100}), SetReplicas(service="nobody", replicas=3)],
    ids=["backend", "service", "verb"],
)
def test_the_impossible_is_refused_in_rehearsal_and_in_earnest(divided: Divided, action: Any) -> None:
    for attempt in (lambda: divided.actuator.rehearse(action), lambda: divided.actuator.apply(action, op("a"))):
        with pytest.raises((Refused, Absent)):
            attempt()
    assert weights(divided) == {"acme": 90, "borealis": 10}
