"""What only the adapters can look at: clocks, rights, the language model. Looks, and changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import numpy as np

from config.fleet import Fleet, ServiceKind
from config.logs import LogTable
from config.settings import Settings
from tools.action import TrainModel
from tools.clock import Clock
from tools.errors import Malformed, ToolError
from tools.live.kube_api import Json, KubeApi
from tools.live.kube_routes import GROUP, Routes, accepted
from tools.live.kube_training import TrainingActuator, namespace_of
from tools.live.log import TableLog
from tools.live.mlflow import MlflowRegistry
from tools.live.mlflow_api import MlflowApi
from tools.live.openai import OpenAIReasoner
from tools.ports import Registry

LOG_SPAN = timedelta(hours=1)
SKEW = timedelta(seconds=5)  # between two clocks that still agree


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``ok`` is None where it limits Prunella without stopping it; ``hint`` says what to do."""

    name: str
    ok: bool | None
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """Something that the API server lets us do, or not. No namespace: in the whole cluster."""

    verb: str
    group: str
    resource: str
    needed: bool  # False: without it Prunella is only blinder
    subresource: str = ""

    def __str__(self) -> str:
        path = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {path}{f'.{self.group}' if self.group else ''}"


LEASES = tuple(Right(verb, "coordination.k8s.io", "leases", needed=True) for verb in ("get", "create", "update"))
IN_NAMESPACE = (
    Right("list", "apps", "deployments", needed=True),
    Right("list", "apps", "replicasets", needed=True),
    Right("list", "", "pods", needed=True),
    Right("list", "", "events", needed=False),
    Right("list", "autoscaling", "horizontalpodautoscalers", needed=False),
    Right("get", "apps", "deployments", needed=True),
    Right("get", "", "pods", needed=True),
    Right("patch", "apps", "deployments", needed=True),
    Right("create", "", "pods", needed=True, subresource="eviction"),
    *LEASES,
)
OF_CRON_JOBS = tuple(Right(verb, "batch", "cronjobs", needed=True) for verb in ("get", "patch"))
OF_JOBS = tuple(Right(verb, "batch", "jobs", needed=True) for verb in ("get", "list", "create"))
OF_ROUTES = tuple(Right(verb, GROUP, "httproutes", needed=True) for verb in ("get", "patch"))
IN_CLUSTER = (
    Right("list", "", "nodes", needed=True),
    Right("get", "", "nodes", needed=True),
    Right("patch", "", "nodes", needed=True),
)


def examine(settings: Settings, api: KubeApi, clock: Clock) -> Iterator[Check]:
    """Look at everything that the ports do not show, in the order in which a person would mend it."""
    yield from cluster_clock(api, clock)
    yield from rights(api, settings.fleet, settings.cluster.lease_namespace)
    models = MlflowApi(settings.registry) if settings.registry is not None else None
    port = MlflowRegistry(models, settings.fleet, clock) if models is not None else None
    yield from routes(api, settings.fleet, port)
    yield from inference_logs(settings, clock)
    if models is not None and port is not None:
        yield from registry(models, settings.fleet, clock)
        yield from trainings(api, settings.fleet, clock, port)
    if settings.reasoner is not None:
        yield from language_model(OpenAIReasoner(settings.reasoner))


# -- cluster -------------------------------------------------------------------------------------------------------
def cluster_clock(api: KubeApi, clock: Clock) -> Iterator[Check]:
    """Compare the API server's clock with ours: a rollout "after" its harm would mislead every diagnosis."""
    try:
        theirs = parsedate_to_datetime(api.server_time())
    except ToolError as error:
        yield Check("Kubernetes", False, str(error), "see cluster.kubeconfig and cluster.context")
        return
    except ValueError:
        yield Check("Kubernetes", None, "answers, and tells no time")
        return
    skew = abs(clock.now() - theirs)
    yield Check("Kubernetes", True, "answers")
    text = f"{skew.total_seconds():.0f} s between the API server's clock and ours"
    yield Check("clocks", True if skew <= SKEW else None, text, "" if skew <= SKEW else "run NTP on both machines")


def rights(api: KubeApi, fleet: Fleet, lease_namespace: str = "") -> Iterator[Check]:
    """Ask the API server about every right that Prunella uses (SelfSubjectAccessReview)."""
    namespaces = sorted({s.namespace for s in fleet.services if s.kind is not ServiceKind.VENDOR})
    asked = [(right, namespace) for namespace in namespaces for right in IN_NAMESPACE]
    asked += [(right, lease_namespace) for right in LEASES if lease_namespace and lease_namespace not in namespaces]
    asked += [(right, "") for right in IN_CLUSTER]
    asked += [(right, name) for name in sorted({s.namespace for s in fleet.services if s.route}) for right in OF_ROUTES]
    trained = sorted({namespace_of(service) for service in fleet.services if service.training is not None})
    asked += [(right, name) for name in trained for right in (*OF_CRON_JOBS, *OF_JOBS)]
    try:
        lacking = [(right, namespace) for right, namespace in asked if not allowed(api, right, namespace)]
    except ToolError as error:
        yield Check("rights", False, str(error), "see cluster.kubeconfig and cluster.context")
        return
    for right, namespace in lacking:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        yield Check("rights", False if right.needed else None, f"may not {right} {where}", f"see deploy/{_file(right)}")
    if not lacking:
        yield Check("rights", True, f"all {len(asked)} granted")


def routes(api: KubeApi, fleet: Fleet, registry: Registry | None = None) -> Iterator[Check]:
    """Look at every route that divides traffic: whether it can be read, and leads to every vendor or both versions."""
    port = Routes(api, fleet, registry)
    for service in (each for each in fleet.services if each.route):
        name = f"route {service.route}"
        try:
            item = port.read(service.name)
            found, ready = port.shares(service.name, item), port.ready(service.name)
        except ToolError as error:
            yield Check(name, False, str(error), "see route of the service, and deploy/rbac.yaml")
            continue
        text = f"{service.name}: " + ", ".join(f"{backend} {share} %" for backend, share in found.items())
        text += "".join(f", {count} ready for {backend}" for backend, count in ready.items())
        if missing := [vendor for vendor in service.vendors if vendor not in found]:
            yield Check(name, False, f"{text}; no backend {', '.join(missing)}", "name backends as vendors are")
        elif not accepted(item):
            yield Check(name, None, f"{text}; no gateway has accepted it", "its weights move nothing")
        elif not all(ready.values()):
            yield Check(name, None, text, "give the Deployments of champion and candidate as many replicas")
        else:
            yield Check(name, True, text)


def _file(right: Right) -> str:
    return "training.yaml" if right in (*OF_CRON_JOBS, *OF_JOBS) else "rbac.yaml"


def trainings(api: KubeApi, fleet: Fleet, clock: Clock, registry: Registry) -> Iterator[Check]:
    """Rehearse a training of every service that names one: the CronJob, its template, the right to make Jobs."""
    hands = TrainingActuator(api, fleet, clock, registry)
    for service in fleet.services:
        if service.training is None:
            continue
        now, seconds = clock.now(), service.training.deadline.total_seconds()
        window = {"start_at": now - LOG_SPAN, "end_at": now, "max_seconds": seconds}
        order = {"service": service.name, "model": service.model, "version": "p-doctor", **window}
        try:
            hands.rehearse(TrainModel.model_validate(order))
        except ToolError as error:
            yield Check(f"training of {service.name}", None, str(error), "see training, and deploy/training.yaml")
        else:
            text = f"CronJob {service.training.cron_job} may be run, for {seconds:.0f} s at most (rehearsed)"
            yield Check(f"training of {service.name}", True, text)


def allowed(api: KubeApi, right: Right, namespace: str) -> bool:
    """Return whether we may; asking changes nothing."""
    attributes: Json = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        **({"subresource": right.subresource} if right.subresource else {}),
        **({"namespace": namespace} if namespace else {}),
    }
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    body = {**kind, "spec": {"resourceAttributes": attributes}}
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, effect=False)
    try:
        return bool(answer["status"]["allowed"])
    except (KeyError, TypeError) as error:
        raise Malformed(f"Kubernetes: a review without a verdict: {error}") from error


# -- inference logs ----------------------------------------------------------------------------------------------------
def inference_logs(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Read an hour of every log: whether it can be read, how new it is, how many labels it has."""
    port, now = TableLog(settings.logs), clock.now()
    for table in settings.logs:
        yield from _inspected(port, table, now)
        try:
            if table.measures and not _has(port, table, now, table.score):
                continue  # a log of answers that nobody scores as right or wrong
            rows = port.window(table.service, now - LOG_SPAN, now)
        except ToolError as error:
            yield Check(f"log of {table.service}", None, str(error), "see logs; without it quality is not watched")
            continue
        count, labelled = len(rows.at), int(np.isfinite(rows.labels).sum())
        text = f"{count} rows in the last hour, {labelled} with a label, {len(rows.names)} features"
        hint = "" if labelled else "without labels accuracy is NO DATA"
        yield Check(f"log of {table.service}", True if labelled else None, text, hint)


def _has(port: TableLog, table: LogTable, now: datetime, name: str) -> bool:
    return name in {field.name for field in port.rows(table.service, now - LOG_SPAN, now).fields}


def _inspected(port: TableLog, table: LogTable, now: datetime) -> Iterator[Check]:
    """Look whether the columns are there that inspections need, in the log and in what is computed anew."""
    measures = tuple(measure.column for measure in table.measures)
    wanted = tuple(dict.fromkeys((*filter(None, (table.key,)), *table.groups, *measures)))
    if not (wanted or table.recomputed):
        return
    try:
        rows = port.rows(table.service, now - LOG_SPAN, now)
        lost = sorted(set(wanted) - {field.name for field in rows.fields})
        if table.recomputed and table.key and not lost:
            port.again(table.service, rows.sample((table.key,), 100, 0)[table.key])
    except ToolError as error:
        yield Check(f"inspection of {table.service}", False, str(error), "see logs")
        return
    text = f"no column {', '.join(lost)}" if lost else f"{rows.rows} rows in the last hour, {', '.join(wanted)} there"
    yield Check(f"inspection of {table.service}", not lost, text, "see logs: key, groups, measures" if lost else "")


# -- registry --------------------------------------------------------------------------------------------------------
def registry(api: MlflowApi, fleet: Fleet, clock: Clock) -> Iterator[Check]:
    """Ask the registry for every model of the fleet, and for its champion."""
    port = MlflowRegistry(api, fleet, clock)
    for name in sorted({service.model for service in fleet.services if service.model}):
        try:
            found = port.model(name)
        except ToolError as error:
            yield Check(f"model {name}", None, str(error), "see registry.url; without it no version is rolled back")
            continue
        champion = found.aliases.get("champion", "")
        text = f"{len(found.versions)} versions, champion {champion or 'none'}"
        hint = "" if champion else "give the version that serves the alias champion"
        yield Check(f"model {name}", True if champion else None, text, hint)


# -- language model --------------------------------------------------------------------------------------------------
def language_model(reasoner: OpenAIReasoner) -> Iterator[Check]:
    """Ask the language model's endpoint for its models; spends no token."""
    try:
        count = reasoner.reachable()
    except ToolError as error:
        yield Check("language model", None, str(error), "until it answers, a template writes the summaries")
    else:
        yield Check("language model", True, f"answers, {count} models")
    finally:
        reasoner.close()
