"""The twin's API server without HTTP: patches, versions, watches, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from config.fleet import Fleet, Service, ServiceKind
from simulator.episode import demo_fleet
from simulator.twin.cluster import TwinCluster, Write, bare
from simulator.twin.cluster_api import address
from simulator.twin.patches import JSON, MERGE, STRATEGIC, PatchError, patched
from simulator.twin.shelf import Gone
from simulator.twin.status import StatusError
from simulator.twin.twin import Twin
from simulator.world.world import World

CHAT = ("deployments", "default", "chat")
ITEM: dict[str, Any] = {"a": {"b": 1, "c": 2}, "list": [{"name": "x", "v": 1}, {"name": "y", "v": 2}], "n/m": 0}


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        (MERGE, {"a": {"b": None, "d": 3}}, {**ITEM, "a": {"c": 2, "d": 3}}),
        (MERGE, {"list": [1]}, {**ITEM, "list": [1]}),
        (
            STRATEGIC,
            {"list": [{"name": "y", "v": 9}]},
            {**ITEM, "list": [{"name": "x", "v": 1}, {"name": "y", "v": 9}]},
        ),
        (JSON, [{"op": "test", "path": "/a/b", "value": 1}, {"op": "remove", "path": "/a/b"}], {**ITEM, "a": {"c": 2}}),
        (
            JSON,
            [{"op": "replace", "path": "/list/1/v", "value": 7}],
            {**ITEM, "list": [ITEM["list"][0], {"name": "y", "v": 7}]},
        ),
        (JSON, [{"op": "add", "path": "/list/-", "value": 0}], {**ITEM, "list": [*ITEM["list"], 0]}),
        (JSON, [{"op": "add", "path": "/n~1m", "value": 5}], {**ITEM, "n/m": 5}),
    ],
)
def test_a_patch_does_what_its_kind_says_and_leaves_the_object_alone(kind: str, body: Any, wanted: Any) -> None:
    before = repr(ITEM)
    assert patched(ITEM, body, kind) == wanted
    assert repr(ITEM) == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, [{"op": "test", "path": "/a/b", "value": 2}]),
        (JSON, [{"op": "replace", "path": "/none", "value": 2}]),
        (JSON, [{"op": "move", "path": "/a", "from": "/b"}]),
        (JSON, {"a": 1}),
        (MERGE, [1]),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(kind: str, body: Any) -> None:
    with pytest.raises(PatchError):
        patched(ITEM, body, kind)


@pytest.fixture
def twin() -> Twin:
    made = Twin(World(demo_fleet()))
    for _ in range(4):
        made.advance()
    return made


@pytest.fixture
def cluster(twin: Twin) -> TwinCluster:
    return TwinCluster(twin, lambda row: 9000 + row)


def scaled(replicas: int, version: str = "") -> Write:
    return Write({"metadata": {"resourceVersion": version or None}, "spec": {"replicas": replicas}}, MERGE, "dana")


def test_a_write_on_a_stale_version_is_a_conflict_and_changes_nothing(cluster: TwinCluster) -> None:
    first = cluster.get(CHAT)
    version = first["metadata"]["resourceVersion"]
    changed = cluster.change(CHAT, scaled(2, version))
    assert changed["spec"]["replicas"] == 2
    assert changed["metadata"]["generation"] == first["metadata"]["generation"] + 1
    with pytest.raises(StatusError) as refused:
        cluster.change(CHAT, scaled(3, version))
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert cluster.get(CHAT)["spec"]["replicas"] == 2


def test_versions_stay_while_nothing_changes_and_a_watch_tells_what_does(cluster: TwinCluster, twin: Twin) -> None:
    before = cluster.shelf.version
    cluster.look()
    assert cluster.shelf.version == before
    cluster.change(CHAT, scaled(2))
    twin.advance()
    cluster.look()
    kinds = [kind for _, kind, _ in cluster.shelf.since(before, "pods", "")]
    assert "DELETED" in kinds
    assert {item["metadata"]["name"] for _, _, item in cluster.shelf.since(before, "deployments", "")} == {"chat"}


def test_a_rehearsal_changes_nothing_and_is_refused_like_the_deed(cluster: TwinCluster) -> None:
    body, before = {"spec": {"replicas": 2}}, cluster.get(CHAT)["spec"]["replicas"]
    assert cluster.change(CHAT, Write(body, MERGE, "dana", dry_run=True))["spec"]["replicas"] == 2
    assert cluster.get(CHAT)["spec"]["replicas"] == before != 2
    for dry_run in (True, False):
        with pytest.raises(StatusError, match="quota") as refused:
            cluster.change(CHAT, Write({"spec": {"replicas": 99}}, MERGE, "dana", dry_run=dry_run))
        assert refused.value.code == 403


def test_a_lease_is_held_by_who_wrote_last_on_what_he_read(cluster: TwinCluster) -> None:
    key = ("leases", "default", "prunella")
    made = cluster.create(key, {"metadata": {"name": "prunella"}, "spec": {"holderIdentity": "a"}}, dry_run=False)
    with pytest.raises(StatusError) as twice:
        cluster.create(key, {"metadata": {"name": "prunella"}, "spec": {}}, dry_run=False)
    assert twice.value.code == 409
    taken = {**made, "spec": {"holderIdentity": "b"}}
    assert cluster.change(key, Write(taken))["spec"]["holderIdentity"] == "b"
    with pytest.raises(StatusError) as late:
        cluster.change(key, Write({**made, "spec": {"holderIdentity": "c"}}))
    assert late.value.code == 409


def test_a_template_with_nothing_written_out_is_the_same_template(cluster: TwinCluster) -> None:
    old = cluster.shelf.list("replicasets", "default")
    chat = [item for item in old if item["metadata"]["name"].startswith("chat-")]
    first = min(chat, key=lambda item: int(item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
    labels = {k: v for k, v in first["spec"]["template"]["metadata"]["labels"].items() if k != "pod-template-hash"}
    template = {**first["spec"]["template"], "metadata": {"creationTimestamp": None, "labels": labels}}
    assert bare({"a": None, "b": {}, "c": [1, {}]}) == {"c": [1, {}]}
    cluster.change(CHAT, Write([{"op": "replace", "path": "/spec/template", "value": template}], JSON, "kubectl"))
    after = [i for i in cluster.shelf.list("replicasets", "default") if i["metadata"]["name"].startswith("chat-")]
    assert len(after) == len(chat)
    again = next(i for i in after if i["metadata"]["name"] == first["metadata"]["name"])
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


@pytest.mark.parametrize("path", ["/", "/apis", "/apis/none/v1/x", "/api/v2/pods", "/api/v1/secrets"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises((StatusError, IndexError)) as refused:
        address(path)
    assert isinstance(refused.value, StatusError)
    assert refused.value.code == 404


def test_a_watch_from_too_long_ago_must_list_again(cluster: TwinCluster) -> None:
    for n in range(2100):
        cluster.shelf.notes[CHAT] = {"annotations": {"n": str(n)}}
        cluster.shelf._keep(CHAT, {**cluster.shelf._seen[CHAT], "x": n})
    with pytest.raises(Gone):
        list(cluster.shelf.since(1, "deployments", ""))


BATCH = ("deployments", "default", "chat-batch")


@pytest.fixture
def shared() -> TwinCluster:
    """An API server of a fleet whose batch work runs on the GPUs of chat."""
    beside = Service(name="chat-batch", kind=ServiceKind.BATCH, shares_gpus_of="chat", min_replicas=1)
    made = Twin(World(Fleet(services=(*demo_fleet().services, beside))))
    for _ in range(4):
        made.advance()
    return TwinCluster(made, lambda row: 9000 + row)


def workers(cluster: TwinCluster) -> list[dict[str, Any]]:
    pods = cluster.shelf.list("pods", "default")
    return [item for item in pods if item["metadata"]["name"].startswith("chat-batch-")]


def test_batch_work_is_a_deployment_with_pods_where_its_host_runs(shared: TwinCluster) -> None:
    item = shared.get(BATCH)
    assert (item["spec"]["replicas"], item["status"]["readyReplicas"]) == (1, 1)
    assert not item["spec"]["template"]["spec"]["containers"][0]["resources"]  # it asks for no GPU of its own
    (worker,) = workers(shared)
    hosts = {pod.gpu // 8 for pod in shared._body.pods.of("chat")}
    assert worker["spec"]["nodeName"] in {shared._body.pods.machines[index].name for index in hosts}
    sets = shared.get(("replicasets", "default", worker["metadata"]["ownerReferences"][0]["name"]))
    assert sets["spec"]["replicas"] == 1


def test_batch_work_is_scaled_and_nothing_else_is_done_to_it(shared: TwinCluster) -> None:
    shared.change(BATCH, scaled(2))
    shared._twin.advance()
    shared.look()
    assert len(workers(shared)) == shared.get(BATCH)["spec"]["replicas"] == 2
    with pytest.raises(StatusError, match="no replica"):
        shared.evict(("pods", "default", workers(shared)[0]["metadata"]["name"]), {}, dry_run=False)
    with pytest.raises(StatusError, match="nothing new of batch work"):
        shared.change(BATCH, Write({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}, MERGE))
