"""What is where: deployments, replicas, nodes. Snapshots, never live objects."""

from datetime import datetime

from config.frozen import Frozen


class Replica(Frozen):
    """One copy of a service."""

    name: str
    service: str
    node: str  # empty while unscheduled
    ready: bool
    revision: str
    started_at: datetime


class Node(Frozen):
    """One machine."""

    name: str
    ready: bool
    schedulable: bool
    gpus: int
    gpus_free: int
    zone: str = ""
    leaving: bool = False  # its provider has given notice of taking it back, within minutes
    owners: tuple[str, ...] = ()  # who else mends or removes it right now: "nvsentinel", "karpenter", ...


class Revision(Frozen):
    """One version of a deployment's template."""

    number: str
    created_at: datetime
    summary: str = ""


class Deployment(Frozen):
    """The workload of one service. ``revisions`` is oldest first; the last is not always the ``current`` one."""

    service: str
    replicas: int  # wanted
    ready: int
    current: str
    revisions: tuple[Revision, ...] = ()
    owners: tuple[str, ...] = ()  # other controllers that write here: "hpa", "argocd", "keda", ...
    opted_out: bool = False  # carries the annotation prunella.dev/hands-off


class Topology(Frozen):
    """The fleet as the cluster shows it."""

    at: datetime
    deployments: tuple[Deployment, ...]
    replicas: tuple[Replica, ...]
    nodes: tuple[Node, ...]

    def deployment(self, service: str) -> Deployment | None:
        """Return the deployment of a service, or None."""
        return next((d for d in self.deployments if d.service == service), None)

    def of(self, service: str) -> tuple[Replica, ...]:
        """Return the replicas of a service."""
        return tuple(r for r in self.replicas if r.service == service)

    def on(self, node: str) -> tuple[Replica, ...]:
        """Return the replicas on a node."""
        return tuple(r for r in self.replicas if r.node == node)
