"""What Kubernetes objects mean in our words: pure functions from their JSON.

A revision is named by the first number it ever had. A rollback gives the old template a new number, which would make
"restore 3" mean something else the next time; the first number stays, and ``kubectl rollout history`` knew it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from config.fleet import Service
from tools.errors import Malformed
from tools.live.kube_api import Json, annotations, labels, owner
from tools.topology import Deployment, Node, Replica, Revision

HANDS_OFF = "prunella.dev/hands-off"
CAUSE = "kubernetes.io/change-cause"
_REVISION = "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_HASH = "pod-template-hash"
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
# Marks that other controllers leave on what they write: annotation or label, and whose it is.
_MARKS = {
    "argocd.argoproj.io/instance": "argocd",
    "argocd.argoproj.io/tracking-id": "argocd",
    "kustomize.toolkit.fluxcd.io/name": "flux",
    "helm.toolkit.fluxcd.io/name": "flux",
    "scaledobject.keda.sh/name": "keda",
}
# Marks on a node that somebody else mends or removes: a label or annotation that is not empty, or a taint. Sources:
# NVSentinel (commons/statemanager, fault-quarantine/common), medik8s (self-node-remediation), Karpenter (disruption),
# the cluster autoscaler (deletetaint) and NVIDIA's maintenance operator (internal/cordon).
_CLAIMS = {
    "dgxc.nvidia.com/nvsentinel-state": "nvsentinel",
    "quarantineHealthEvent": "nvsentinel",
    "maintenance.nvidia.com/node-initial-state.unschedulable": "maintenance-operator",
}
_TAINTS = {
    "medik8s.io/remediation": "medik8s",
    "karpenter.sh/disrupted": "karpenter",
    "karpenter.sh/disruption": "karpenter",
    "ToBeDeletedByClusterAutoscaler": "cluster-autoscaler",
}
# A spot node's last minutes: two on AWS, thirty seconds on GCP.
_NOTICES = frozenset(("aws-node-termination-handler/spot-itn", "cloud.google.com/impending-node-termination"))


@dataclass(frozen=True, slots=True)
class Workload:
    """One guarded Deployment with what belongs to it."""

    service: Service
    item: Json
    sets: tuple[Json, ...]  # its ReplicaSets, by first revision
    pods: tuple[Json, ...]  # that are not on their way out


def instant(text: object) -> datetime:
    """Return an instant of the API; ``Malformed`` where it is none."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Malformed(f"Kubernetes: {text!r} is no instant") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# -- revisions -----------------------------------------------------------------------------------------------------
def numbers(replica_set: Json) -> tuple[int, ...]:
    """Return every number that a revision has had, in order; empty for a foreign ReplicaSet."""
    notes = annotations(replica_set)
    texts = [*notes.get(_HISTORY, "").split(","), notes.get(_REVISION, "")]
    return tuple(sorted(int(text) for text in texts if text.isdigit()))


def template(replica_set: Json) -> Json:
    """Return the pod template of a revision as the Deployment had it."""
    found: Json = dict(replica_set["spec"]["template"])
    metadata = dict(found.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != _HASH}
    return {**found, "metadata": metadata}


def revision_named(workload: Workload, number: str) -> Json | None:
    """Return the ReplicaSet that has, or has had, a number."""
    return next((rs for rs in workload.sets if number in {str(n) for n in numbers(rs)}), None)


def current(workload: Workload) -> str:
    """Return the revision whose template the Deployment asks for now, whether or not it has been rolled out.

    While no ReplicaSet has that template yet, the number that the Deployment itself says it is at.
    """
    wanted = template(workload.item)
    for rs in reversed(workload.sets):
        if template(rs) == wanted:
            return str(numbers(rs)[0])
    said = revision_named(workload, annotations(workload.item).get(_REVISION, ""))
    return str(numbers(said)[0]) if said else ""


def _revision(rs: Json) -> Revision:
    return Revision(
        number=str(numbers(rs)[0]),
        created_at=instant(rs["metadata"]["creationTimestamp"]),
        summary=annotations(rs).get(CAUSE, "")[:200],
    )


# -- workloads -----------------------------------------------------------------------------------------------------
def workload(service: Service, item: Json, sets: Iterable[Json], pods: Iterable[Json]) -> Workload:
    """Gather what a Deployment owns, by uid and not by label."""
    own = [rs for rs in sets if owner(rs).get("uid") == item["metadata"]["uid"] and numbers(rs)]
    uids = {rs["metadata"]["uid"] for rs in own}
    alive = [pod for pod in pods if owner(pod).get("uid") in uids and _counts(pod)]
    return Workload(service, item, tuple(sorted(own, key=lambda rs: numbers(rs)[0])), tuple(alive))


def _counts(pod: Json) -> bool:
    """Whether its ReplicaSet counts the pod: neither ended nor on its way out."""
    return pod["metadata"].get("deletionTimestamp") is None and pod["status"].get("phase") not in (
        "Succeeded",
        "Failed",
    )


def deployment(found: Workload, scalers: Sequence[Json] | None) -> Deployment:
    """Return the noun. ``scalers`` are the HPAs of the namespace, None where we may not see them."""
    status = found.item.get("status") or {}
    return Deployment(
        service=found.service.name,
        replicas=int(found.item["spec"].get("replicas", 1)),
        ready=int(status.get("readyReplicas") or 0),
        current=current(found),
        revisions=tuple(_revision(rs) for rs in found.sets),
        owners=owners(found.item, scalers),
        opted_out=hands_off(found.item),
    )


def hands_off(item: Mapping[str, Any]) -> bool:
    """Whether an object carries the opt-out; anything but a plain no counts as yes."""
    return annotations(item).get(HANDS_OFF, "false").strip().lower() not in ("false", "no", "0")


def owners(item: Json, scalers: Sequence[Json] | None) -> tuple[str, ...]:
    """Return who else writes to a Deployment. Where HPAs may not be listed there may be one: said, not assumed away."""
    found = {_MARKS[mark] for mark in (*labels(item), *annotations(item)) if mark in _MARKS}
    if kind := owner(item).get("kind"):
        found.add(str(kind).lower())
    if scalers is None:
        found.add("hpa-unknown")
    for scaler in scalers or ():
        target = scaler["spec"]["scaleTargetRef"]
        if (target.get("kind"), target.get("name")) == ("Deployment", item["metadata"]["name"]):
            found.add("keda" if owner(scaler).get("kind") == "ScaledObject" else "hpa")
    return tuple(sorted(found))


def replicas(found: Workload) -> list[Replica]:
    """Return the replicas of a workload."""
    by_uid = {rs["metadata"]["uid"]: str(numbers(rs)[0]) for rs in found.sets}
    return [
        Replica(
            name=pod["metadata"]["name"],
            service=found.service.name,
            node=pod["spec"].get("nodeName") or "",
            ready=_condition(pod, "Ready"),
            revision=by_uid[owner(pod)["uid"]],
            started_at=instant(pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]),
        )
        for pod in sorted(found.pods, key=lambda pod: str(pod["metadata"]["name"]))
    ]


def _condition(item: Json, kind: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


# -- nodes ---------------------------------------------------------------------------------------------------------
def node(item: Json, pods: Iterable[Json]) -> Node:
    """Return the noun. Free GPUs are those that no pod *we may see* has asked for: a bound from above."""
    gpus = _gpus((item.get("status") or {}).get("allocatable") or {})
    taken = sum(_asked(pod) for pod in pods if pod["spec"].get("nodeName") == item["metadata"]["name"])
    return Node(
        name=item["metadata"]["name"],
        ready=_condition(item, "Ready"),
        schedulable=not item["spec"].get("unschedulable", False),
        gpus=gpus,
        gpus_free=max(gpus - taken, 0),
        zone=next((labels(item)[name] for name in _ZONES if name in labels(item)), ""),
        leaving=any(taint.get("key") in _NOTICES for taint in item["spec"].get("taints") or ()),
        owners=claims(item),
    )


def claims(item: Json) -> tuple[str, ...]:
    """Return who else mends or removes a node right now. A node is never mended by two."""
    marks = {**labels(item), **annotations(item)}
    taints = {taint.get("key") for taint in item["spec"].get("taints") or ()}
    said = {whose for mark, whose in _CLAIMS.items() if marks.get(mark)}
    return tuple(sorted(said | {whose for key, whose in _TAINTS.items() if key in taints}))


def _asked(pod: Json) -> int:
    if pod["status"].get("phase") in ("Succeeded", "Failed"):
        return 0
    return sum(_gpus((c.get("resources") or {}).get("limits") or {}) for c in pod["spec"]["containers"])


def _gpus(amounts: Mapping[str, object]) -> int:
    """Return the GPUs among resources: ``nvidia.com/gpu``, ``amd.com/gpu``, slices as ``nvidia.com/mig-1g.5gb``."""
    return sum(
        int(str(n)) for name, n in amounts.items() if name.endswith("/gpu") or name.startswith("nvidia.com/mig-")
    )
