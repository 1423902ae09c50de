"""The twin's trainings: CronJobs that a team owns, Jobs made from them, and what becomes of these in the world."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from simulator.twin.objects import Json, Key, backends_of, has_model, route_of
from simulator.twin.twin import Twin
from tools.action import TrainModel

CANDIDATE = "candidate"
FIRST = 100  # number of the first version that somebody named: the world itself numbers from 1


def cron_job_of(service: str) -> str:
    """Return the name of the CronJob that trains the model of a service."""
    return f"train-{service}"


def number_of(name: str, names: list[str]) -> str:
    """Return MLflow's number of a version: its name where that is one.

    >>> number_of("2", ["1", "2", "p-1"]), number_of("p-1", ["1", "2", "p-1"])
    ('2', '102')
    """
    return name if name.isdigit() else str(FIRST + names.index(name))


class TwinTrainings:
    """Begins trainings in the world as Jobs ask for them, and tells Jobs how theirs goes."""

    def __init__(self, twin: Twin, told: Callable[[datetime], str]) -> None:
        self._twin, self._body, self._told = twin, twin.world.body, told
        self._running: dict[Key, tuple[str, TrainModel]] = {}  # operation in the world, by Job

    def cron_jobs(self) -> Iterator[tuple[Key, Json]]:
        """Yield one suspended CronJob for each service with a model."""
        for service in self._twin.world.fleet.services:
            if has_model(self._body, service):
                key = ("cronjobs", service.namespace, cron_job_of(service.name))
                pod = {"restartPolicy": "Never", "containers": [{"name": "train", "image": "registry.example/train:1"}]}
                template = {"metadata": {}, "spec": {"template": {"spec": pod}}}
                spec = {"schedule": "0 3 * * 0", "suspend": True, "jobTemplate": template}
                head = {"apiVersion": "batch/v1", "kind": "CronJob"}
                yield key, {**head, "metadata": {"name": key[2], "namespace": key[1]}, "spec": spec, "status": {}}

    def order(self, job: Json) -> TrainModel | None:
        """Return what a Job is to train, by its environment; None for one that has no order."""
        env: dict[str, Any] = {}
        for container in job["spec"]["template"]["spec"]["containers"]:
            env |= {each["name"]: each.get("value") for each in container.get("env") or ()}
        service = next(
            (s for s in self._twin.world.fleet.services if s.model and s.model == env.get("PRUNELLA_MODEL")), None
        )
        if service is None or not env.get("PRUNELLA_VERSION"):
            return None
        start, end = (datetime.fromisoformat(env[f"PRUNELLA_TRAIN_{name}"]) for name in ("START", "END"))
        return TrainModel(
            service=service.name,
            model=service.model,
            version=env["PRUNELLA_VERSION"],
            start_at=self._twin.pace.to_theirs(start),
            end_at=self._twin.pace.to_theirs(end),
            max_seconds=float(job["spec"].get("activeDeadlineSeconds") or 600) * self._twin.pace.speed,
        )

    def begun(self, key: Key, operation: str, action: TrainModel) -> None:
        """Note which training of the world a Job is."""
        self._running[key] = operation, action

    def statuses(self) -> Iterator[tuple[Key, Json]]:
        """Yield how Jobs stand. One that is complete has registered its version, and pointed the alias at it."""
        for key, (operation, action) in tuple(self._running.items()):
            ended = self._body.quality.trainings.ended(operation)
            if ended is None:
                yield key, {"active": 1}
                continue
            del self._running[key]
            state, at, detail = ended
            if state == "done":
                self._body.quality.set_alias(action.model, CANDIDATE, action.version)
            kind = "Complete" if state == "done" else "Failed"
            found = {"type": kind, "status": "True", "reason": "" if state == "done" else "BackoffLimitExceeded"}
            counted = {"succeeded": 1} if state == "done" else {"failed": 1}
            yield key, {**counted, "conditions": [{**found, "message": detail, "lastTransitionTime": self._told(at)}]}


def configured(service: Any, scores: str) -> Any:
    """Return a service with the route, the backends and the CronJob named that the twin's API server has."""
    champion, candidate = backends_of(service)
    versions = {"champion": champion, "candidate": candidate}
    training = {"cron_job": cron_job_of(service.name), "scores": scores}
    found = {**service.model_dump(), "route": route_of(service), "versions": versions, "training": training}
    return type(service).model_validate(found)
