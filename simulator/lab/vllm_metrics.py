"""The Prometheus metrics of the model server, by vLLM's exact names, types, labels and buckets."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LABELS = ("model_name", "engine")
REQUEST_BUCKETS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0,
    40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
FIRST_TOKEN_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0,
    2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
INTER_TOKEN_BUCKETS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
ITERATION_BUCKETS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
FINISHED = ("stop", "length", "abort", "error", "repetition")


class EngineMetrics:
    """What the engine counts. Every series exists from the start, so that a rate is never absent."""

    def __init__(self, model_name: str, registry: CollectorRegistry) -> None:
        labels = (model_name, "0")

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, LABELS, buckets=buckets, registry=registry).labels(*labels)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, LABELS, registry=registry).labels(*labels)

        self._running = Gauge("vllm:num_requests_running", "Requests in execution.", LABELS, registry=registry)
        self._waiting = Gauge("vllm:num_requests_waiting", "Requests waiting.", LABELS, registry=registry)
        self._cache = Gauge("vllm:kv_cache_usage_perc", "Context memory in use, 0 to 1.", LABELS, registry=registry)
        self._labels = labels
        self.prompt_tokens = counter("vllm:prompt_tokens", "Prompt tokens processed.")
        self.generation_tokens = counter("vllm:generation_tokens", "Tokens generated.")
        self.preemptions = counter("vllm:num_preemptions", "Requests put back for want of memory; never here.")
        self.corrupted = counter("vllm:corrupted_requests", "Requests whose logits were not finite.")
        success = Counter("vllm:request_success", "Requests finished.", (*LABELS, "finished_reason"), registry=registry)
        self.finished = {reason: success.labels(*labels, reason) for reason in FINISHED}
        self.first_token = histogram("vllm:time_to_first_token_seconds", "Time to first token.", FIRST_TOKEN_BUCKETS)
        self.inter_token = histogram("vllm:inter_token_latency_seconds", "Time between tokens.", INTER_TOKEN_BUCKETS)
        self.end_to_end = histogram("vllm:e2e_request_latency_seconds", "End-to-end latency.", REQUEST_BUCKETS)
        self.queue_time = histogram("vllm:request_queue_time_seconds", "Time in the queue.", REQUEST_BUCKETS)
        self.iteration_tokens = histogram("vllm:iteration_tokens_total", "Tokens per engine step.", ITERATION_BUCKETS)

    def watch(self, running: Callable[[], float], waiting: Callable[[], float], cache: Callable[[], float]) -> None:
        """Read the three gauges live at every scrape, so that they stay true when the engine has stopped."""
        self._running.labels(*self._labels).set_function(running)
        self._waiting.labels(*self._labels).set_function(waiting)
        self._cache.labels(*self._labels).set_function(cache)


class HttpMetrics:
    """Requests of the HTTP front, with the names and labels of prometheus-fastapi-instrumentator's defaults."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("handler", "status", "method")
        self._count = Counter("http_requests", "Requests by method, status and handler.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Latency by handler.",
            ("handler", "method"),
            buckets=(0.1, 0.5, 1.0),
            registry=registry,
        )
        for status in ("2xx", "4xx", "5xx"):
            self._count.labels("/v1/completions", status, "POST")

    def observe(self, handler: str, method: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        self._count.labels(handler, f"{status // 100}xx", method).inc()
        self._seconds.labels(handler, method).observe(seconds)
