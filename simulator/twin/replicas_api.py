"""The replicas' own pages: health, and one real question, each replica on a port of its own."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from config.fleet import ServiceKind
from simulator.twin.twin import Twin
from simulator.twin.vendors_api import VendorPages
from simulator.world.pods import Pod

HANGS_S = 60.0  # that a hung engine keeps its caller waiting
_INPUTS = [{"name": "rows", "datatype": "FP32", "shape": [-1, 8]}]


class _Replicas:
    def __init__(self, twin: Twin, ports: dict[int, int]) -> None:
        self._twin = twin
        self._rows = {port: row for row, port in ports.items()}

    def _pod(self, request: Request) -> Pod | None:
        """Return who listens on the port that was called; None: nobody does now."""
        row = self._rows.get(request.scope["server"][1])
        with self._twin.lock:
            return next((pod for pod in self._twin.world.body.pods.pods.values() if pod.row == row), None)

    def health(self, request: Request) -> Response:
        pod = self._pod(request)
        return Response(status_code=200 if pod is not None and pod.ready else 503)

    def models(self, request: Request) -> dict[str, Any]:
        pod = self._pod(request)
        return {"object": "list", "data": [{"id": pod.service if pod else "none", "object": "model"}]}

    def model(self, request: Request, name: str) -> dict[str, Any]:
        return {"name": name, "versions": self._versions(request), "inputs": _INPUTS, "outputs": []}

    def index(self, request: Request) -> list[dict[str, str]]:
        """List what a replica has loaded, as Triton's model repository does."""
        pod = self._pod(request)
        name = pod.service if pod else "none"
        return [{"name": name, "version": version, "state": "READY"} for version in self._versions(request)]

    def _versions(self, request: Request) -> list[str]:
        """Return the model versions that answer now, those with a share of the traffic."""
        pod = self._pod(request)
        with self._twin.lock:
            weights = self._twin.world.body.quality.weights(pod.service) if pod else None
        return [version for version, share in (weights or {"1": 100}).items() if share]

    async def complete(self, request: Request) -> Response:
        if (failure := await self._trouble(request)) is not None:
            return failure
        choice = {"index": 0, "text": "ok", "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return JSONResponse({"object": "text_completion", "model": "twin", "choices": [choice], "usage": usage})

    async def infer(self, request: Request) -> Response:
        failure = await self._trouble(request)
        return failure if failure is not None else JSONResponse({"outputs": []})

    async def _trouble(self, request: Request) -> Response | None:
        """Hang where the engine hangs, and fail where it crashes."""
        pod = await asyncio.to_thread(self._pod, request)
        if pod is None or pod.crashing or not pod.ready:
            return JSONResponse({"error": {"message": "not ready", "code": 503}}, status_code=503)
        for _ in range(round(HANGS_S / 0.5)):
            if not pod.hung or await request.is_disconnected():
                return None
            await asyncio.sleep(0.5)
        return JSONResponse({"error": {"message": "timed out", "code": 504}}, status_code=504)


def replicas_app(twin: Twin, ports: dict[int, int]) -> FastAPI:
    """Return the application that listens on every port of ``ports``, a row's each."""
    app = FastAPI(title="prunella twin: replicas", openapi_url=None)
    pages = _Replicas(twin, ports)
    kinds = {ServiceKind.LANGUAGE: "/health", ServiceKind.TABULAR: "/v2/health/live"}
    for path in (*kinds.values(), "/v2/health/ready"):
        app.add_api_route(path, pages.health)
    app.add_api_route("/v1/models", pages.models)
    app.add_api_route("/v2/models/{name}", pages.model)
    app.add_api_route("/v2/repository/index", pages.index, methods=["POST"])
    for path in ("/v1/completions", "/v1/chat/completions"):
        app.add_api_route(path, pages.complete, methods=["POST"], response_model=None)
    app.add_api_route("/v2/models/{name}/infer", pages.infer, methods=["POST"], response_model=None)
    app.add_api_route(
        "/vendors/{vendor}/v1/chat/completions", VendorPages(twin).answer, methods=["POST"], response_model=None
    )
    return app
