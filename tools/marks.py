"""Marks: what exporters say about one cause by themselves. They are read when an incident is examined, not every tick.

Each mark is a finding: a signal and the reading from which on it is seen. Names are those of kube-state-metrics, the
kubelet, cAdvisor, node_exporter, dcgm-exporter, vLLM, Envoy and the vendor gateway. A metric that an installation does
not expose is NO DATA, and its mark is then never seen.
"""

from typing import Literal, NamedTuple

from config.fleet import ServiceKind
from tools.catalogue import LANGUAGE, ON_GPU, VENDOR
from tools.signal import Expr, Gauge, Metric, Rate, Ratio, Scope, SignalSpec

LIKE = 0.8  # of a reading, from which on another is as far as that
Side = Literal["above", "below", "equals", "absent"]


class Mark(NamedTuple):
    """A finding: it is seen where the signal lies on that side of the limit.

    ``sticky``: it stays on show for long. ``served``: it is of what a replica answers, and says nothing of one that is
    not ready. ``counted``: tells the same by what came in the last minutes, where it is exposed. ``starting``: every
    start of a container shows it for a while.
    """

    finding: str
    spec: SignalSpec
    side: Side
    limit: float
    sticky: bool = False
    served: bool = False
    counted: SignalSpec | None = None
    starting: bool = False

    def seen(self, value: float) -> bool:
        """Return whether a reading shows the mark; NaN is NO DATA."""
        match self.side:
            case "above":
                return value > self.limit
            case "below":
                return value < self.limit
            case "equals":
                return value == self.limit
            case "absent":
                return value != value  # noqa: PLR0124 - NaN

    def seen_like(self, value: float, now: float) -> bool:
        """Return whether a reading shows the mark about as far as ``now`` does, or farther."""
        match self.side:
            case "above":
                return self.seen(value) and value >= LIKE * now
            case "below":
                return self.seen(value) and LIKE * value <= now
            case "equals" | "absent":
                return self.seen(value)


def _spec(name: str, scope: Scope, expr: Expr, about: str, kinds: tuple[ServiceKind, ...] = ON_GPU) -> SignalSpec:
    return SignalSpec(name, scope, expr, "1", about, kinds)


def _pod(finding: str, metric: Metric, about: str) -> Mark:
    return Mark(finding, _spec(finding, "replica", Gauge(metric, "max"), about), "above", 0.0)


def _every_start(mark: Mark) -> Mark:
    return mark._replace(starting=True)


def _waits(finding: str, reason: str) -> Mark:
    metric = Metric("kube_pod_container_status_waiting_reason", (("reason", reason),))
    return _pod(finding, metric, f"container waits: {reason}")


def _flag(finding: str, flag: str, about: str) -> Mark:
    metric = Metric("istio_requests_total", (("response_flags", flag),))
    return Mark(finding, _spec(finding, "service", Rate(metric), about), "above", 0.02)


def _probe(finding: str, kind: str) -> Mark:
    metric = Metric("prober_probe_total", (("probe_type", kind), ("result", "failed")))
    return Mark(finding, _spec(finding, "replica", Rate(metric), f"{kind} probes that fail a second"), "above", 0.02)


def _hpa(finding: str, condition: str, about: str) -> Mark:
    where = (("condition", condition), ("status", "false"))
    metric = Metric("kube_horizontalpodautoscaler_status_condition", where)
    return Mark(finding, _spec(finding, "service", Gauge(metric, "max"), about), "above", 0.0)


def _node(finding: str, metric: Metric, about: str, limit: float = 0.0) -> Mark:
    return Mark(finding, _spec(finding, "node", Gauge(metric, "max"), about), "above", limit)


def _share(finding: str, scope: Scope, above: Metric, below: Metric, about: str) -> SignalSpec:
    kinds = VENDOR if scope == "vendor" else LANGUAGE if above.name.startswith("vllm:") else ON_GPU
    return _spec(finding, scope, Ratio(Rate(above), Rate(below)), about, kinds)


_XID = _spec("mark_xid", "gpu", Gauge(Metric("DCGM_FI_DEV_XID_ERRORS"), "max"), "last XID")
_GATEWAY = "vendor_requests_total"
_REASON = "vllm:num_requests_waiting_by_reason"
_OOM = Metric("kube_pod_container_status_last_terminated_reason", (("reason", "OOMKilled"),))
_EXIT = Metric("kube_pod_container_status_last_terminated_exitcode")
_INIT = Metric("kube_pod_init_container_status_waiting_reason", (("reason", "CrashLoopBackOff"),))
_PRESSURE = Metric("kube_node_status_condition", (("condition", "DiskPressure"), ("status", "true")))
_CAPPED = Metric("DCGM_EXP_CLOCK_EVENTS_COUNT", (("clock_event", "power_cap"),))
_SPOT = Metric("kube_node_spec_taint", (("key", "aws-node-termination-handler/spot-itn"),))
_MIG = Metric("kube_node_status_allocatable", (("resource", "nvidia_com_mig_1g_10gb"),))


_XID_BENEATH = _spec("mark_xid_beneath", "replica", Gauge(Metric("DCGM_FI_DEV_XID_ERRORS"), "max"), "XID of its GPU")


def _xid(code: int, spec: SignalSpec = _XID) -> Mark:
    metric = Metric("DCGM_EXP_XID_ERRORS_COUNT", (("xid", str(code)),))
    counted = _spec(f"xid_{code}_count", spec.scope, Gauge(metric, "max"), f"XID {code} in five minutes")
    return Mark(f"xid_{code}", spec, "equals", float(code), sticky=True, counted=counted)


def _withheld(finding: str, guardrail: str, about: str) -> Mark:
    metric = Metric("litellm_guardrail_errors_total", (("guardrail_name", guardrail),))
    return Mark(finding, _rate(finding, "service", metric, about), "above", 0.02)


def _gauge(finding: str, scope: Scope, metric: Metric, about: str) -> SignalSpec:
    return _spec(finding, scope, Gauge(metric, "max"), about, LANGUAGE if metric.name.startswith("vllm:") else ON_GPU)


def _rate(finding: str, scope: Scope, metric: Metric, about: str) -> SignalSpec:
    return _spec(finding, scope, Rate(metric), about, LANGUAGE if metric.name.startswith("vllm:") else ON_GPU)


# Why a container does not start, in a kubelet's words, beside those that speak for a fault of their own.
CANNOT_START: tuple[Mark, ...] = tuple(
    _waits(f"waits_{reason.lower()}", reason)
    for reason in (
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImagePull",
        "InvalidImageName",
        "RunContainerError",
    )
)
MARKS: tuple[Mark, ...] = (
    # -- pods (kube-state-metrics, kubelet, cAdvisor) ---------------------------------------------------------------
    _waits("crash_looping", "CrashLoopBackOff"),
    _waits("image_missing", "ImagePullBackOff"),
    _every_start(_waits("container_creating", "ContainerCreating")),
    _pod("init_failing", _INIT, "an init container fails again and again"),
    Mark("oom_killed", _gauge("oom_killed", "replica", _OOM, "killed for memory"), "above", 0.0, sticky=True),
    Mark("bus_error", _gauge("bus_error", "replica", _EXIT, "last exit code"), "equals", 135.0, sticky=True),
    _pod("unschedulable", Metric("kube_pod_status_unschedulable"), "no node takes the pod"),
    _pod("preempted", Metric("kube_pod_status_reason", (("reason", "PreemptionByScheduler"),)), "pushed out"),
    _every_start(_probe("readiness_failing", "Readiness")),
    _probe("liveness_failing", "Liveness"),
    Mark(
        "cpu_throttled",
        _share(
            "cpu_throttled",
            "replica",
            Metric("container_cpu_cfs_throttled_periods_total"),
            Metric("container_cpu_cfs_periods_total"),
            "share of periods in which the container was throttled",
        ),
        "above",
        0.5,
    ),
    # -- engines (vLLM) ---------------------------------------------------------------------------------------------
    Mark(
        "tokens_corrupted",
        _rate("tokens_corrupted", "replica", Metric("vllm:corrupted_requests_total"), "NaN logits"),
        "above",
        0.005,
    ),
    Mark(
        "answers_repeat",
        _rate(
            "answers_repeat",
            "replica",
            Metric("vllm:request_success_total", (("finished_reason", "repetition"),)),
            "answers cut for repetition",
        ),
        "above",
        0.02,
    ),
    Mark(
        "head_blocked",
        _gauge("head_blocked", "replica", Metric(_REASON, (("reason", "deferred"),)), "deferred requests"),
        "above",
        0.0,
    ),
    Mark(
        "batch_capped",
        _gauge("batch_capped", "replica", Metric(_REASON, (("reason", "capacity"),)), "requests waiting for a seat"),
        "above",
        0.0,
    ),
    Mark(
        "prefix_misses",
        _share(
            "prefix_misses",
            "replica",
            Metric("vllm:prefix_cache_hits_total"),
            Metric("vllm:prefix_cache_queries_total"),
            "prefix cache hits",
        ),
        "below",
        0.15,
        served=True,
    ),
    Mark(
        "long_prompts",
        _share(
            "long_prompts",
            "replica",
            Metric("vllm:request_prompt_tokens_bucket", (("le", "5000"),)),
            Metric("vllm:request_prompt_tokens_count"),
            "share of prompts up to 5000 tokens",
        ),
        "below",
        0.8,
    ),
    Mark(
        "preempting", _rate("preempting", "replica", Metric("vllm:num_preemptions_total"), "preemptions"), "above", 0.5
    ),
    Mark(
        "tokenizer_busy",
        _rate("tokenizer_busy", "replica", Metric("process_cpu_seconds_total"), "cores of the front end"),
        "above",
        0.95,
    ),
    # -- GPUs (dcgm-exporter) ---------------------------------------------------------------------------------------
    *(_xid(code) for code in (13, 31, 48, 95)),
    _xid(94, _XID_BENEATH),
    Mark("power_capped", _gauge("power_capped", "gpu", _CAPPED, "power caps in five minutes"), "above", 0.0),
    Mark(
        "nvlink_errors",
        _rate("nvlink_errors", "gpu", Metric("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL"), "NVLink replays"),
        "above",
        0.01,
    ),
    Mark(
        "remap_pending",
        _gauge("remap_pending", "gpu", Metric("DCGM_FI_DEV_ROW_REMAP_PENDING"), "rows to remap"),
        "above",
        0.0,
    ),
    Mark(
        "memory_leaking", _gauge("memory_leaking", "replica", Metric("DCGM_FI_DEV_FB_FREE"), "free MiB"), "below", 300.0
    ),
    Mark("gpu_silent", _gauge("gpu_silent", "gpu", Metric("DCGM_FI_DEV_GPU_TEMP"), "temperature"), "absent", 0.0),
    # -- nodes (kube-state-metrics, node_exporter) ------------------------------------------------------------------
    _node("spot_notice", _SPOT, "the provider takes the node back"),
    _node("disk_pressure", _PRESSURE, "the disk is full"),
    _node("clock_off", Metric("node_timex_offset_seconds"), "seconds off the true time", 0.5),
    _node("mig_sliced", _MIG, "the GPU is cut into slices that nobody asked for"),
    Mark(
        "network_drops",
        _spec("network_drops", "node", Rate(Metric("node_network_transmit_drop_total")), "packets dropped"),
        "above",
        5.0,
    ),
    # -- services (Envoy, autoscaler, quota, jobs, feature store) ---------------------------------------------------
    _flag("names_unresolved", "DF", "calls whose name was not resolved"),
    _flag("connections_refused", "UF", "calls whose connection failed"),
    Mark(
        "retrying",
        _share(
            "retrying",
            "service",
            Metric("envoy_cluster_upstream_rq_retry"),
            Metric("envoy_cluster_upstream_rq_total"),
            "share of calls that are retries; a mesh's budget allows a sixth",
        ),
        "above",
        0.35,
    ),
    _hpa("autoscaler_blind", "ScalingActive", "the autoscaler has no measure"),
    Mark(
        "quota_full",
        _spec(
            "quota_full",
            "service",
            Ratio(
                Gauge(Metric("kube_resourcequota", (("type", "used"),))),
                Gauge(Metric("kube_resourcequota", (("type", "hard"),))),
            ),
            "share of the quota in use",
        ),
        "above",
        0.99,
    ),
    Mark(
        "floor_raised",
        _gauge("floor_raised", "service", Metric("kube_horizontalpodautoscaler_spec_min_replicas"), "autoscaler floor"),
        "above",
        5.0,
    ),
    Mark(
        "job_failed",
        _gauge("job_failed", "service", Metric("kube_job_failed", (("condition", "true"),)), "a job failed"),
        "above",
        0.0,
    ),
    Mark(
        "job_lingers", _gauge("job_lingers", "service", Metric("kube_job_status_active"), "jobs at work"), "above", 0.0
    ),
    Mark(
        "features_old",
        _gauge("features_old", "service", Metric("feast_feature_freshness_seconds"), "age of the newest feature"),
        "above",
        3600.0,
    ),
    # -- gateways and caches before the models (LiteLLM, Triton) ------------------------------------------------------
    _withheld("answers_malformed", "schema", "answers that do not fit their form"),
    _withheld("answers_ungrounded", "groundedness", "answers that rest on no document"),
    Mark(
        "answer_cache_cold",
        _share(
            "answer_cache_cold",
            "service",
            Metric("litellm_cache_hits_metric_total"),
            Metric("litellm_cache_misses_metric_total"),
            "answers found in the cache, per answer that was not",
        ),
        "below",
        0.15,
    ),
    Mark(
        "answers_cached",
        _share(
            "answers_cached",
            "replica",
            Metric("nv_cache_num_hits_per_model"),
            Metric("nv_cache_num_misses_per_model"),
            "answers out of the response cache, per answer that was not",
        ),
        "above",
        0.5,
    ),
    # -- vendors (gateway) ------------------------------------------------------------------------------------------
    Mark(
        "vendor_throttling",
        _share("vendor_throttling", "vendor", Metric(_GATEWAY, (("code", "429"),)), Metric(_GATEWAY), "throttled"),
        "above",
        0.1,
    ),
    Mark(
        "vendor_nonsense",
        _share(
            "vendor_nonsense",
            "vendor",
            Metric(_GATEWAY, (("code", "422"),)),
            Metric(_GATEWAY),
            "answers that fail validation",
        ),
        "above",
        0.1,
    ),
)
SPECS: tuple[SignalSpec, ...] = tuple(
    {spec.name: spec for mark in MARKS for spec in (mark.spec, mark.counted) if spec is not None}.values()
)
