"""Batch work through the twin's servers and the live adapters, as the pretend world's own ports tell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.servers import ClusterSettings
from simulator.twin.serve import served, write_kubeconfig
from simulator.twin.twin import Twin
from simulator.world.world import World
from tests.world.test_sharing import batch, fleet
from tools.action import Operation, SetReplicas
from tools.live.kube_actuator import KubernetesActuator
from tools.live.kube_api import KubeApi
from tools.live.kubernetes import KubernetesCluster
from tools.topology import Topology


def placed(topology: Topology, service: str) -> set[tuple[str, str, bool]]:
    return {(replica.name, replica.node, replica.ready) for replica in topology.of(service)}


@pytest.mark.real
@pytest.mark.enable_socket
def test_batch_work_is_seen_and_scaled_over_the_wire(tmp_path: Path) -> None:
    whole = fleet(batch())
    twin = Twin(World(whole))
    for _ in range(4):
        twin.advance()
    clock = twin.world.clock
    with served(twin, clock.now) as where:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", where.cluster_url, "default")
        api = KubeApi(ClusterSettings.model_validate({"kubeconfig": kubeconfig, "timeout": "30s"}))
        try:
            cluster = KubernetesCluster(api, whole, clock)
            actuator = KubernetesActuator(api, whole, clock)
            actuator.apply(SetReplicas(service="chat-batch", replicas=3), Operation(id="a", incident="i", epoch=1))
            for _ in range(4):
                twin.advance()
            seen, own = cluster.topology(), twin.world.cluster.topology()
        finally:
            api.close()
    assert seen.deployment("chat-batch") is not None
    for service in ("chat", "chat-batch"):
        one, other = seen.deployment(service), own.deployment(service)
        assert one
        assert other
        assert (one.replicas, one.ready) == (other.replicas, other.ready)
        assert {(r.name, r.node, r.ready) for r in seen.of(service)} == {
            (r.name, r.node, r.ready) for r in own.of(service)
        }
    assert len(seen.of("chat-batch")) == 3
    assert {n.name: n.gpus_free for n in seen.nodes} == {n.name: n.gpus_free for n in own.nodes}
