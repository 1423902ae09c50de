"""Vendors' endpoints: each call is answered, limited, failed or held as the world's own counts of that route say."""

import asyncio

import numpy as np
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from simulator.twin.twin import Twin
from simulator.world.vendors import CODES, Vendors

HOLDS_S = 60.0  # that a call which times out is kept waiting
RETRY_AFTER_S = 2  # longer than a client's own first pause, so that who honours it can be told from who does not
_GOLDEN = 0.618033988749895


class VendorPages:
    """One page for all vendors of a twin."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._calls = 0

    async def answer(self, request: Request, vendor: str) -> Response:
        """Answer as a vendor does now: as slow, as often wrong, and wrong in the way that the world has it."""
        vendors = self._twin.world.body.vendors
        row = next((i for i, (_, name) in enumerate(vendors.routes) if name == vendor), None)
        if row is None:
            return _error(404, f"no vendor {vendor}", "invalid_request_error")
        self._calls += 1
        code = code_of(vendors, row, self._calls * _GOLDEN % 1.0)  # evenly spread, the same in every run
        if code == "429":  # a limit answers at once
            return _limited()
        await asyncio.sleep(min(30.0, float(vendors.base[row] * vendors.slow[row])))
        if code == "timeout":
            return await _held(request)
        if code == "500":
            return _error(500, "the server had an error", "server_error")
        return self._answered(vendor, sound=code == "200")

    def _answered(self, vendor: str, *, sound: bool) -> Response:
        """Return an answer; one that is not sound has no choice in it, which a gateway refuses (its 422)."""
        choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {"id": f"twin-{self._calls}", "object": "chat.completion", "created": 0, "model": vendor}
        return JSONResponse({**answer, "choices": [choice] if sound else [], "usage": usage})


def code_of(vendors: Vendors, row: int, turn: float) -> str:
    """Return which of ``CODES`` the call at ``turn``, from 0 to 1, of a route meets."""
    errors = float(vendors.errors[row])
    if turn >= errors:
        return CODES[0]
    ends = np.cumsum(vendors.failures(np.ones(len(vendors.routes)))[row])
    return CODES[1 + min(int(np.searchsorted(ends, turn / errors, side="right")), len(ends) - 1)]


async def _held(request: Request) -> Response:
    for _ in range(round(HOLDS_S / 0.5)):
        if await request.is_disconnected():
            break
        await asyncio.sleep(0.5)
    return _error(504, "timed out", "server_error")


def _limited() -> Response:
    refusal = _error(429, "rate limit reached", "requests", code="rate_limit_exceeded")
    refusal.headers["Retry-After"] = str(RETRY_AFTER_S)
    refusal.headers["x-ratelimit-remaining-requests"] = "0"
    refusal.headers["x-ratelimit-reset-requests"] = f"{RETRY_AFTER_S}s"
    return refusal


def _error(status: int, message: str, kind: str, code: str | None = None) -> Response:
    """Return an error in the shape that OpenAI's clients read."""
    body = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": body}, status_code=status)
