"""The engine of the model server: one thread that admits, prefills and decodes requests in a continuous batch.

The HTTP front lives on another thread and only waits for futures, as in real servers: the front can be well while the
engine is not.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import torch

from simulator.lab import network
from simulator.lab.vllm_metrics import EngineMetrics

BATCH = 8
CACHE_TOKENS = 4096


class CorruptOutputError(Exception):
    """The model's logits were not finite, so there is no next token to give."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a request got: token ids and why it ended."""

    tokens: list[int]
    finished_reason: str


@dataclass(slots=True)
class Request:
    """One request on its way through the engine; instants are monotonic seconds."""

    prompt: list[int]
    max_tokens: int
    arrived_at: float
    future: Future[Completion] = field(default_factory=Future)
    tokens: list[int] = field(default_factory=list)
    state: torch.Tensor | None = None
    token_at: float = 0.0


class Engine:
    """Owns the weights and the batch. `submit` may be called from any thread."""

    def __init__(self, release: Path, metrics: EngineMetrics) -> None:
        torch.set_num_threads(1)
        self._model = network.load(release)
        self._metrics = metrics
        self._weights = threading.Lock()
        self._queue: queue.Queue[Request] = queue.Queue()
        self._batch: list[Request] = []
        metrics.watch(lambda: len(self._batch), self._queue.qsize, self._cache_usage)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def submit(self, prompt: list[int], max_tokens: int) -> Future[Completion]:
        """Queue a request; the future ends with a Completion or with CorruptOutputError."""
        request = Request(prompt, max_tokens, time.monotonic())
        self._queue.put(request)
        return request.future

    def reload(self, weights: Path) -> None:
        """Read weights in place of the present ones, in the background; no step runs while they are read."""
        threading.Thread(target=self._reload, args=(weights,), name="reload", daemon=True).start()

    def _reload(self, weights: Path) -> None:
        with self._weights, weights.open("rb") as source:
            self._model.load_state_dict(torch.load(source, weights_only=True))

    def _cache_usage(self) -> float:
        return min(1.0, sum(len(r.prompt) + len(r.tokens) for r in list(self._batch)) / CACHE_TOKENS)

    def _run(self) -> None:
        while True:
            self._admit()
            with self._weights, torch.inference_mode():
                self._step()

    def _admit(self) -> None:
        """Fill the batch from the queue; blocks only when there is nothing at all to do."""
        while len(self._batch) < BATCH:
            try:
                self._batch.append(self._queue.get(block=not self._batch))
            except queue.Empty:
                return

    def _step(self) -> None:
        """One engine iteration: prefill whoever is new, decode one token for everybody else."""
        fresh = [request for request in self._batch if request.state is None]
        old = [request for request in self._batch if request.state is not None]
        for request in fresh:
            self._prefill(request)
        if old:
            self._decode(old)
        self._metrics.iteration_tokens.observe(sum(len(request.prompt) for request in fresh) + len(old))
        self._batch = [request for request in self._batch if not request.future.done()]

    def _prefill(self, request: Request) -> None:
        self._metrics.queue_time.observe(time.monotonic() - request.arrived_at)
        logits, request.state = self._model(torch.tensor([request.prompt]), None)
        self._metrics.prompt_tokens.inc(len(request.prompt))
        self._give(request, logits[0])

    def _decode(self, batch: list[Request]) -> None:
        ids = torch.tensor([[request.tokens[-1]] for request in batch])
        state = torch.cat([request.state for request in batch if request.state is not None], dim=1)
        logits, after = self._model(ids, state)
        for row, request in enumerate(batch):
            request.state = after[:, row : row + 1]
            self._give(request, logits[row])

    def _give(self, request: Request, logits: torch.Tensor) -> None:
        """Append the likeliest token and end the request when it is due."""
        if not bool(torch.isfinite(logits).all()):
            self._metrics.corrupted.inc()
            self._finish(request, "error")
            return
        now = time.monotonic()
        latency = self._metrics.inter_token if request.tokens else self._metrics.first_token
        latency.observe(now - (request.token_at or request.arrived_at))
        request.token_at = now
        request.tokens.append(int(logits.argmax()))
        self._metrics.generation_tokens.inc()
        if len(request.tokens) >= request.max_tokens:
            self._finish(request, "length")

    def _finish(self, request: Request, reason: str) -> None:
        self._metrics.finished[reason].inc()
        self._metrics.end_to_end.observe(time.monotonic() - request.arrived_at)
        if reason == "error":
            request.future.set_exception(CorruptOutputError("logits are not finite"))
        else:
            request.future.set_result(Completion(request.tokens, reason))
