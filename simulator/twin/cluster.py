"""What the twin's API server does with a request: reads from the shelf, writes through the world's own actuator."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.twin.objects import Json, Key, Shapes, uid
from simulator.twin.patches import PatchError, patched
from simulator.twin.routes import TwinRoutes
from simulator.twin.shelf import Shelf
from simulator.twin.status import StatusError
from simulator.twin.trainings import TwinTrainings
from simulator.twin.twin import Twin
from simulator.world.pods import Effect, Workload
from tools.action import Action, EvictReplica, Operation, RestoreRevision, SetReplicas, SetSchedulable
from tools.errors import Refused

CAUSE = "kubernetes.io/change-cause"
REVISION = "deployment.kubernetes.io/revision"
OWN = ("leases", "events", "configmaps", "cronjobs", "jobs")  # kept as they are written


@dataclass(frozen=True, slots=True)
class Write:
    """A change that was asked for: by whom, in which form, and whether it is a rehearsal."""

    body: Any
    kind: str = ""  # content type of a patch; empty: the whole object
    manager: str = "unknown"
    dry_run: bool = False


class TwinCluster:
    """The twin's API server, without HTTP. Hold the twin's lock around every call."""

    def __init__(self, twin: Twin, port: Callable[[int], int]) -> None:
        self._twin = twin
        self._body = twin.world.body
        self._shapes = Shapes(self._body, self.told, port)
        self.shelf = Shelf(self._shapes)
        self._routes = TwinRoutes(self._body, self._shapes.beside)
        self._known = {name: (w.wanted, w.current) for name, w in self._body.workloads.items()}
        self._operations = 0
        self._trainings = TwinTrainings(twin, self.told)
        self.shelf.own.update(self._trainings.cron_jobs())
        self.shelf.look()

    def told(self, at: datetime) -> str:
        """Return an instant of the world as text in our time."""
        return self._twin.pace.to_ours(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def look(self) -> None:
        """Bring the objects up to date, noting who changed what in the world meanwhile."""
        for name, workload in self._body.workloads.items():
            self._notice(name, workload, "")
        for key, status in self._trainings.statuses():
            if key in self.shelf.own:
                self.shelf.own[key]["status"] = status
        self.shelf.look()

    def _notice(self, name: str, workload: Workload, manager: str) -> None:
        wanted, current = self._known[name]
        if (wanted, current) == (workload.wanted, workload.current):
            return
        key = ("deployments", workload.service.namespace, workload.service.workload)
        self._known[name] = (workload.wanted, workload.current)
        changes = [
            c
            for c in self._body.changes.since(datetime.min.replace(tzinfo=UTC), promotions=False)
            if c.entity == f"service/{name}" and c.kind in ("release", "scale")
        ]
        by = manager or (changes[-1].actor if changes else "")
        at = self.told(changes[-1].at if changes else self._body.clock.now())
        if current != workload.current:
            self.shelf.wrote(key, by, at, "f:spec", "f:template")
        if wanted != workload.wanted:
            self.shelf.wrote(key, by, at, "f:spec", "f:replicas")
            self._scaled(key, workload, wanted, at)

    def _scaled(self, key: Key, workload: Workload, before: int, at: str) -> None:
        """Leave the event that the deployment controller would have left."""
        self._operations += 1
        item = self._shapes.deployment(workload)
        sets = next(r for r in workload.revisions if r.number == workload.current)
        name = self._shapes.replica_set(workload, sets)["metadata"]["name"]
        way = "up" if workload.wanted > before else "down"
        metadata = {"name": f"{key[2]}.{self._operations:x}", "namespace": key[1], "creationTimestamp": at}
        self.shelf.own["events", key[1], metadata["name"]] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": {"kind": "Deployment", "name": item["metadata"]["name"], "uid": uid(*key)},
            "reason": "ScalingReplicaSet",
            "message": f"Scaled {way} replica set {name} to {workload.wanted} from {before}",
            "lastTimestamp": at,
            "source": {"component": "deployment-controller"},
        }

    # -- reading ---------------------------------------------------------------------------------------------------
    def get(self, key: Key) -> Json:
        """Return an object, or 404."""
        self.look()
        item = self.shelf.get(key)
        if item is None:
            raise StatusError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return item

    # -- writing ---------------------------------------------------------------------------------------------------
    def change(self, key: Key, write: Write) -> Json:
        """Patch or replace an object; 409 when it is no longer the one that was read."""
        item = self.get(key)
        wanted = self._wanted(item, write)
        if key[0] in OWN:
            return self._kept(key, wanted, dry_run=write.dry_run)
        actions = self._actions(key, item, wanted)
        for action in actions:
            self._try(lambda action=action: self._twin.world.actuator.rehearse(action))  # type: ignore[misc]
        if write.dry_run:
            return wanted
        self._note(key, item, wanted)
        self._routes.keep(key, wanted)
        self._released(key, item, wanted, write.manager)
        for action in actions:
            self._do(action)
        self._signed(key, write.manager)
        self.shelf.look()
        return self.get(key)

    def _wanted(self, item: Json, write: Write) -> Json:
        try:
            wanted = patched(item, write.body, write.kind) if write.kind else dict(write.body)
        except PatchError as error:
            raise StatusError(422, "Invalid", str(error)) from error
        metadata = wanted.get("metadata") or {}
        for name in ("resourceVersion", "uid"):
            if metadata.get(name) not in (None, "", item["metadata"][name]):
                message = "the object has been modified; please apply your changes to the latest version and try again"
                raise StatusError(
                    409, "Conflict", f'Operation cannot be fulfilled on "{item["metadata"]["name"]}": {message}'
                )
        return wanted

    def _actions(self, key: Key, item: Json, wanted: Json) -> list[Action]:
        before, after = item.get("spec", {}), wanted.get("spec", {})
        match key[0]:
            case "nodes":
                stands, shall = (not spec.get("unschedulable", False) for spec in (before, after))
                return [] if stands == shall else [SetSchedulable(node=key[2], schedulable=shall)]
            case "httproutes":
                return self._routes.diverted(key, before, after)
            case "deployments":
                return self._deployed(key, before, after)
        if before != after:
            raise StatusError(422, "Invalid", f"the twin does not change the spec of {key[0]}")
        return []

    def _deployed(self, key: Key, before: Json, after: Json) -> list[Action]:
        found: list[Action] = []
        workload = self._workload(key)
        if before["replicas"] != (replicas := after.get("replicas", 1)):
            if not isinstance(replicas, int) or replicas < 0:
                raise StatusError(422, "Invalid", f"spec.replicas: {replicas!r} is no number of replicas")
            found.append(SetReplicas(service=workload.service.name, replicas=replicas))
        revision = self._revision(workload, after.get("template"))
        if not revision and workload.service.shares_gpus_of:
            raise StatusError(422, "Invalid", "the twin rolls out nothing new of batch work")
        if revision and revision != workload.current:
            found.append(RestoreRevision(service=workload.service.name, revision=revision))
        return found

    def _revision(self, workload: Workload, template: Any) -> str:
        """Return the revision that a template is of; empty for a new one."""
        numbers = [workload.current, *(r.number for r in reversed(workload.revisions))]
        return next((n for n in numbers if bare(self._shapes.template(workload, n)) == bare(template)), "")

    def _released(self, key: Key, item: Json, wanted: Json, manager: str) -> None:
        """Roll a template out that the world has not seen: a release that does no harm."""
        if key[0] != "deployments":
            return
        workload, template = self._workload(key), wanted["spec"].get("template")
        if not self._revision(workload, template):
            now = self._body.clock.now()
            summary = str((wanted["metadata"].get("annotations") or {}).get(CAUSE, ""))
            step = self._body.pods.release(workload.service.name, summary, Effect(), now)
            self._shapes.templates[workload.service.name, step[1]] = template
            self._body.changes.add(now, "release", f"service/{workload.service.name}", manager, step, summary)
        elif item["spec"]["template"] != template:
            cause = (wanted["metadata"].get("annotations") or {}).get(CAUSE)
            number = self._revision(workload, template)
            sets = next(r for r in workload.revisions if r.number == number)
            name = self._shapes.replica_set(workload, sets)["metadata"]["name"]
            if cause:
                self.shelf.notes.setdefault(("replicasets", key[1], name), {})["annotations"] = {CAUSE: cause}

    def _note(self, key: Key, item: Json, wanted: Json) -> None:
        for name in ("annotations", "labels"):
            before, after = (each["metadata"].get(name) or {} for each in (item, wanted))
            changed = {k: after.get(k) for k in {*before, *after} if before.get(k) != after.get(k) and k != REVISION}
            if changed:
                self.shelf.notes.setdefault(key, {}).setdefault(name, {}).update(changed)

    def _signed(self, key: Key, manager: str) -> None:
        if key[0] == "deployments":
            workload = self._workload(key)
            self._notice(workload.service.name, workload, manager)
        elif key[0] == "nodes":
            self.shelf.wrote(key, manager, self.told(self._body.clock.now()), "f:spec", "f:unschedulable")

    def _do(self, action: Action) -> str:
        """Do it in the world; returns the operation there."""
        self._operations += 1
        stamp = Operation(id=f"twin-{self._operations}", incident="", epoch=0)
        self._try(lambda: self._twin.world.actuator.apply(action, stamp))
        return stamp.id

    @staticmethod
    def _try(attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except Refused as error:
            raise StatusError(403, "Forbidden", f"admission denied the request: {error}") from error

    def _workload(self, key: Key) -> Workload:
        found = self._body.workloads.values()
        return next(w for w in found if (w.service.namespace, w.service.workload) == key[1:])

    # -- pods and what is ours alone -------------------------------------------------------------------------------
    def evict(self, key: Key, body: Any, *, dry_run: bool) -> Json:
        """Evict a pod, or delete it: its controller replaces it."""
        self.get(key)
        options = (body or {}).get("deleteOptions") or body or {}
        wanted = (options.get("preconditions") or {}).get("uid")
        if wanted and wanted != uid(*key):
            raise StatusError(409, "Conflict", f"the UID in the precondition ({wanted}) is not that of the pod")
        body_of = self._body.pods.pods.get(key[2]) or self._body.fills.workers[key[2]]
        action = EvictReplica(service=body_of.service, replica=key[2])
        self._try(lambda: self._twin.world.actuator.rehearse(action))
        if not (dry_run or options.get("dryRun")):
            self._do(action)
            self.shelf.look()
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def create(self, key: Key, body: Json, *, dry_run: bool) -> Json:
        """Create an object that the world knows nothing of; 409 where there is one already."""
        self.look()
        if self.shelf.get(key) is not None:
            raise StatusError(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        order = self._trainings.order(body) if key[0] == "jobs" else None
        if order is not None:
            self._try(lambda: self._twin.world.actuator.rehearse(order))
        kept = self._kept(key, body, dry_run=dry_run)
        if order is not None and not dry_run:
            self._trainings.begun(key, self._do(order), order)
        return kept

    def _kept(self, key: Key, item: Json, *, dry_run: bool) -> Json:
        if dry_run:
            return item
        rest = {k: v for k, v in item["metadata"].items() if k not in ("resourceVersion", "generation")}
        born = {"creationTimestamp": self.told(self._body.clock.now()), "namespace": key[1]}
        self.shelf.own[key] = {**item, "metadata": {**born, **rest, "name": key[2]}}
        self.shelf.look()
        return self.get(key)

    def delete(self, key: Key) -> Json:
        """Delete an object that the world knows nothing of."""
        self.get(key)
        if self.shelf.own.pop(key, None) is None:
            raise StatusError(405, "MethodNotAllowed", f"the twin does not delete {key[0]}")
        self.shelf.look()
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def bare(value: Any) -> Any:
    """Return a value without nulls and empty parts: typed clients write them out where there is nothing to say."""
    if isinstance(value, dict):
        return {k: inner for k, v in value.items() if (inner := bare(v)) not in (None, {}, [])}
    return [bare(each) for each in value] if isinstance(value, list) else value
