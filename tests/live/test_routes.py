"""What a route means, and which routes are left alone: without any server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.fleet import Fleet, Service, ServiceKind
from tools.action import Operation, SetSplit
from tools.errors import Malformed, Refused
from tools.live.clock import SystemClock
from tools.live.kube_api import Json
from tools.live.kube_routes import RouteActuator, Routes, shares

FLEET = Fleet(services=(Service(name="translate", kind=ServiceKind.VENDOR, vendors=("acme", "umbra"), route="out"),))
AWAY = SetSplit(service="translate", weights={"acme": 0, "umbra": 100})
ONCE = Operation(id="a", incident="inc-1", epoch=1)


def route(*rules: list[tuple[str, int | None]], **metadata: Any) -> Json:
    made = [
        {"backendRefs": [{"name": name, **({} if weight is None else {"weight": weight})} for name, weight in rule]}
        for rule in rules
    ]
    return {
        "metadata": {"name": "out", "resourceVersion": "1", "uid": "u", **metadata},
        "spec": {"rules": made},
        "status": {"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]},
    }


class Server:
    """One route, and what was sent to it."""

    def __init__(self, item: Json) -> None:
        self.item, self.sent = item, list[tuple[Json, bool]]()

    def group(self, name: str) -> str:
        return f"{name}/v1"

    def get(self, path: str) -> Json:
        assert path == "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/out"
        return self.item

    def patch(self, path: str, body: Any, kind: str, *, dry_run: bool = False) -> Json:
        assert (path, kind) == ("/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/out", "json")
        self.sent += [(each, dry_run) for each in body if "weight" in each["path"]]
        return self.item


def hands(item: Json) -> tuple[RouteActuator, Server]:
    server = Server(item)
    return RouteActuator(server, FLEET, SystemClock()), server  # type: ignore[arg-type]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1_000_000), min_size=1))
def test_shares_are_whole_and_sum_to_a_hundred(weights: dict[str, int]) -> None:
    found = shares(route(list(weights.items())), "x")
    whole = sum(weights.values())
    assert sum(found.values()) == (100 if whole else 0)
    assert all(abs(found[name] - 100 * weight / whole) < 1 for name, weight in weights.items() if whole)


def test_a_backend_without_a_weight_weighs_one_and_may_bear_the_service_s_name() -> None:
    assert shares(route([("translate-acme", None), ("umbra", 3)]), "translate") == {"acme": 25, "umbra": 75}


def test_every_rule_is_given_the_same_shares_and_a_rule_without_backends_none() -> None:
    item = route([("acme", 1), ("umbra", 1)], [], [("umbra", 5), ("acme", 5)])
    actuator, server = hands(item)
    actuator.apply(AWAY, ONCE)
    assert [(each["path"], each["value"]) for each, dry_run in server.sent if not dry_run] == [
        ("/spec/rules/0/backendRefs/0/weight", 0),
        ("/spec/rules/0/backendRefs/1/weight", 100),
        ("/spec/rules/2/backendRefs/0/weight", 100),
        ("/spec/rules/2/backendRefs/1/weight", 0),
    ]


def test_a_backend_that_nobody_names_gets_nothing() -> None:
    actuator, server = hands(route([("acme", 60), ("umbra", 20), ("cirrus", 20)]))
    actuator.apply(AWAY, ONCE)
    assert [each["value"] for each, _ in server.sent] == [0, 100, 0]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (route(), "names no backend"),
        (route([("acme", 1), ("umbra", 1)], [("acme", 1), ("umbra", 2)]), "divide traffic differently"),
        (route([("acme", 1), ("translate-acme", 1)]), "names one backend twice"),
        (route([("acme", 1)]), "has no backend umbra"),
        ({**route([("acme", 1), ("umbra", 1)]), "status": {}}, "no gateway has accepted"),
        (route([("acme", 1), ("umbra", 1)], annotations={"prunella.dev/hands-off": "yes"}), "hands off"),
        (route([("acme", 1), ("umbra", 1)], labels={"argocd.argoproj.io/instance": "x"}), "in the hands of argocd"),
        (route([("acme", 1), ("umbra", 1)], ownerReferences=[{"kind": "Canary", "controller": True}]), "canary"),
    ],
)
def test_a_route_that_is_not_ours_to_move_is_left_alone(item: Json, why: str) -> None:
    actuator, server = hands(item)
    for attempt in (lambda: actuator.rehearse(AWAY), lambda: actuator.apply(AWAY, ONCE)):
        with pytest.raises(Refused, match=why):
            attempt()
    assert not server.sent


@pytest.mark.parametrize(
    "spec",
    [{"rules": 7}, {"rules": [7]}, {"rules": [{"backendRefs": [{"weight": 1}]}]}, {"rules": [{"backendRefs": 3}]}],
)
def test_a_route_that_cannot_be_read_is_said_to_be_so(spec: Any) -> None:
    with pytest.raises(Malformed):
        shares({"metadata": {"name": "out"}, "spec": spec}, "translate")


def test_a_route_that_leads_nowhere_has_no_split_and_no_way_back() -> None:
    item = route([("acme", 0), ("umbra", 0)])
    actuator, server = hands(item)
    assert Routes(server, FLEET).split("translate") is None  # type: ignore[arg-type]
    assert actuator.preimage(AWAY).inverse is None
    assert Routes(server, FLEET).split("chat") is None  # type: ignore[arg-type]
