"""May this be hurt? Denied unless the configuration, the cluster and the workload itself all say yes. Pure."""

import re
from collections.abc import Iterator

from config.drills import DrillSettings
from config.fleet import Fleet, Service, ServiceKind
from config.settings import Settings
from simulator.staging.edits import Json
from simulator.staging.mark import mark_of
from tools.errors import Refused
from tools.live.kube_api import labels
from tools.live.kube_shape import HANDS_OFF, hands_off

STAGING = "staging"
ALLOWED = "prunella.dev/drills"
_PRODUCTION = re.compile(r"(?:^|[^a-z])(?:prod|prd|production|live)(?:[^a-z]|$)", re.IGNORECASE)


def consented(settings: Settings) -> DrillSettings:
    """Return what the configuration allows; ``Refused`` where it allows nothing."""
    if settings.drills is None:
        raise Refused("drills: the configuration allows none; see docs/staging.md")
    if settings.environment != STAGING:
        raise Refused(f"environment is {settings.environment}: faults are put into {STAGING} alone")
    if _PRODUCTION.search(settings.cluster.context):
        raise Refused(f"cluster.context {settings.cluster.context} sounds like production")
    return settings.drills


def patient(fleet: Fleet, drills: DrillSettings, name: str) -> Service:
    """Return the service to be hurt; ``Refused`` where it may not be."""
    if name not in drills.services:
        raise Refused(f"{name} is not among drills.services: {', '.join(drills.services)}")
    try:
        service = fleet.service(name)
    except KeyError:
        raise Refused(f"the fleet has no service {name}") from None
    if reasons := tuple(_against(service, drills)):
        raise Refused(f"{name}: {'; '.join(reasons)}")
    return service


def _against(service: Service, drills: DrillSettings) -> Iterator[str]:
    if service.environment != STAGING:
        yield f"its environment is {service.environment}, not {STAGING}"
    if service.kind is ServiceKind.VENDOR:
        yield "a vendor's service has no workload of ours"
    if service.namespace not in drills.namespaces:
        yield f"its namespace {service.namespace} is not among drills.namespaces"
    for name in (service.name, service.namespace, service.workload):
        if _PRODUCTION.search(name):
            yield f"{name} sounds like production"


def spared(namespace: Json, deployment: Json) -> str:
    """Return why the cluster does not let a workload be hurt now; empty: it does."""
    return "; ".join((*_of_namespace(namespace), *_of_workload(deployment)))


def _of_namespace(item: Json) -> Iterator[str]:
    name, said = item["metadata"]["name"], labels(item)
    if said.get(ALLOWED) != "allowed":
        yield f"namespace {name} does not carry the label {ALLOWED}=allowed"
    for key, value in said.items():
        if key.rpartition("/")[2] in ("environment", "env", "stage", "tier") and _PRODUCTION.search(value):
            yield f"namespace {name} is labelled {key}={value}"
    if hands_off(item):
        yield f"namespace {name} is annotated {HANDS_OFF}"


def _of_workload(item: Json) -> Iterator[str]:
    name = item["metadata"]["name"]
    if hands_off(item):
        yield f"{name} is annotated {HANDS_OFF}"
    if mark_of(item) is not None:
        yield f"{name} bears a drill already: one fault at a time"
    if not whole(item):
        yield f"{name} is not whole: what is ill is not drilled"


def whole(item: Json) -> bool:
    """Whether a Deployment has rolled out what it asks for, and every replica is ready."""
    status, spec = item.get("status") or {}, item["spec"]
    wanted = int(spec.get("replicas", 1))
    kinds = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    counts = [int(status.get(key) or 0) for key in kinds]
    seen = int(status.get("observedGeneration") or 0) >= int(item["metadata"].get("generation") or 0)
    return seen and wanted > 0 and counts == [wanted] * 4 and not spec.get("paused")
