"""What only the adapters can look at: clocks, rights, metric names, the language model. Looks, and changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import numpy as np

from config.fleet import Fleet, Service, ServiceKind
from config.settings import Settings
from tools.catalogue import SIGNALS
from tools.clock import Clock
from tools.errors import Malformed, ToolError
from tools.live.kube_api import Json, KubeApi
from tools.live.openai import OpenAIReasoner
from tools.live.prometheus import PrometheusMetrics
from tools.signal import Gauge, Join, Metric, Quantile, Rate, Ratio, SignalSpec

SKEW = timedelta(seconds=5)  # between two clocks that still agree
OFF_BY_DEFAULT = ("DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_XID_ERRORS_COUNT")  # by dcgm-exporter's own file


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
)
IN_CLUSTER = (
    Right("list", "", "nodes", needed=True),
    Right("get", "", "nodes", needed=True),
    Right("patch", "", "nodes", needed=True),
)


def examine(settings: Settings, metrics: PrometheusMetrics, api: KubeApi, clock: Clock) -> tuple[Check, ...]:
    """Look at everything that is configured, in the order in which a person would mend it."""
    model = (OpenAIReasoner(settings.reasoner),) if settings.reasoner else ()
    return (
        *signals(metrics, settings.fleet, clock.now()),
        *cluster_clock(api, clock),
        *rights(api, settings.fleet),
        *(check for reasoner in model for check in language_model(reasoner)),
    )


# -- metrics -------------------------------------------------------------------------------------------------------
def signals(metrics: PrometheusMetrics, fleet: Fleet, at: datetime) -> Iterator[Check]:
    """Read the catalogue once; say for each service which raw metrics are missing, by their exporters' names."""
    try:
        frame = metrics.read(SIGNALS, at)
    except ToolError as error:
        yield Check("Prometheus", False, str(error), "set metrics.url to an address that answers /api/v1/query")
        return
    yield Check("Prometheus", True, f"answers, {len(frame.keys)} series")
    for problem in frame.problems:
        yield Check("Prometheus", None, problem, "an incomplete answer is never taken for health")
    present = {key for key, value in zip(frame.keys, frame.values, strict=True) if not np.isnan(value)}
    there = {
        (key.signal, key.entity.split("/")[1]) for key in present if key.entity.startswith(("service/", "replica/"))
    }
    for service in fleet.services:
        yield _service_signals(service, there)
    yield from _hardware({key.signal for key in present}, fleet)


def _service_signals(service: Service, there: set[tuple[str, str]]) -> Check:
    specs = [s for s in SIGNALS if service.kind in s.kinds and s.scope in ("service", "replica")]
    absent = [spec for spec in specs if (spec.name, service.name) not in there]
    name = f"signals of {service.name}"
    if not absent:
        return Check(name, True, f"all {len(specs)} there")
    missing = sorted({metric for spec in absent for metric in metric_names(spec)})
    text = f"NO DATA: {', '.join(spec.name for spec in absent)}"
    guarded = {objective.signal for objective in service.objectives} & {spec.name for spec in absent}
    hint = f"no series service={service.name!r} of {', '.join(missing)}; errors and restarts may only not have happened"
    return Check(name, False if guarded else None, text, hint)


def _hardware(present: set[str], fleet: Fleet) -> Iterator[Check]:
    """Say which hardware signals nobody exports; some need to be switched on."""
    if all(service.kind is ServiceKind.VENDOR for service in fleet.services):
        return
    for spec in SIGNALS:
        if spec.scope in ("node", "gpu") and spec.name not in present:
            metrics = metric_names(spec)
            off = any(metric in OFF_BY_DEFAULT for metric in metrics)
            hint = "off by default: add it to the counters file of dcgm-exporter" if off else "no exporter gives it"
            yield Check(f"signal {spec.name}", None, f"NO DATA: {', '.join(metrics)}", hint)


def metric_names(spec: SignalSpec) -> tuple[str, ...]:
    """Return the raw metrics that a signal is computed from."""
    match spec.expr:
        case Gauge(metric=metric) | Rate(metric=metric):
            return (metric.name,)
        case Quantile(metric=metric):
            return (f"{metric.name}_bucket",)
        case Ratio(above=above, below=below):
            return _distinct((above.metric, below.metric))
        case Join(left=left, right=right):
            return _distinct((left, right))


def _distinct(metrics: Sequence[Metric]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(metric.name for metric in metrics))


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


def rights(api: KubeApi, fleet: Fleet) -> Iterator[Check]:
    """Ask the API server about every right that Prunella uses (SelfSubjectAccessReview)."""
    namespaces = sorted({s.namespace for s in fleet.services if s.kind is not ServiceKind.VENDOR})
    asked = [(right, namespace) for namespace in namespaces for right in IN_NAMESPACE]
    asked += [(right, "") for right in IN_CLUSTER]
    try:
        lacking = [(right, namespace) for right, namespace in asked if not allowed(api, right, namespace)]
    except ToolError as error:
        yield Check("rights", False, str(error), "see cluster.kubeconfig and cluster.context")
        return
    for right, namespace in lacking:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        yield Check("rights", False if right.needed else None, f"may not {right} {where}", "see deploy/rbac.yaml")
    if not lacking:
        yield Check("rights", True, f"all {len(asked)} granted")


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
