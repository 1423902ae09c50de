"""The reverter as a Kubernetes Job, made before any fault is: other process, other rights, other machine. Pure."""

from dataclasses import dataclass

from simulator.staging.edits import Json
from simulator.staging.hands import Place

KEPT_S = 3600  # a finished Job is kept so long, for whoever reads its log; servers before 1.23 keep it for ever


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Who takes a fault back: image and service account."""

    image: str
    account: str


def job_name(operation: str) -> str:
    """Return the Job's name."""
    return f"prunella-{operation}"


def job(place: Place, operation: str, wait_s: int, cleaner: Cleaner) -> Json:
    """Return the Job that takes a drill back. It may fail as often as it likes: it ends only when nothing is left."""
    argv = ["python", "-m", "simulator.staging.reverter", "--namespace", place.namespace]
    argv += ["--deployment", place.name, "--operation", operation, "--wait", str(wait_s)]
    container: Json = {
        "name": "reverter",
        "image": cleaner.image,
        "command": argv,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    pod = {"restartPolicy": "OnFailure", "serviceAccountName": cleaner.account, "containers": [container]}
    labels = {"app.kubernetes.io/name": "prunella-reverter", "app.kubernetes.io/managed-by": "prunella"}
    spec = {
        "backoffLimit": 100,
        "ttlSecondsAfterFinished": KEPT_S,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"name": job_name(operation), "namespace": place.namespace, "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
