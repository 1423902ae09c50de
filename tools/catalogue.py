"""The catalogue of signals: every number that Prunella reads, by exact exporter names (facts as of vLLM 0.33,
Triton 2.51, dcgm-exporter, kube-state-metrics and OpenCost; each name was checked against the exporter's source).
"""

from config.fleet import ServiceKind
from tools.signal import Gauge, Join, Metric, Quantile, Rate, Ratio, SignalSpec

LANGUAGE = (ServiceKind.LANGUAGE,)
TABULAR = (ServiceKind.TABULAR,)
VENDOR = (ServiceKind.VENDOR,)
ON_GPU = (ServiceKind.LANGUAGE, ServiceKind.TABULAR)

_SUCCESS = "vllm:request_success_total"
_HTTP = "http_requests_total"
_GATEWAY = "vendor_requests_total"

SIGNALS: tuple[SignalSpec, ...] = (
    # -- language-model serving ------------------------------------------------------------------------------------
    SignalSpec("requests", "service", Rate(Metric(_HTTP)), "1/s", "requests answered", LANGUAGE),
    SignalSpec(
        "error_ratio",
        "service",
        Ratio(Rate(Metric(_HTTP, (("status", "5xx"),))), Rate(Metric(_HTTP))),
        "ratio",
        "answers that are server errors",
        LANGUAGE,
    ),
    SignalSpec(
        "ttft_p95", "service", Quantile(0.95, Metric("vllm:time_to_first_token_seconds")), "s", "first token", LANGUAGE
    ),
    SignalSpec(
        "latency_p95",
        "service",
        Quantile(0.95, Metric("vllm:e2e_request_latency_seconds")),
        "s",
        "whole answer",
        LANGUAGE,
    ),
    SignalSpec("waiting", "service", Gauge(Metric("vllm:num_requests_waiting")), "1", "requests in queue", LANGUAGE),
    SignalSpec("running", "service", Gauge(Metric("vllm:num_requests_running")), "1", "requests in batch", LANGUAGE),
    SignalSpec(
        "kv_cache", "service", Gauge(Metric("vllm:kv_cache_usage_perc"), "avg"), "0..1", "KV cache in use", LANGUAGE
    ),
    SignalSpec("preemptions", "service", Rate(Metric("vllm:num_preemptions_total")), "1/s", "KV pressure", LANGUAGE),
    SignalSpec("prompt_tokens", "service", Rate(Metric("vllm:prompt_tokens_total")), "1/s", "tokens in", LANGUAGE),
    SignalSpec(
        "generation_tokens", "service", Rate(Metric("vllm:generation_tokens_total")), "1/s", "tokens out", LANGUAGE
    ),
    SignalSpec(
        "prompt_length",
        "service",
        Ratio(Rate(Metric("vllm:prompt_tokens_total")), Rate(Metric(_SUCCESS))),
        "tokens",
        "prompt tokens per request",
        LANGUAGE,
    ),
    SignalSpec(
        "answer_length",
        "service",
        Ratio(Rate(Metric("vllm:generation_tokens_total")), Rate(Metric(_SUCCESS))),
        "tokens",
        "generated tokens per request",
        LANGUAGE,
    ),
    # -- one replica -----------------------------------------------------------------------------------------------
    SignalSpec(
        "engine_steps",
        "replica",
        Rate(Metric("vllm:iteration_tokens_total_count"), 60),
        "1/s",
        "engine heartbeat",
        LANGUAGE,
    ),
    SignalSpec(
        "replica_waiting", "replica", Gauge(Metric("vllm:num_requests_waiting")), "1", "requests in queue", LANGUAGE
    ),
    SignalSpec(
        "replica_running", "replica", Gauge(Metric("vllm:num_requests_running")), "1", "requests in batch", LANGUAGE
    ),
    SignalSpec("replica_requests", "replica", Rate(Metric(_HTTP)), "1/s", "requests answered", LANGUAGE),
    SignalSpec(
        "replica_error_ratio",
        "replica",
        Ratio(Rate(Metric(_HTTP, (("status", "5xx"),))), Rate(Metric(_HTTP))),
        "ratio",
        "answers that are server errors",
        LANGUAGE,
    ),
    SignalSpec(
        "replica_latency_p95",
        "replica",
        Quantile(0.95, Metric("vllm:e2e_request_latency_seconds")),
        "s",
        "whole answer",
        LANGUAGE,
    ),
    # -- tabular scoring (Triton: counters without _total, durations in microseconds) -----------------------------
    SignalSpec(
        "requests", "service", Rate(Metric("nv_inference_request_success")), "1/s", "requests answered", TABULAR
    ),
    SignalSpec(
        "error_ratio",
        "service",
        Ratio(Rate(Metric("nv_inference_request_failure")), Rate(Metric("nv_inference_request_success"))),
        "ratio",
        "failures per success",
        TABULAR,
    ),
    SignalSpec(
        "latency_mean",
        "service",
        Ratio(
            Rate(Metric("nv_inference_request_duration_us")), Rate(Metric("nv_inference_request_success")), scale=1e-6
        ),
        "s",
        "mean time of a request",
        TABULAR,
    ),
    SignalSpec(
        "waiting", "service", Gauge(Metric("nv_inference_pending_request_count")), "1", "requests in queue", TABULAR
    ),
    SignalSpec(
        "replica_latency_mean",
        "replica",
        Ratio(
            Rate(Metric("nv_inference_request_duration_us")), Rate(Metric("nv_inference_request_success")), scale=1e-6
        ),
        "s",
        "mean time of a request",
        TABULAR,
    ),
    # -- outside vendors (the gateway's own client metrics) ---------------------------------------------------------
    SignalSpec("requests", "service", Rate(Metric(_GATEWAY)), "1/s", "requests sent to vendors", VENDOR),
    SignalSpec(
        "error_ratio",
        "service",
        Ratio(Rate(Metric(_GATEWAY, unless=(("code", "200"),))), Rate(Metric(_GATEWAY))),
        "ratio",
        "answers other than 200",
        VENDOR,
    ),
    SignalSpec(
        "latency_p95",
        "service",
        Quantile(0.95, Metric("vendor_request_duration_seconds")),
        "s",
        "whole answer",
        VENDOR,
    ),
    SignalSpec("vendor_requests", "vendor", Rate(Metric(_GATEWAY)), "1/s", "requests sent", VENDOR),
    SignalSpec(
        "vendor_error_ratio",
        "vendor",
        Ratio(Rate(Metric(_GATEWAY, unless=(("code", "200"),))), Rate(Metric(_GATEWAY))),
        "ratio",
        "answers other than 200",
        VENDOR,
    ),
    SignalSpec(
        "vendor_latency_p95",
        "vendor",
        Quantile(0.95, Metric("vendor_request_duration_seconds")),
        "s",
        "whole answer",
        VENDOR,
    ),
    # -- hardware (dcgm-exporter) -----------------------------------------------------------------------------------
    SignalSpec("xid", "gpu", Gauge(Metric("DCGM_FI_DEV_XID_ERRORS"), "max"), "code", "last XID, sticky", ON_GPU),
    SignalSpec("gpu_temp", "gpu", Gauge(Metric("DCGM_FI_DEV_GPU_TEMP"), "max"), "C", "temperature", ON_GPU),
    SignalSpec("gpu_util", "gpu", Gauge(Metric("DCGM_FI_DEV_GPU_UTIL"), "max"), "%", "utilisation", ON_GPU),
    SignalSpec("sm_clock", "gpu", Gauge(Metric("DCGM_FI_DEV_SM_CLOCK"), "max"), "MHz", "clock", ON_GPU),
    SignalSpec(
        "hw_thermal",
        "gpu",
        Gauge(Metric("DCGM_EXP_CLOCK_EVENTS_COUNT", (("clock_event", "hw_thermal"),)), "max"),
        "1",
        "thermal slow-downs in five minutes",
        ON_GPU,
    ),
    # -- cluster (kube-state-metrics) -------------------------------------------------------------------------------
    SignalSpec("replicas", "service", Gauge(Metric("kube_deployment_spec_replicas")), "1", "replicas wanted", ON_GPU),
    SignalSpec(
        "replicas_ready",
        "service",
        Gauge(Metric("kube_deployment_status_replicas_ready")),
        "1",
        "replicas ready",
        ON_GPU,
    ),
    SignalSpec(
        "restarts",
        "service",
        Rate(Metric("kube_pod_container_status_restarts_total"), 600),
        "1/s",
        "container restarts",
        ON_GPU,
    ),
    SignalSpec(
        "node_ready",
        "node",
        Gauge(Metric("kube_node_status_condition", (("condition", "Ready"), ("status", "true"))), "max"),
        "0/1",
        "node reports Ready",
        ON_GPU,
    ),
    # -- money (OpenCost) and use ---------------------------------------------------------------------------------
    SignalSpec(
        "gpu_utilisation",
        "service",
        Gauge(Metric("DCGM_FI_DEV_GPU_UTIL"), "avg"),
        "%",
        "mean utilisation of the service's GPUs (pod mapping on)",
        ON_GPU,
    ),
    SignalSpec(
        "spend",
        "service",
        Join(Metric("container_gpu_allocation"), Metric("node_gpu_hourly_cost"), on="node"),
        "money/h",
        "GPU money per hour",
        ON_GPU,
    ),
)

GPUS = SignalSpec("gpus", "service", Gauge(Metric("container_gpu_allocation")), "1", "GPUs allocated", ON_GPU)
"""Read for bills alone, over hours: no tick looks at it."""


def named(name: str) -> tuple[SignalSpec, ...]:
    """Return every spec of a signal (kinds may compute it differently); empty when unknown."""
    return tuple(spec for spec in SIGNALS if spec.name == name)


OWN_METRIC = "Device_utilization_desc_of_container"
OWN_USE = SignalSpec(
    "gpu_utilisation",
    "service",
    Gauge(Metric(OWN_METRIC), "avg"),
    "%",
    "mean utilisation by the service itself, where batch work shares its GPUs (per container, as HAMi's monitor tells)",
    ON_GPU,
)
