"""The HTTP face of the twin's API server: discovery, lists, watches, patches, evictions, reviews."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from simulator.twin.cluster import OWN, TwinCluster, Write
from simulator.twin.objects import GATEWAY, Json, Key
from simulator.twin.shelf import Gone
from simulator.twin.status import StatusError
from simulator.twin.twin import Twin

# Group: version, then plural: kind, and whether it lies in a namespace.
GROUPS: dict[str, tuple[str, dict[str, tuple[str, bool]]]] = {
    "": (
        "v1",
        {
            "pods": ("Pod", True),
            "nodes": ("Node", False),
            "namespaces": ("Namespace", False),
            "events": ("Event", True),
            "configmaps": ("ConfigMap", True),
        },
    ),
    "apps": ("v1", {"deployments": ("Deployment", True), "replicasets": ("ReplicaSet", True)}),
    "autoscaling": ("v2", {"horizontalpodautoscalers": ("HorizontalPodAutoscaler", True)}),
    "policy": ("v1", {"poddisruptionbudgets": ("PodDisruptionBudget", True)}),
    "batch": ("v1", {"jobs": ("Job", True), "cronjobs": ("CronJob", True)}),
    GATEWAY: ("v1", {"httproutes": ("HTTPRoute", True)}),
    "coordination.k8s.io": ("v1", {"leases": ("Lease", True)}),
    "authorization.k8s.io": ("v1", {"selfsubjectaccessreviews": ("SelfSubjectAccessReview", False)}),
}
SHORT = {"pods": "po", "nodes": "no", "namespaces": "ns", "events": "ev", "configmaps": "cm", "deployments": "deploy"}
SHORT |= {"replicasets": "rs", "horizontalpodautoscalers": "hpa", "poddisruptionbudgets": "pdb", "cronjobs": "cj"}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Address:
    """What a path points at."""

    group: str
    plural: str = ""
    namespace: str = ""
    name: str = ""
    sub: str = ""

    @property
    def key(self) -> Key:
        """The object's."""
        return self.plural, self.namespace, self.name

    @property
    def version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return "/".join(part for part in (self.group, GROUPS[self.group][0]) if part)


def address(path: str) -> Address:
    """Read a path; 404 for one that this server does not have."""
    head, *rest = path.strip("/").split("/")
    group = rest.pop(0) if head == "apis" and rest else ""
    if head not in ("api", "apis") or group not in GROUPS or not rest or rest.pop(0) != GROUPS[group][0]:
        raise StatusError(404, "NotFound", "the server could not find the requested resource")
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if rest and rest[0] not in GROUPS[group][1]:
        raise StatusError(404, "NotFound", "the server could not find the requested resource")
    plural, name, sub = [*rest, "", "", ""][:3]
    return Address(group, plural, namespace, name, sub)


def contents(path: str) -> Json | None:
    """Return a page of the table of contents; None for what is no such page."""
    parts = path.strip("/").split("/")
    match parts:
        case ["version"]:
            return {"major": "1", "minor": "30", "gitVersion": "v1.30.0-twin", "platform": "linux/amd64"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS if name]}
        case ["apis", group] if group in GROUPS and group:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", "v1"]:
            return _resources("")
        case ["apis", group, version] if group in GROUPS and version == GROUPS[group][0]:
            return _resources(group)
    return None


def _group(name: str) -> Json:
    version = {"groupVersion": f"{name}/{GROUPS[name][0]}", "version": GROUPS[name][0]}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str) -> Json:
    version, kinds = GROUPS[group]
    found = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": inside,
            "kind": kind,
            "verbs": VERBS,
            "shortNames": [SHORT[plural]] if plural in SHORT else [],
        }
        for plural, (kind, inside) in kinds.items()
    ]
    if not group:
        eviction = {"name": "pods/eviction", "singularName": "", "namespaced": True, "kind": "Eviction"}
        found.append({**eviction, "group": "policy", "version": "v1", "verbs": ["create"]})
    if group == "apps":
        scale = {"name": "deployments/scale", "singularName": "", "namespaced": True, "kind": "Scale"}
        found.append({**scale, "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "groupVersion": f"{group}/{version}".lstrip("/"), "resources": found}


class _Server:
    def __init__(self, twin: Twin, cluster: TwinCluster) -> None:
        self._twin = twin
        self._cluster = cluster

    async def answer(self, request: Request) -> Response:
        page = contents(request.url.path) if request.method == "GET" else None
        if page is not None:
            return JSONResponse(page)
        raw = await request.body()
        try:
            body = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError as error:
            raise StatusError(400, "BadRequest", f"the body is no JSON: {error}") from error
        found = address(request.url.path)
        if request.method == "GET" and request.query_params.get("watch") in ("1", "true"):
            return StreamingResponse(self._watch(found, request), media_type="application/json")
        status, answer = await asyncio.to_thread(self._locked, request, found, body)
        return JSONResponse(answer, status_code=status)

    def _locked(self, request: Request, at: Address, body: Any) -> tuple[int, Json]:
        with self._twin.lock:
            match request.method:
                case "GET":
                    return 200, self._read(at, request)
                case "POST":
                    return 201, self._post(at, body, dry_run=_dry(request))
                case "PATCH" | "PUT":
                    return 200, self._change(at, request, body)
                case "DELETE":
                    gone = self._cluster.evict if at.plural == "pods" else None
                    done = gone(at.key, body, dry_run=_dry(request)) if gone else self._cluster.delete(at.key)
                    return 200, done
                case method:
                    raise StatusError(405, "MethodNotAllowed", f"{method} is not allowed here")

    # -- verbs -----------------------------------------------------------------------------------------------------
    def _read(self, at: Address, request: Request) -> Json:
        if at.name:
            item = self._cluster.get(at.key)
            return _scale(item) if at.sub == "scale" else item
        self._cluster.look()
        kind = GROUPS[at.group][1][at.plural][0]
        items = [i for i in self._cluster.shelf.list(at.plural, at.namespace) if _selected(i, request)]
        metadata = {"resourceVersion": str(self._cluster.shelf.version)}
        return {"kind": f"{kind}List", "apiVersion": at.version, "metadata": metadata, "items": items}

    def _post(self, at: Address, body: Any, *, dry_run: bool) -> Json:
        if at.plural == "selfsubjectaccessreviews":
            return {**body, "status": {"allowed": True, "reason": "the twin allows everything"}}
        if at.plural == "pods" and at.sub == "eviction":
            return self._cluster.evict(at.key, body, dry_run=dry_run)
        if at.plural not in OWN:
            raise StatusError(405, "MethodNotAllowed", f"the twin does not create {at.plural}")
        try:
            name = str(body["metadata"]["name"])
        except (KeyError, TypeError) as error:
            raise StatusError(422, "Invalid", "metadata.name: Required value") from error
        return self._cluster.create((at.plural, at.namespace, name), body, dry_run=dry_run)

    def _change(self, at: Address, request: Request, body: Any) -> Json:
        agent = request.headers.get("user-agent", "unknown").split("/")[0]
        kind = request.headers.get("content-type", "").partition(";")[0] if request.method == "PATCH" else ""
        if at.sub == "scale":
            body, kind = (
                {"spec": {"replicas": (body.get("spec") or {}).get("replicas")}},
                "application/merge-patch+json",
            )
        if kind == "application/apply-patch+yaml":
            raise StatusError(415, "UnsupportedMediaType", "the twin does not apply server-side")
        manager = request.query_params.get("fieldManager") or agent
        changed = self._cluster.change(at.key, Write(body, kind, manager, _dry(request)))
        return _scale(changed) if at.sub == "scale" else changed

    # -- watching --------------------------------------------------------------------------------------------------
    async def _watch(self, at: Address, request: Request) -> AsyncIterator[bytes]:
        """Stream changes after a version until the time asked for is over."""
        left = float(request.query_params.get("timeoutSeconds") or 300)
        version = int(request.query_params.get("resourceVersion") or 0)
        while left > 0 and not await request.is_disconnected():
            try:
                found = await asyncio.to_thread(self._since, at, version)
            except Gone:
                gone = StatusError(410, "Expired", "too old resource version").body()
                yield orjson.dumps({"type": "ERROR", "object": gone}) + b"\n"
                return
            for at_version, kind, item in found:
                version = at_version
                if _selected(item, request):
                    yield orjson.dumps({"type": kind, "object": item}) + b"\n"
            await asyncio.sleep(POLL_S)
            left -= POLL_S

    def _since(self, at: Address, version: int) -> list[tuple[int, str, Json]]:
        with self._twin.lock:
            self._cluster.look()
            found = list(self._cluster.shelf.since(version, at.plural, at.namespace))
        return [each for each in found if at.name in ("", each[2]["metadata"]["name"])]


def _dry(request: Request) -> bool:
    return "All" in request.query_params.getlist("dryRun")


def _selected(item: Json, request: Request) -> bool:
    """Whether an object meets the equalities of a label and a field selector."""
    labels = {**(item["metadata"].get("labels") or {})}
    fields = {f"metadata.{name}": str(item["metadata"].get(name, "")) for name in ("name", "namespace")}
    for selector, there in (("labelSelector", labels), ("fieldSelector", fields)):
        for part in filter(None, request.query_params.get(selector, "").split(",")):
            name, _, value = part.replace("==", "=").partition("=")
            if there.get(name.rstrip("!")) != value and not name.endswith("!"):
                return False
            if name.endswith("!") and there.get(name.rstrip("!")) == value:
                return False
    return True


def _scale(item: Json) -> Json:
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {name: item["metadata"][name] for name in names}
    status = {"replicas": item["status"]["replicas"]}
    spec = {"replicas": item["spec"]["replicas"]}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StatusError):
        raise error
    return JSONResponse(error.body(), status_code=error.code)


def cluster_app(twin: Twin, cluster: TwinCluster) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="prunella twin: cluster", openapi_url=None)
    app.add_exception_handler(StatusError, _refused)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app.add_api_route("/{path:path}", _Server(twin, cluster).answer, methods=methods, response_model=None)
    return app
