"""Prometheus' HTTP API over what the twin's Prometheus has kept."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

import numpy as np
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from config.duration import parse_duration
from simulator.twin.promql import evaluate
from simulator.twin.promql.answer import as_json
from simulator.twin.promql.evaluate import Rules
from simulator.twin.promql.samples import SAMPLE, Labels, QueryError, UnsupportedError
from simulator.twin.promql.syntax import matchers_of, parse
from simulator.twin.twin import Twin

VERSION = "2.42.0"  # whose rules are kept
Form = Mapping[str, list[str]]


async def _form(request: Request) -> Form:
    """Read the parameters of a query string and of a form, whichever the client chose."""
    body = (await request.body()).decode() if request.method == "POST" else ""
    found: dict[str, list[str]] = {}
    for name, value in [*request.query_params.multi_items(), *parse_qsl(body)]:
        found.setdefault(name, []).append(value)
    return found


Parameters = Annotated[Form, Depends(_form)]


def _ok(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _one(form: Form, name: str, otherwise: str | None = None) -> str:
    values = form.get(name)
    if values:
        return values[0]
    if otherwise is None:
        raise QueryError(f'invalid parameter "{name}": it is missing')
    return otherwise


def instant(text: str) -> datetime:
    """Return an instant given as POSIX seconds or as RFC 3339."""
    try:
        if re.fullmatch(r"-?[0-9.]+(e\+?\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise QueryError(f"cannot parse {text!r} to a valid timestamp") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def span_seconds(text: str) -> float:
    """Return the seconds of a step, given as a number or as a duration."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise QueryError(f"cannot parse {text!r} to a valid duration") from error


class _Prometheus:
    """Answers for one twin; instants are ours outside, the world's inside."""

    def __init__(self, twin: Twin, now: Callable[[], datetime]) -> None:
        self._twin = twin
        self._now = now
        self._rules = Rules(subquery=round(twin.tick * 1000))

    def _ms(self, at: datetime) -> int:
        return round(self._twin.pace.to_theirs(at).timestamp() * 1000)

    def query(self, form: Parameters) -> dict[str, Any]:
        text = _one(form, "query")
        asked = instant(_one(form, "time")) if "time" in form else self._now()
        at = self._ms(asked)
        with self._twin.lock:
            value = evaluate.query(text, self._twin.record, at, self._rules)
            return _ok(as_json(value, np.array([round(asked.timestamp() * 1000)]), ranged=False))

    def query_range(self, form: Parameters) -> dict[str, Any]:
        start, end = instant(_one(form, "start")), instant(_one(form, "end"))
        step = span_seconds(_one(form, "step"))
        speed = self._twin.pace.speed
        low, inner = self._ms(start), round(step * speed * 1000)
        high = low + round((end - start).total_seconds() * 1000 * speed)
        with self._twin.lock:
            value = evaluate.query_range(_one(form, "query"), self._twin.record, (low, high, inner), self._rules)
        steps = round(start.timestamp() * 1000) + np.round(
            np.arange(value.vector.values.shape[0]) * (step * 1000)
        ).astype(np.int64)
        return _ok(as_json(value, steps, ranged=True))

    def series(self, form: Parameters) -> dict[str, Any]:
        return _ok(self._series(form))

    def labels(self, form: Parameters) -> dict[str, Any]:
        return _ok(sorted({name for each in self._series(form) for name in each}))

    def label_values(self, name: str, form: Parameters) -> dict[str, Any]:
        return _ok(sorted({each[name] for each in self._series(form) if name in each}))

    def _series(self, form: Form) -> list[Labels]:
        """Return the series that any selector of ``match[]`` finds with a sample in the time asked about."""
        texts = form.get("match[]", [])
        low = self._ms(instant(_one(form, "start"))) if "start" in form else 0
        high = self._ms(instant(_one(form, "end"))) if "end" in form else 2**62
        found: dict[tuple[tuple[str, str], ...], Labels] = {}
        with self._twin.lock:
            for matchers in [_selector(text) for text in texts] if texts else [[]]:
                samples = self._twin.record.select(matchers)
                rows = (samples.times >= low) & (samples.times <= high)
                seen = (samples.state[rows] == SAMPLE).any(axis=0)
                found |= {tuple(sorted(each.items())): each for each, s in zip(samples.labels, seen, strict=True) if s}
        return list(found.values())


def _selector(text: str) -> list[Any]:
    tree = parse(text)
    if type(tree).__name__ != "VectorSelector":
        raise QueryError(f'invalid parameter "match[]": {text!r} is no selector')
    return list(matchers_of(tree))


async def _refused(_: Request, error: Exception) -> JSONResponse:
    unsupported = isinstance(error, UnsupportedError)
    body = {"status": "error", "errorType": "execution" if unsupported else "bad_data", "error": str(error)}
    return JSONResponse(body, status_code=422 if unsupported else 400)


def metrics_app(twin: Twin, now: Callable[[], datetime]) -> FastAPI:
    """Return the application; ``now`` is our clock."""
    app = FastAPI(title="prunella twin: metrics")
    app.add_exception_handler(QueryError, _refused)
    answers = _Prometheus(twin, now)
    build = {"version": VERSION, "revision": "twin", "branch": "", "buildUser": "", "goVersion": ""}
    for name in ("query", "query_range", "series", "labels"):
        app.add_api_route(f"/api/v1/{name}", getattr(answers, name), methods=["GET", "POST"])
    app.add_api_route("/api/v1/label/{name}/values", answers.label_values)
    app.add_api_route("/api/v1/status/buildinfo", lambda: _ok(build))
    app.add_api_route("/api/v1/metadata", lambda: _ok({}))
    for path in ("/-/ready", "/-/healthy"):
        app.add_api_route(path, lambda: "The twin is ready.")
    return app
