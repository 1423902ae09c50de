"""Training Jobs as Kubernetes objects: what one is made of, and what it says of itself. Nothing is sent here.

A Job is made as ``kubectl create job --from=cronjob/NAME`` makes one: the template of the CronJob, annotated as started
by hand and owned by it. Its name is that of the operation, so that no retry makes a second one.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import orjson

from tools.action import Operation, TrainModel
from tools.errors import Malformed
from tools.live.kube_api import Json, annotations
from tools.live.saying import one_line

OPERATION, INCIDENT, SERVICE = "prunella.dev/operation", "prunella.dev/incident", "prunella.dev/service"
State = Literal["running", "complete", "failed"]


def job_name(cron_job: str, operation: Operation) -> str:
    """Return the name of the Job of an operation: the same after every crash, and at most 63 characters."""
    digest = hashlib.sha256(operation.id.encode()).hexdigest()[:20]
    return f"{cron_job[:42].rstrip('-')}-{digest}"


def told(action: TrainModel, scores: str) -> dict[str, str]:
    """Return the environment that a job reads its order from. Instants are ISO 8601 with their zone."""
    return {
        "PRUNELLA_MODEL": action.model,
        "PRUNELLA_VERSION": action.version,
        "PRUNELLA_TRAIN_START": action.start_at.isoformat(),
        "PRUNELLA_TRAIN_END": action.end_at.isoformat(),
        "PRUNELLA_SCORES": scores.replace("{version}", action.version),
    }


def job_of(cron: Json, action: TrainModel, operation: Operation, scores: str) -> Json:
    """Return the Job: one try, bounded in time. What is tried again is decided by whoever asked for it."""
    metadata = cron["metadata"]
    try:
        template: Json = orjson.loads(orjson.dumps(cron["spec"]["jobTemplate"]))
        spec, pod = template["spec"], template["spec"]["template"]["spec"]
        for container in pod["containers"]:
            container["env"] = _with(container.get("env") or (), told(action, scores))
        seconds = round(action.max_seconds)
        spec["activeDeadlineSeconds"] = min(seconds, int(spec.get("activeDeadlineSeconds") or seconds))
        spec["backoffLimit"] = 0
        pod["restartPolicy"] = "Never"
        own = template.get("metadata") or {}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Malformed(f"CronJob {metadata['name']} has no template that could be run: {error}") from error
    notes = {OPERATION: operation.id, INCIDENT: operation.incident, "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {"apiVersion": cron.get("apiVersion", "batch/v1"), "kind": "CronJob", "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(metadata["name"], operation),
            "namespace": metadata["namespace"],
            "labels": {**(own.get("labels") or {}), SERVICE: action.service},
            "annotations": {**(own.get("annotations") or {}), **notes},
            # Without blockOwnerDeletion, which would ask for a right on the CronJob's finalizers.
            "ownerReferences": [{**owner, "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": spec,
    }


def _with(env: Any, more: Mapping[str, str]) -> list[Json]:
    kept = [each for each in env if each.get("name") not in more]
    return [*kept, *({"name": name, "value": value} for name, value in more.items())]


def state_of(job: Json) -> tuple[State, str]:
    """Return how a Job stands, and why it failed.

    >>> state_of({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}})
    ('failed', 'DeadlineExceeded')
    """
    conditions = (job.get("status") or {}).get("conditions") or ()
    for each in conditions:
        if each.get("status") == "True" and each.get("type") in ("Complete", "Failed"):
            words = ": ".join(filter(None, (str(each.get("reason", "")), str(each.get("message", "")))))
            return ("complete", "") if each["type"] == "Complete" else ("failed", one_line(words))
    return "running", ""


def is_of(job: Json, operation: Operation) -> bool:
    """Whether a Job is that of an operation, and no namesake."""
    return annotations(job).get(OPERATION) == operation.id
