"""A pretend API server: enough of Kubernetes for the real actuator, with conflicts, stale reads and lost replies.

It keeps resourceVersions, ReplicaSets, pods and evictions as the real one does, and tells a witness of every effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from tests.torture.fate import Fate
from tools.errors import Absent, Ambiguous, Refused, ToolError, Transient
from tools.live.kube_api import Conflict, Json, Patch
from tools.live.kube_routes import GROUP
from tools.live.kube_stamp import EPOCH, OPERATIONS

NS = "/apis/apps/v1/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
ROUTES = f"/apis/{GROUP}/v1/namespaces/default/httproutes"
_KEPT = 4  # past versions of an object, for stale reads
STALE = timedelta(seconds=30)  # the oldest that a read may be


@dataclass(frozen=True)
class Change:
    """One effect on one object, as the server saw it."""

    path: str
    before: Json
    after: Json


def _copy(item: Json) -> Json:
    found: Json = orjson.loads(orjson.dumps(item))
    return found


def _template(image: str) -> Json:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "server", "image": image}]}}


@dataclass
class Server:
    """The truth. ``objects`` by path; every write gives a new resourceVersion."""

    fate: Fate
    told: Callable[[Change], None]
    objects: dict[str, Json] = field(default_factory=dict)
    past: dict[str, list[tuple[Any, Json]]] = field(default_factory=dict)
    late: list[tuple[Any, str, Any]] = field(default_factory=list)  # requests still on their way: due, path, body
    version: int = 100
    born: int = 0

    # -- set-up --------------------------------------------------------------------------------------------------------
    def add_node(self, name: str) -> None:
        """Add a node that takes pods."""
        self._store(f"/api/v1/nodes/{name}", {"metadata": {"name": name, "uid": f"u-{name}"}, "spec": {}})

    def add_service(self, name: str, replicas: int, revisions: int) -> None:
        """Add a Deployment with a history of revisions, the last being current."""
        path = f"{NS}/deployments/{name}"
        item = {"metadata": {"name": name, "uid": f"u-{name}"}, "spec": {"replicas": replicas}}
        self._store(path, item)
        for number in range(1, revisions + 1):
            self.objects[path]["spec"]["template"] = _template(f"image:{number}")
            self.reconcile()

    def restore(self, name: str, revision: int) -> None:
        """Somebody rolls a service to an image of old."""
        self.meddle(f"{NS}/deployments/{name}", {"template": _template(f"image:{revision}")})

    def add_value(self, path: str, value: str) -> None:
        """Add an object of the registry or the splitter."""
        self._store(path, {"metadata": {"name": path}, "spec": {"value": value}})

    def add_route(self, name: str, weights: Mapping[str, int]) -> None:
        """Add an HTTPRoute that a gateway has accepted."""
        refs = [{"name": backend, "weight": weight} for backend, weight in weights.items()]
        status = {"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}
        spec = {"rules": [{"backendRefs": refs}]}
        self._store(f"{ROUTES}/{name}", {"metadata": {"name": name}, "spec": spec, "status": status})

    # -- truth ---------------------------------------------------------------------------------------------------------
    def _store(self, path: str, item: Json) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        if path in self.objects:
            kept = self.past.setdefault(path, [])
            kept.append((self.fate.clock.at, _copy(self.objects[path])))
            del kept[:-_KEPT]
        self.objects[path] = item

    def meddle(self, path: str, spec: Json) -> None:
        """Somebody else, who is not us, changes an object."""
        item = _copy(self.objects[path])
        item["spec"].update(spec)
        self._store(path, item)
        self.reconcile()

    def reconcile(self) -> None:
        """Do what the controllers of the cluster do: ReplicaSets for templates, pods for counts."""
        for path in [path for path in self.objects if path.startswith(f"{NS}/deployments/")]:
            item = self.objects[path]
            self._roll(item)
            self._staff(item)

    def _sets(self, item: Json) -> list[Json]:
        uid = item["metadata"]["uid"]
        own = [o for p, o in self.objects.items() if p.startswith(f"{NS}/replicasets/")]
        return [rs for rs in own if rs["metadata"]["ownerReferences"][0]["uid"] == uid]

    def _roll(self, item: Json) -> None:
        """Give the present template the newest number, as the deployment controller does."""
        key, sets = "deployment.kubernetes.io/revision", self._sets(item)
        newest = max((int(rs["metadata"]["annotations"][key]) for rs in sets), default=0)
        same = next((rs for rs in sets if rs["spec"]["template"] == item["spec"]["template"]), None)
        if same is None:
            name = f"{item['metadata']['name']}-{newest + 1}"
            owner = [{"uid": item["metadata"]["uid"], "controller": True, "kind": "Deployment"}]
            metadata = {"name": name, "uid": f"u-rs-{name}", "ownerReferences": owner, "annotations": {}}
            same = {"metadata": metadata, "spec": {"template": item["spec"]["template"]}}
            self.objects[f"{NS}/replicasets/{name}"] = same
        elif int(same["metadata"]["annotations"][key]) == newest:
            return
        else:
            notes = same["metadata"]["annotations"]
            history = [each for each in (notes.get(f"{key}-history", ""), notes[key]) if each]
            notes[f"{key}-history"] = ",".join(history)
        same["metadata"]["annotations"][key] = str(newest + 1)

    def pods(self, name: str) -> list[str]:
        """Return the paths of a service's pods, oldest first."""
        return [path for path in self.objects if path.startswith(f"{PODS}/{name}-p")]

    def _staff(self, item: Json) -> None:
        name, sets = item["metadata"]["name"], self._sets(item)
        owner = [{"uid": sets[-1]["metadata"]["uid"], "controller": True, "kind": "ReplicaSet"}]
        nodes = [
            path.rpartition("/")[2]
            for path, o in self.objects.items()
            if path.startswith("/api/v1/nodes/") and not o["spec"].get("unschedulable")
        ]
        wanted = int(item["spec"]["replicas"])
        for path in self.pods(name)[wanted:]:
            del self.objects[path]
        while nodes and len(self.pods(name)) < wanted:
            self.born += 1
            pod = f"{name}-p{self.born}"
            metadata = {"name": pod, "namespace": "default", "uid": f"u-{pod}", "ownerReferences": owner}
            self.objects[f"{PODS}/{pod}"] = {
                "metadata": {**metadata, "resourceVersion": "1"},
                "spec": {"nodeName": nodes[self.born % len(nodes)]},
                "status": {},
            }

    def arrive(self) -> None:
        """Let requests arrive whose senders gave them up."""
        due = [each for each in self.late if each[0] <= self.fate.clock.at]
        self.late = [each for each in self.late if each[0] > self.fate.clock.at]
        for _, path, body in due:
            item = self.objects.get(path)
            if item is not None and _version(body) == item["metadata"]["resourceVersion"]:
                self.write(path, patched(item, body))

    # -- the API -------------------------------------------------------------------------------------------------------
    def read(self, path: str) -> Json:
        """Return an object, now and then as it was a moment ago."""
        past = self.past.get(path, [])
        fresh = [item for at, item in past if self.fate.clock.at - at <= STALE]
        if fresh and self.fate.strikes("stale"):
            return _copy(self.fate.source.choice(fresh))
        if path not in self.objects:
            raise Absent(f"{path} is not there")
        return _copy(self.objects[path])

    def write(self, path: str, item: Json) -> Json:
        """Store an object and tell the witness."""
        before = self.objects.get(path, {"metadata": {}, "spec": {}})
        self._store(path, item)
        self.told(Change(path, before, item))
        self.reconcile()
        return _copy(item)


@dataclass
class Api:
    """Implements what ``KubernetesActuator`` asks of ``KubeApi``, over a server that may fail in every way."""

    server: Server
    fate: Fate

    def get(self, path: str, **query: str) -> Json:
        """Read one object."""
        del query
        self.fate.point("get")
        if self.fate.strikes("refuse"):
            raise Transient("Kubernetes answers 429: too many requests", timedelta(seconds=1))
        return self.server.read(path)

    def items(self, path: str, **query: str) -> list[Json]:
        """Read a list; never stale, since a ReplicaSet that is not seen is only refused."""
        del query
        self.fate.point("list")
        return [_copy(item) for name, item in self.server.objects.items() if name.startswith(f"{path}/")]

    def group(self, name: str) -> str:
        """Return the one version of a group."""
        return f"{name}/v1"

    def discover(self, path: str) -> Json:
        """Return the API's table of contents."""
        del path
        return {"resources": [{"name": "pods/eviction", "group": "policy", "version": "v1"}]}

    def patch(self, path: str, body: Json | list[Json], kind: Patch, *, dry_run: bool = False) -> Json:
        """Change one object if it is still the version that the body names."""
        del kind
        self._before(path)
        if path not in self.server.objects:
            raise Absent(f"{path} is not there")
        item = self.server.objects[path]
        wanted = _version(body)
        if wanted is not None and wanted != item["metadata"]["resourceVersion"]:
            raise Conflict(f"{path}: resourceVersion {wanted} is not the present one")
        changed = patched(item, body)
        if dry_run:
            return changed
        if wanted is not None and self.fate.strikes("late"):
            due = self.fate.clock.at + timedelta(seconds=self.fate.source.randint(1, 40))
            self.server.late.append((due, path, orjson.loads(orjson.dumps(body))))
            raise Ambiguous("Kubernetes broke off: read timed out")
        return self._after(self.server.write(path, changed))

    def post(self, path: str, body: Json, *, dry_run: bool = False, effect: bool = True) -> Json:
        """Evict a pod, or create a Lease."""
        del effect
        self._before(path)
        if path == LEASES:
            return self._create(f"{path}/{body['metadata']['name']}", body)
        target = path.removesuffix("/eviction")
        if target not in self.server.objects:
            raise Absent(f"{target} is not there")
        before = self.server.objects[target]
        if before["metadata"]["uid"] != body["deleteOptions"]["preconditions"]["uid"]:
            raise Conflict("the uid is another's")
        if dry_run:
            return {}
        del self.server.objects[target]
        self.server.told(Change(target, before, {}))
        self.server.reconcile()
        return self._after({})

    def _create(self, path: str, body: Json) -> Json:
        if path in self.server.objects:
            raise Conflict(f"{path} exists already")
        return self._after(self.server.write(path, _copy(body)))

    def _before(self, path: str) -> None:
        """Fail before anything has happened, or let somebody else write first."""
        self.fate.point("before write")
        if self.fate.strikes("refuse"):
            raise _refusal(self.fate)
        if (
            self.fate.strikes("meddle")
            and path in self.server.objects
            and "replicas" in self.server.objects[path]["spec"]
        ):
            self.server.meddle(path, {"replicas": self.fate.source.randint(2, 7)})

    def _after(self, result: Json) -> Json:
        self.fate.point("after write")
        if self.fate.strikes("lose"):
            raise Ambiguous("Kubernetes broke off: connection reset")
        return result


def _refusal(fate: Fate) -> ToolError:
    return fate.source.choice(
        (
            Transient("Kubernetes answers 429: too many requests", timedelta(seconds=3)),
            Ambiguous("Kubernetes answers 500: etcd leader changed"),
            Refused("Kubernetes answers 403: a webhook said no"),
            Transient("Kubernetes cannot be reached"),
        )
    )


def patched(item: Json, body: Json | list[Json]) -> Json:
    """Return an object with a patch applied."""
    copy = _copy(item)
    return _json_patch(copy, body) if isinstance(body, list) else _merge(copy, body)


def _version(body: Json | list[Json]) -> str | None:
    if isinstance(body, list):
        return next((op["value"] for op in body if op["path"] == "/metadata/resourceVersion"), None)
    found = body["metadata"].get("resourceVersion")
    return None if found is None else str(found)


def _json_patch(item: Json, operations: list[Json]) -> Json:
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        place: Any = item
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[last] = operation["value"]
    return item


def _merge(item: Json, body: Mapping[str, Any]) -> Json:
    for key, value in body.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, Mapping):
            item[key] = _merge(dict(item.get(key) or {}), value)
        else:
            item[key] = value
    return item


def marks(item: Json) -> list[Json]:
    """Return the operations that an object remembers."""
    found: list[Json] = orjson.loads((item["metadata"].get("annotations") or {}).get(OPERATIONS, "[]"))
    return found


def epoch(item: Json) -> int:
    """Return the epoch on an object."""
    return int((item["metadata"].get("annotations") or {}).get(EPOCH, "0"))
