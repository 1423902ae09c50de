"""The Serving port over HTTP: a replica's health page, and one small real question to its engine.

A page that says "well" proves that the front lives. Only an answer proves that the engine does.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import orjson

from config.fleet import Fleet, Service, ServiceKind
from config.servers import ServingSettings
from tools.clock import Clock
from tools.errors import Absent, Malformed, Refused, Transient
from tools.live.kubernetes import Address
from tools.records import Probe, Split

MOST_BYTES = 1 << 20  # of one answer that is read
_HEALTH = {ServiceKind.LANGUAGE: "/health", ServiceKind.TABULAR: "/v2/health/live"}
_ZERO: dict[str, object] = {"BYTES": "", "BOOL": False}  # by Triton's datatype; 0 for all others
_LARGEST = 4096  # elements of a made-up tensor


class Answer(NamedTuple):
    """Status and body of one exchange."""

    status: int
    body: bytes


class Replicas(Protocol):
    """Knows where replicas listen."""

    def address(self, service: str, replica: str) -> Address:
        """Return where a replica listens; raises ``Absent`` when there is none."""
        ...


class Splits(Protocol):
    """Knows how traffic is divided."""

    def split(self, service: str) -> Split | None:
        """Return how the traffic of a service is divided; None where nobody divides it."""
        ...


class _Silent(Exception):
    """The other side took the question and gave no answer in time, or nobody listens there."""


class _Unreachable(Exception):
    """Nothing can be said about the other side: no route, no name, a firewall."""


class _Line:
    """A connection to one replica for the length of one probe."""

    def __init__(self, base: str, seconds: float) -> None:
        import requests

        self._base = base
        self._end = time.monotonic() + seconds
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Send a question; redirects are answers, never followed."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise _Silent("time is up")
        with _heard():
            response = self._session.request(
                "GET" if body is None else "POST",
                self._base + path,
                json=body,
                timeout=(min(2.0, left), left),
                allow_redirects=False,
                stream=True,
            )
            with response:
                return Answer(response.status_code, self._read(response.iter_content(65536)))

    def _read(self, chunks: Iterator[bytes]) -> bytes:
        read = b""
        for chunk in chunks:
            read += chunk
            if time.monotonic() > self._end:
                raise _Silent("time is up in the middle of an answer")
            if len(read) > MOST_BYTES:
                break
        return read


@contextmanager
def _heard() -> Iterator[None]:
    import requests

    try:
        yield
    except requests.ConnectTimeout as error:
        raise _Unreachable(str(error)) from error
    except requests.ConnectionError as error:
        # A refused or broken connection is the replica's own word; no route to it is not.
        told = "refused" in str(error) or "reset" in str(error) or "aborted" in str(error) or "timed out" in str(error)
        raise (_Silent(str(error)) if told else _Unreachable(str(error))) from error
    except (requests.RequestException, OSError) as error:
        raise _Silent(str(error)) from error


class HttpServing:
    """Implements ``tools.ports.Serving``. Who divides traffic is another's to say: here, ``splits``."""

    def __init__(
        self, settings: ServingSettings, fleet: Fleet, replicas: Replicas, clock: Clock, splits: Splits | None = None
    ) -> None:
        self._settings = settings
        self._services = {service.name: service for service in fleet.services}
        self._replicas = replicas
        self._clock = clock
        self._splits = splits

    def probe(self, service: str, replica: str) -> Probe:
        """Ask health page and engine within the time limit; ``Absent`` when there is no such replica."""
        guarded = self._services.get(service)
        if guarded is None or guarded.kind not in _HEALTH:
            raise Absent(f"{service} has no replicas to ask")
        address = self._replicas.address(service, replica)
        line = _Line(f"http://{_host(address.host)}:{address.port or self._settings.port}", self._seconds)
        started = time.monotonic()
        try:
            health = _said(lambda: line.ask(self._settings.health_path or _HEALTH[guarded.kind]).status == 200)
            answers = _tried(lambda: _question(line, guarded))
        finally:
            line.close()
        seconds = time.monotonic() - started if answers else None
        return Probe(replica=replica, at=self._clock.now(), health_ok=health, answers=answers, seconds=seconds)

    @property
    def _seconds(self) -> float:
        return self._settings.timeout.total_seconds()

    def split(self, service: str) -> Split | None:
        """Return how traffic is divided; None where nobody is known to divide it."""
        return self._splits.split(service) if self._splits is not None else None


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _said(ask: Callable[[], bool]) -> bool | None:
    """Return what a health page said, None when it could not be had."""
    try:
        return ask()
    except (_Silent, _Unreachable):
        return None


def _tried(ask: Callable[[], bool | None]) -> bool | None:
    """Return whether an engine answered: silence is a no, and no way to ask is None."""
    try:
        return ask()
    except _Silent:
        return False
    except (_Unreachable, Malformed, Refused, Transient):
        return None


def _question(line: _Line, service: Service) -> bool | None:
    match service.kind:
        case ServiceKind.LANGUAGE:
            return _complete(line)
        case _:
            return _infer(line, service.model or service.name)


def _complete(line: _Line) -> bool | None:
    """Ask for one token of a completion (the OpenAI routes of vLLM)."""
    listed = line.ask("/v1/models")
    if listed.status != 200:
        return _verdict(listed.status)
    asked = {"model": _pick(listed.body), "max_tokens": 1, "temperature": 0}
    answer = line.ask("/v1/completions", {**asked, "prompt": "Hi"})
    if answer.status == 404:  # a model that only chats
        answer = line.ask("/v1/chat/completions", {**asked, "messages": [{"role": "user", "content": "Hi"}]})
    return _verdict(answer.status)


def _pick(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["data"][0]["id"])
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        raise Malformed(f"no list of models: {error}") from error


def _infer(line: _Line, model: str) -> bool | None:
    """Ask a Triton model to score zeros of the shape that it says it takes."""
    described = line.ask(f"/v2/models/{model}")
    if described.status != 200:
        return _verdict(described.status)
    return _verdict(line.ask(f"/v2/models/{model}/infer", {"inputs": _zeros(described.body)}).status)


def _zeros(body: bytes) -> list[dict[str, Any]]:
    try:
        return [_tensor(described) for described in orjson.loads(body)["inputs"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Malformed(f"no description of a model: {error}") from error


def _tensor(described: dict[str, Any]) -> dict[str, Any]:
    shape = [int(n) if int(n) > 0 else 1 for n in described["shape"]]
    count = 1
    for n in shape:
        count *= n
    if count > _LARGEST:
        raise Malformed(f"an input of {count} elements is no small question")
    datatype = str(described["datatype"])
    return {
        "name": described["name"],
        "shape": shape,
        "datatype": datatype,
        "data": [_ZERO.get(datatype, 0)] * count,
    }


def _verdict(status: int) -> bool | None:
    """Return whether a status is an answer: 2xx yes, 5xx no; anything else says that our question was wrong."""
    if 200 <= status < 300:
        return True
    return False if status >= 500 else None
