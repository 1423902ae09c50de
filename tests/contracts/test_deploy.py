"""The manifests that ship are taken by a real API server, whole: no field of them is unknown to it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.lab.lab import apply
from tests.contracts.conftest import RealCluster

DEPLOY = Path(__file__).parents[2] / "deploy"
PATHS = {
    "ConfigMap": "/api/v1/namespaces/prunella/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/prunella/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/prunella/deployments",
    "Service": "/api/v1/namespaces/prunella/services",
}
pytestmark = [pytest.mark.real, pytest.mark.enable_socket]


def kept(sent: Any, answered: Any) -> bool:
    """Whether all that was sent is in the answer, which may hold defaults beside it."""
    if isinstance(sent, dict):
        return isinstance(answered, dict) and all(key in answered and kept(sent[key], answered[key]) for key in sent)
    if isinstance(sent, list):
        return isinstance(answered, list) and len(sent) == len(answered) and all(map(kept, sent, answered))
    return bool(sent == answered)


def test_a_real_api_server_takes_the_manifest_whole(real_cluster: RealCluster) -> None:
    admin = real_cluster.admin
    for item in yaml.safe_load_all((DEPLOY / "rbac.yaml").read_text()):
        apply(admin, item)
    items = list(yaml.safe_load_all((DEPLOY / "prunella.yaml").read_text()))
    assert [item["kind"] for item in items] == list(PATHS)
    for item in items:
        answered = admin.post(f"{PATHS[item['kind']]}?dryRun=All&fieldValidation=Strict", item)
        assert kept(item, answered), (item["kind"], answered)
