"""How a real API server says no, and how that arrives: rights, budgets, bad requests, opt-outs, races, lost replies."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.lab.rest import Json
from tests.contracts.conftest import APPS, FLEET, RealCluster, RealStage
from tests.plane import NAMESPACE
from tools.action import EvictReplica, Operation, RestoreRevision, SetReplicas, SetSchedulable
from tools.errors import Absent, Ambiguous, Refused, Transient
from tools.live.clock import SystemClock
from tools.live.doctor import rights
from tools.live.kube_actuator import KubernetesActuator
from tools.live.kube_api import KubeApi, Patch
from tools.live.kubernetes import KubernetesCluster

pytestmark = [pytest.mark.real, pytest.mark.enable_socket]
BUDGETS = f"/apis/policy/v1beta1/namespaces/{NAMESPACE}/poddisruptionbudgets"
SCALERS = f"/apis/autoscaling/v1/namespaces/{NAMESPACE}/horizontalpodautoscalers"


def op(name: str, epoch: int = 1) -> Operation:
    return Operation(id=name, incident="inc-1", epoch=epoch)


def wanted(real: RealCluster) -> int:
    return int(real.admin.get(f"{APPS}/chat")["spec"]["replicas"])


def test_who_has_no_rights_is_refused_and_the_doctor_names_them(real_cluster: RealCluster) -> None:
    api = real_cluster.api(real_cluster.plane.viewer_kubeconfig)
    with pytest.raises(Refused, match="403"):
        KubernetesCluster(api, FLEET, SystemClock()).topology()
    with pytest.raises(Refused, match="403"):
        KubernetesActuator(api, FLEET, SystemClock()).rehearse(SetReplicas(service="chat", replicas=2))
    said = {(check.ok, check.text) for check in rights(api, FLEET)}
    assert (False, f"may not create pods/eviction in namespace {NAMESPACE}") in said
    assert (None, f"may not list horizontalpodautoscalers.autoscaling in namespace {NAMESPACE}") in said
    api.close()


def test_who_has_every_right_is_told_so(real_cluster: RealCluster) -> None:
    api = real_cluster.api()
    (check,) = rights(api, FLEET)
    assert check.ok
    api.close()


def test_what_the_server_finds_invalid_is_refused(real_stage: RealStage) -> None:
    with pytest.raises(Refused, match="422"):
        real_stage.api.patch(f"{APPS}/chat", {"spec": {"replicas": -1}}, "merge", dry_run=True)
    with pytest.raises(Absent):
        real_stage.api.get(f"{APPS}/nobody")


def test_a_disruption_budget_holds_off_an_eviction_that_happens_later(real_stage: RealStage) -> None:
    admin = real_stage.real.admin
    labels = {"matchLabels": {"app.kubernetes.io/name": "chat"}}
    budget: Json = {"metadata": {"name": "chat"}, "spec": {"minAvailable": 3, "selector": labels}}
    admin.post(BUDGETS, {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", **budget})
    name = real_stage.cluster.topology().of("chat")[0].name
    action = EvictReplica(service="chat", replica=name)
    try:
        with pytest.raises(Transient, match="429"):
            real_stage.actuator.apply(action, op("a"))
        assert real_stage.actuator.lookup(action, op("a")) is None
        with pytest.raises(Transient, match="429"):
            real_stage.actuator.rehearse(action)
    finally:
        admin.delete(f"{BUDGETS}/chat")
    real_stage.actuator.apply(action, op("a"))
    assert real_stage.actuator.lookup(action, op("a")) is not None
    real_stage.settle()
    assert name not in {r.name for r in real_stage.cluster.topology().of("chat")}


def test_hands_off_binds_every_verb(real_stage: RealStage) -> None:
    admin = real_stage.real.admin
    note = {"metadata": {"annotations": {"prunella.dev/hands-off": "true"}}}
    name = real_stage.cluster.topology().of("chat")[0].name
    admin.patch(f"{APPS}/chat", note)
    admin.patch(f"/api/v1/nodes/{real_stage.node}", note)
    seen = real_stage.cluster.topology().deployment("chat")
    assert seen is not None
    assert seen.opted_out
    for action in (
        SetReplicas(service="chat", replicas=1),
        RestoreRevision(service="chat", revision="1"),
        EvictReplica(service="chat", replica=name),
        SetSchedulable(node=real_stage.node, schedulable=False),
    ):
        with pytest.raises(Refused, match="hands off"):
            real_stage.actuator.apply(action, op("a"))
        with pytest.raises(Refused, match="hands off"):
            real_stage.actuator.rehearse(action)
    assert wanted(real_stage.real) == 3


def test_other_owners_are_named(real_stage: RealStage) -> None:
    admin = real_stage.real.admin
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4}
    kind = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
    admin.post(SCALERS, {**kind, "metadata": {"name": "chat"}, "spec": spec})
    try:
        admin.patch(f"{APPS}/chat", {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}})
        admin.patch(f"{APPS}/chat", {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "apps:chat"}}})
        seen = real_stage.cluster.topology().deployment("chat")
        assert seen is not None
        assert seen.owners == ("argocd", "flux", "hpa")
    finally:
        admin.delete(f"{SCALERS}/chat")


CLAIMED: list[tuple[dict[str, Any], str]] = [
    ({"metadata": {"labels": {"dgxc.nvidia.com/nvsentinel-state": "draining"}}}, "nvsentinel"),
    ({"spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}}, "karpenter"),
]
FREE = {"metadata": {"labels": {"dgxc.nvidia.com/nvsentinel-state": None}}, "spec": {"taints": None}}


@pytest.mark.parametrize(("mark", "whose"), CLAIMED)
def test_a_node_that_somebody_else_mends_is_not_written(
    real_stage: RealStage, mark: dict[str, Any], whose: str
) -> None:
    """Neither cordoned nor, which would put a sick machine back to work, uncordoned by an undo."""
    path = f"/api/v1/nodes/{real_stage.node}"
    # In one write: the control plane follows a cordon with a taint of its own, and writes the whole list as it knows
    # it. Whatever came in after the cordon may be lost with it; what came with the cordon it has seen.
    real_stage.real.admin.patch(path, {**mark, "spec": {**mark.get("spec", {}), "unschedulable": True}})
    try:
        (node,) = [each for each in real_stage.cluster.topology().nodes if each.name == real_stage.node]
        assert node.owners == (whose,)
        with pytest.raises(Refused, match=f"in the hands of {whose}"):
            real_stage.actuator.apply(SetSchedulable(node=real_stage.node, schedulable=True), op("b"))
        assert real_stage.real.admin.get(path)["spec"]["unschedulable"] is True
    finally:
        real_stage.real.admin.patch(path, FREE)
    real_stage.actuator.apply(SetSchedulable(node=real_stage.node, schedulable=True), op("c"))
    assert "unschedulable" not in real_stage.real.admin.get(path)["spec"]


class Meddled(KubeApi):
    """Somebody else writes to the Deployment between every read of ours and our first write."""

    rival: Any = None
    times = 1

    def patch(self, path: str, body: Json | list[Json], kind: Patch, *, dry_run: bool = False) -> Json:
        if self.times:
            self.times -= 1
            self.rival()
        return super().patch(path, body, kind, dry_run=dry_run)


def meddled(real: RealCluster, times: int) -> Meddled:
    made = Meddled(real.api()._settings)
    made.times = times
    return made


def test_a_change_in_between_is_seen_and_not_overwritten(real_stage: RealStage) -> None:
    """A newer controller comes between: our patch does not hold any more, and our epoch neither."""
    api = meddled(real_stage.real, 1)
    actuator = KubernetesActuator(api, FLEET, SystemClock())
    api.rival = lambda: real_stage.actuator.apply(SetReplicas(service="chat", replicas=2), op("theirs", 9))
    with pytest.raises(Refused, match="epoch 8 is below 9"):
        actuator.apply(SetReplicas(service="chat", replicas=1), op("ours", 8))
    assert wanted(real_stage.real) == 2
    api.close()


@pytest.mark.parametrize("revision", ["", "1"])
def test_a_harmless_change_in_between_is_lived_with(real_stage: RealStage, revision: str) -> None:
    api = meddled(real_stage.real, 2)
    note = {"metadata": {"annotations": {"team": "x"}}}
    api.rival = lambda: real_stage.real.admin.patch(
        f"{APPS}/chat", {**note, "spec": {"minReadySeconds": 1 + api.times}}
    )
    actuator = KubernetesActuator(api, FLEET, SystemClock())
    action = RestoreRevision(service="chat", revision="1") if revision else SetReplicas(service="chat", replicas=2)
    actuator.apply(action, op("a"))
    assert real_stage.real.admin.get(f"{APPS}/chat")["metadata"]["annotations"]["team"] == "x"
    assert actuator.lookup(action, op("a")) is not None
    api.close()


def test_a_lost_reply_is_ambiguous_and_can_be_asked_about(real_stage: RealStage) -> None:
    class Lossy(KubeApi):
        def patch(self, path: str, body: Json | list[Json], kind: Patch, *, dry_run: bool = False) -> Json:
            super().patch(path, body, kind, dry_run=dry_run)
            raise Ambiguous("the reply is lost")

    api = Lossy(real_stage.api._settings)
    actuator = KubernetesActuator(api, FLEET, SystemClock())
    action = SetReplicas(service="chat", replicas=2)
    with pytest.raises(Ambiguous):
        actuator.apply(action, op("a"))
    receipt = actuator.lookup(action, op("a"))
    assert receipt is not None
    assert real_stage.actuator.apply(action, op("a")) == receipt
    api.close()


def test_scaling_by_a_person_is_a_change_of_theirs(real_stage: RealStage) -> None:
    before = real_stage.now()
    real_stage.real.admin.patch(f"/api/v1/nodes/{real_stage.node}", {"spec": {"unschedulable": True}})
    (cordon,) = [c for c in real_stage.cluster.changes(before.replace(microsecond=0)) if c.kind == "node"]
    assert (cordon.entity, cordon.before, cordon.after) == (f"node/{real_stage.node}", "true", "false")
    assert cordon.actor == "a person with python-requests"
