"""No answer of the twin's servers names what is really wrong."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from simulator.episode import demo_fleet
from simulator.scenario import load_scenarios
from simulator.twin.cluster import TwinCluster
from simulator.twin.cluster_api import GROUPS, cluster_app
from simulator.twin.metrics_api import metrics_app
from simulator.twin.registry_api import registry_app
from simulator.twin.twin import Twin
from simulator.world.world import World

METRICS = ("query?query={__name__=~'.%2B'}", "series?match[]={__name__=~'.%2B'}", "labels", "label/__name__/values")
MODELS = ("registered-models/get?name=fraud", "model-versions/search?filter=name='fraud'")
FAULTS = ("disk_full", "bad_rollout_errors", "wrong_version_promoted", "xid_48_double_bit", "vendor_outage")


def said(app: FastAPI, paths: list[str]) -> str:
    """Everything that an application answers to some reads."""
    client = TestClient(app)
    answers = [client.get(path) for path in paths]
    assert [path for path, answer in zip(paths, answers, strict=True) if answer.status_code != 200] == []
    return "".join(answer.text for answer in answers)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_that_is_served_names_the_fault(fault: str) -> None:
    scenario = load_scenarios()[fault].model_copy(update={"onset": (60.0, 90.0)})
    world = World(demo_fleet(), seed=1, scenario=scenario)
    twin = Twin(world)
    for _ in range(10):
        twin.advance()
    prefixes = [
        (f"/apis/{group}/{version}" if group else f"/api/{version}", kinds)
        for group, (version, kinds) in GROUPS.items()
        if group != "authorization.k8s.io"
    ]
    objects = [f"{prefix}/{plural}" for prefix, kinds in prefixes for plural in kinds]
    answers = (
        said(metrics_app(twin, world.clock.now), [f"/api/v1/{path}" for path in METRICS])
        + said(cluster_app(twin, TwinCluster(twin, lambda row: 8000 + row)), objects)
        + said(registry_app(twin), [f"/api/2.0/mlflow/{path}" for path in MODELS])
    )
    assert "chat" in answers
    assert "DCGM_FI_DEV_GPU_UTIL" in answers
    secrets = (scenario.id, scenario.truth.fault, scenario.about, "acceptable_playbooks", "forbidden_verbs")
    assert [secret for secret in secrets if secret and secret in answers] == []
