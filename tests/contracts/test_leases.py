"""What every keeper of targets' leases must do: in memory, on the twin's API server, on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.conftest import FLEET, WIRED, RealCluster, TwinStage
from tests.plane import NAMESPACE
from tools.errors import Malformed, Refused
from tools.lease import Hold, TargetLeases
from tools.live.kube_lease import KubernetesLeases, lease_name
from tools.memory_leases import MemoryLeases

AT = datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
FIRST = Hold("a@host/1", 3, "plan-1", AT, AT + timedelta(minutes=3))
OWN = "prunella"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


@pytest.fixture(params=["memory", pytest.param("twin", marks=WIRED), pytest.param("kubernetes", marks=WIRED)])
def leases(request: pytest.FixtureRequest) -> Iterator[TargetLeases]:
    if request.param == "memory":
        yield MemoryLeases()
        return
    if request.param == "twin":
        stage: TwinStage = request.getfixturevalue("twin_stage")
        yield KubernetesLeases(stage.api, FLEET, "default")
        return
    real: RealCluster = request.getfixturevalue("real_cluster")
    real.admin.ensure("/api/v1/namespaces", {"metadata": {"name": OWN}})
    for namespace in (OWN, NAMESPACE):
        for found in real.admin.items(f"{LEASES}/{namespace}/leases"):
            real.admin.delete(f"{LEASES}/{namespace}/leases/{found['metadata']['name']}")
    api = real.api()
    yield KubernetesLeases(api, FLEET, OWN)
    api.close()


def read(leases: TargetLeases, target: str) -> Hold:
    found = leases.read(target)
    assert found is not None
    return found


@pytest.mark.parametrize("target", ["service/chat", "node/gpu-0.eu.example", "service/translate"])
def test_what_was_written_is_read(leases: TargetLeases, target: str) -> None:
    assert leases.read(target) is None
    assert leases.write(target, FIRST)
    found = read(leases, target)
    assert found == replace(FIRST, version=found.version)
    assert found.version


def test_of_two_that_take_a_free_lease_one_gets_it(leases: TargetLeases) -> None:
    assert leases.write("service/chat", FIRST)
    assert not leases.write("service/chat", replace(FIRST, owner="b"))
    assert read(leases, "service/chat").owner == FIRST.owner


def test_a_lease_changed_since_it_was_read_is_left_alone(leases: TargetLeases) -> None:
    assert leases.write("service/chat", FIRST)
    seen = read(leases, "service/chat")
    assert leases.write("service/chat", replace(seen, owner="b", epoch=4))
    assert not leases.write("service/chat", replace(seen, owner="c", epoch=5))
    assert (read(leases, "service/chat").owner, read(leases, "service/chat").epoch) == ("b", 4)


def test_a_lease_that_is_let_go_keeps_its_epoch_and_its_last_holder(leases: TargetLeases) -> None:
    assert leases.write("service/chat", FIRST)
    seen = read(leases, "service/chat")
    gone = AT + timedelta(minutes=1)
    assert leases.write("service/chat", replace(seen, at=gone, until=gone))
    found = read(leases, "service/chat")
    assert (found.owner, found.epoch, found.run, found.at, found.until) == (FIRST.owner, 3, "plan-1", gone, gone)


def test_targets_do_not_stand_in_each_others_way(leases: TargetLeases) -> None:
    assert leases.write("service/chat", FIRST)
    assert leases.write("service/spare", FIRST)
    assert leases.write("node/chat", FIRST)


def test_names_are_such_that_an_api_server_takes_them() -> None:
    assert lease_name("service/chat") == "prunella-service-chat"
    odd = {lease_name(name) for name in ("node/A_b", "node/a-b", "node/a.b", "service/" + "x" * 80, "service/ü")}
    assert len(odd) == 5
    assert all(len(name) <= 63 and name.strip("-") == name and name.isascii() for name in odd)


@pytest.mark.real
@pytest.mark.enable_socket
def test_a_foreign_or_spoilt_lease_is_not_taken_for_a_free_one(real_cluster: RealCluster) -> None:
    api = real_cluster.api()
    leases = KubernetesLeases(api, FLEET, OWN)
    body: dict[str, Any] = {"metadata": {"name": "prunella-service-spare"}, "spec": {"holderIdentity": "somebody"}}
    where = f"{LEASES}/{NAMESPACE}/leases"
    real_cluster.admin.delete(f"{where}/prunella-service-spare")
    real_cluster.admin.post(where, body)
    with pytest.raises(Malformed, match="cannot be read as one of Prunella's"):
        leases.read("service/spare")
    real_cluster.admin.delete(f"{where}/prunella-service-spare")
    api.close()


@pytest.mark.real
@pytest.mark.enable_socket
def test_who_may_not_write_leases_is_refused(real_cluster: RealCluster, tmp_path: Path) -> None:
    del tmp_path
    api = real_cluster.api(real_cluster.plane.viewer_kubeconfig)
    with pytest.raises(Refused, match="403"):
        KubernetesLeases(api, FLEET, OWN).read("service/chat")
    api.close()
