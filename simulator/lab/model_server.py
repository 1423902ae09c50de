"""A real model server: OpenAI-like completions over HTTP, a PyTorch engine behind it, metrics by vLLM's names.

Environment: `MODEL_PATH` (folder of a release), `MODEL_NAME`, `HOST` and `PORT` to listen on, `POD_DIR` (for scratch).
SIGUSR1 reloads the weights in place from `POD_DIR/reload.pt`. `/health` says that the HTTP front lives, and no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CollectorRegistry
from pydantic import BaseModel, Field

from simulator.lab.engine import CorruptOutputError, Engine
from simulator.lab.vllm_metrics import EngineMetrics, HttpMetrics

UNCOUNTED = {"/metrics", "/health"}


class CompletionRequest(BaseModel):
    """The fields of OpenAI's completions request that this server reads; others are accepted and ignored."""

    model: str = ""
    prompt: str | list[int]
    max_tokens: int = Field(default=16, ge=1, le=1024)


def tokens_of(prompt: str | list[int], vocabulary: int = 512) -> list[int]:
    """Token ids of a prompt: its own, folded into the vocabulary, or one per word."""
    if isinstance(prompt, list):
        return [token % vocabulary for token in prompt] or [0]
    words = prompt.split() or [""]
    return [int.from_bytes(hashlib.blake2s(word.encode(), digest_size=4).digest()) % vocabulary for word in words]


def create_app(engine: Engine, model_name: str, revision: str, registry: CollectorRegistry) -> FastAPI:
    """The HTTP front over a started engine."""
    app = FastAPI(openapi_url=None)
    http = HttpMetrics(registry)

    @app.middleware("http")
    async def count(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path in UNCOUNTED:
            return await call(request)
        began = time.monotonic()
        response = await call(request)
        http.observe(request.url.path, request.method, response.status_code, time.monotonic() - began)
        return response

    @app.get("/health")
    async def health() -> Response:
        return Response()

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": model_name, "object": "model", "root": revision}]}

    @app.post("/v1/completions", response_model=None)
    async def completions(body: CompletionRequest) -> JSONResponse:
        prompt = tokens_of(body.prompt)
        try:
            done = await asyncio.wrap_future(engine.submit(prompt, body.max_tokens))
        except CorruptOutputError as error:
            message = {"message": str(error), "type": "InternalServerError", "code": 500}
            return JSONResponse({"error": message}, status_code=500)
        return JSONResponse(answer(model_name, prompt, done.tokens, done.finished_reason))

    return app


def answer(model_name: str, prompt: list[int], tokens: list[int], reason: str) -> dict[str, Any]:
    """A completions answer in OpenAI's shape."""
    usage = {"prompt_tokens": len(prompt), "completion_tokens": len(tokens), "total_tokens": len(prompt) + len(tokens)}
    choice = {"index": 0, "text": " ".join(f"t{token}" for token in tokens), "finish_reason": reason}
    return {"object": "text_completion", "model": model_name, "choices": [choice], "usage": usage}


def new_registry() -> CollectorRegistry:
    """A registry with the process's own figures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def main() -> int:
    """Serve until SIGTERM."""
    import uvicorn

    release, name = Path(os.environ["MODEL_PATH"]), os.environ["MODEL_NAME"]
    registry = new_registry()
    engine = Engine(release, EngineMetrics(name, registry))
    spare = Path(os.environ.get("POD_DIR", ".")) / "reload.pt"

    def reload(_number: int, _frame: FrameType | None) -> None:
        engine.reload(spare)

    signal.signal(signal.SIGUSR1, reload)
    engine.start()
    uvicorn.run(
        create_app(engine, name, release.name, registry),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
