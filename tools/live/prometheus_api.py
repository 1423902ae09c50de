"""Prometheus' query API: one question, one answer, each within a time limit, foreign failures translated."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from config.servers import MetricsSettings
from tools.errors import Absent, Malformed, Refused, ToolError, Transient
from tools.live.retrying import again
from tools.live.saying import one_line

# Advice about a query that is well nevertheless: Triton's counters lack the suffix, floats are summed.
_HARMLESS = ("might not be a counter", "fixed for monotonicity")


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one query: series of labels and samples, and what the server had to remark."""

    kind: str  # "vector" or "matrix"
    series: list[dict[str, Any]]
    remarks: tuple[str, ...]


class Deadline:
    """How long a whole reading may still take, in seconds of a clock that never jumps."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left; ``Transient`` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Transient("Prometheus: no time is left for this query")
        return left


class PrometheusApi:
    """A session with one Prometheus, or with anything that speaks its query API. May be shared by threads."""

    def __init__(self, settings: MetricsSettings) -> None:
        self._settings = settings
        self._seconds = settings.timeout.total_seconds()
        self._lock = threading.Lock()
        self._client: Any = None

    def _session(self) -> Any:
        """Return the client's session, made on first use: importing the client takes a fifth of a second."""
        with self._lock:
            if self._client is None:
                self._client = _connect(self._settings)
        return self._client._session

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def query(self, text: str, at: float, deadline: Deadline) -> Answer:
        """Evaluate at one instant (POSIX seconds)."""
        return self._ask("/api/v1/query", {"query": text, "time": f"{at:.3f}"}, deadline)

    def query_range(self, text: str, span: tuple[float, float, float], deadline: Deadline) -> Answer:
        """Evaluate at every step of (start, end, step), both ends included."""
        start, end, step = span
        form = {"query": text, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return self._ask("/api/v1/query_range", form, deadline)

    def _ask(self, path: str, form: Mapping[str, str], deadline: Deadline) -> Answer:
        return again(lambda: _answer(self._post(path, form, deadline)), deadline.left())

    def _post(self, path: str, form: Mapping[str, str], deadline: Deadline) -> bytes:
        seconds = min(self._seconds, deadline.left())
        with _translated():
            # A redirect could lead the token to another host.
            response = self._session().post(
                self._settings.url + path,
                data={**form, "timeout": f"{seconds:.3f}"},
                timeout=(min(3.0, seconds), seconds),
                allow_redirects=False,
            )
        if response.status_code != 200:
            raise _refusal(response.status_code, response.content, response.headers.get("Retry-After", ""))
        content: bytes = response.content
        return content


def _connect(settings: MetricsSettings) -> Any:
    import requests
    from prometheus_api_client import PrometheusConnect

    session = requests.Session()
    session.trust_env = False  # neither a proxy nor a .netrc of the machine stands between us and the metrics
    session.verify = str(settings.ca_file) if settings.ca_file else True
    if settings.token is not None:
        session.headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    # Retries are ours: those of the client know no deadline.
    return PrometheusConnect(
        settings.url, session=session, retry=0, timeout=settings.timeout.total_seconds(), method="POST"
    )


@contextmanager
def _translated() -> Iterator[None]:
    import requests

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise Refused(f"Prometheus: the certificate is not trusted: {one_line(error)}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Transient(f"Prometheus cannot be reached: {one_line(error)}") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise Transient(f"Prometheus broke off its answer: {one_line(error)}") from error
    except (requests.RequestException, OSError) as error:
        raise Refused(f"Prometheus cannot be asked: {one_line(error)}") from error


def _refusal(status: int, body: bytes, retry_after: str) -> ToolError:
    """Return the error for an HTTP status other than 200."""
    try:
        told = orjson.loads(body)
        text = str(told["error"]) if isinstance(told, dict) and "error" in told else ""
    except orjson.JSONDecodeError:
        text = body[:100].decode(errors="replace")
    message = f"Prometheus answers {status}: {one_line(text)}"
    if status in (408, 429) or status >= 500:
        wait = min(float(retry_after), 300.0) if retry_after.isdigit() else 5.0
        return Transient(message, timedelta(seconds=wait))
    return Absent(message) if status == 404 else Refused(message)


def _answer(body: bytes) -> Answer:
    try:
        told = orjson.loads(body)
        data = told["data"]
        kind, series = data["resultType"], data["result"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Malformed(f"Prometheus: not an answer of the query API: {one_line(error)}") from error
    if told.get("status") != "success" or kind not in ("vector", "matrix") or not isinstance(series, list):
        raise Malformed(f"Prometheus: an answer of type {kind!r}, status {told.get('status')!r}")
    remarks = [*(told.get("warnings") or ()), *(told.get("infos") or ())]
    return Answer(kind, series, tuple(r for r in remarks if not any(word in r for word in _HARMLESS)))
