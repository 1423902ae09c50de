"""The Kubernetes API as JSON through the official client's transport: time limits, translated failures, discovery.

Objects stay plain JSON: typed models cost eight times the time of a list, and refuse fields of newer servers.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import orjson

from config.servers import ClusterSettings
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError, Transient
from tools.live.retrying import again
from tools.live.saying import one_line

Json = dict[str, Any]
Patch = Literal["merge", "json"]
COMING_BACK = 30.0  # seconds after a broken connection, in which an API server may not know yet who may do what
MANAGER = "prunella"  # as the API server's record of who wrote which field says it


class Conflict(Refused):
    """The object has changed since it was read."""


class KubeApi:
    """A session with one API server. May be shared by threads."""

    def __init__(self, settings: ClusterSettings, manager: str = MANAGER) -> None:
        self._settings, self._manager = settings, manager
        seconds = settings.timeout.total_seconds()
        self._timeout = (min(3.0, seconds), seconds)
        self._lock = threading.Lock()
        self._client: Any = None
        self._discovered: dict[str, Json] = {}
        self._broke_at = float("-inf")  # when the server was last not there, by the monotonic clock

    def _connected(self) -> Any:
        """Return the client, made on first use: importing it takes most of a second."""
        with self._lock:
            if self._client is None:
                self._client = _connect(self._settings)
        return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    # -- reading ---------------------------------------------------------------------------------------------------
    def get(self, path: str, **query: str) -> Json:
        """Read one object or list; tried again where that may help."""
        return again(lambda: self._send("GET", path, query), self._timeout[1])

    def items(self, path: str, **query: str) -> list[Json]:
        """Return the members of a list."""
        found = self.get(path, **query).get("items")
        if not isinstance(found, list):
            raise Malformed(f"Kubernetes: {path} is no list")
        return found

    def discover(self, path: str) -> Json:
        """Read a page of the API's own table of contents, once per session."""
        if path not in self._discovered:
            self._discovered[path] = self.get(path)
        return self._discovered[path]

    def group(self, name: str) -> str:
        """Return ``NAME/VERSION`` that the server prefers; ``Absent`` when it has no such group."""
        try:
            return str(self.discover(f"/apis/{name}")["preferredVersion"]["groupVersion"])
        except (KeyError, TypeError) as error:
            raise Malformed(f"Kubernetes: /apis/{name} prefers no version") from error

    @property
    def seconds(self) -> float:
        """How long one call may take."""
        return self._timeout[1]

    def server_time(self) -> str:
        """Return the ``Date`` header of an answer: the server's clock."""
        with _translated(writes=False):
            return str(self._call("GET", "/version", {}, None, {}).headers.get("Date", ""))

    # -- writing ---------------------------------------------------------------------------------------------------
    def patch(self, path: str, body: Json | list[Json], kind: Patch, *, dry_run: bool = False) -> Json:
        """Change an object. ``Conflict`` when its resourceVersion is not the one in the body.

        Never tried again here; ``Ambiguous`` when the reply is lost and it was no dry run.
        """
        query = {"fieldManager": self._manager, **({"dryRun": "All"} if dry_run else {})}
        return self._send("PATCH", path, query, body, f"application/{kind}-patch+json")

    def post(self, path: str, body: Json, *, dry_run: bool = False, effect: bool = True) -> Json:
        """Create an object; ``effect`` says whether that changes anything (a review does not)."""
        query = {"dryRun": "All"} if dry_run else {}
        return self._send("POST", path, query, body, lost_matters=effect)

    def put(self, path: str, body: Json) -> Json:
        """Replace an object. ``Conflict`` when its resourceVersion is not the one in the body; never tried again."""
        return self._send("PUT", path, {"fieldManager": self._manager}, body)

    # -- one exchange ----------------------------------------------------------------------------------------------
    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | list[Json] | None = None,
        content: str = "application/json",
        *,
        lost_matters: bool = True,
    ) -> Json:
        writes = method != "GET" and "dryRun" not in query and lost_matters
        try:
            with _translated(writes=writes):
                response = self._call(method, path, query, body, {"Content-Type": content})
                data = response.data
        except (Transient, Ambiguous):
            self._broke_at = time.monotonic()
            raise
        if response.status in (401, 403) and time.monotonic() - self._broke_at < COMING_BACK:
            raise Transient(f"Kubernetes is only just back, and answers {response.status}")
        if not 200 <= response.status < 300:
            raise _refusal(response.status, data, response.headers.get("Retry-After", ""), writes=writes)
        return _object(data, writes=writes)

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Json | list[Json] | None, head: Mapping[str, str]
    ) -> Any:
        client = self._connected()
        request = client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", **head},
            auth_settings=["BearerToken"],
        )
        verb, url, headers, _, _ = request
        # A body goes in as a value: a JSON patch given as text would be relabelled a strategic merge.
        return client.call_api(verb, url, headers, body=body, _request_timeout=self._timeout).response


def _connect(settings: ClusterSettings) -> Any:
    from kubernetes import client, config

    made = client.Configuration()
    try:
        if settings.kubeconfig is None:
            config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
        else:
            path, context = str(settings.kubeconfig), settings.context or None
            config.load_kube_config(config_file=path, context=context, client_configuration=made)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError) as error:
        raise Refused(f"Kubernetes: no usable credentials: {one_line(error)}") from error
    made.retries = False  # retries are ours: those of the transport multiply the time limit
    return client.ApiClient(made)


@contextmanager
def _translated(*, writes: bool) -> Iterator[None]:
    """Translate failures of transport. A write whose reply is lost may have happened; one never sent has not."""
    import urllib3.exceptions as foreign
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except (foreign.NewConnectionError, foreign.ConnectTimeoutError) as error:
        raise Transient(f"Kubernetes cannot be reached: {one_line(error)}") from error
    except (ApiException, foreign.SSLError) as error:
        raise Refused(f"Kubernetes cannot be asked: {one_line(error)}") from error
    except foreign.HTTPError as error:
        message = f"Kubernetes broke off: {one_line(error)}"
        raise (Ambiguous(message) if writes else Transient(message)) from error


def _object(data: bytes, *, writes: bool) -> Json:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        message = f"Kubernetes: an answer that is no JSON: {one_line(error)}"
        raise (Ambiguous(message) if writes else Malformed(message)) from error
    if not isinstance(found, dict):
        raise Malformed("Kubernetes: an answer that is no object")
    return found


def _refusal(status: int, data: bytes, retry_after: str, *, writes: bool) -> ToolError:
    """Return the error for an HTTP status other than 2xx."""
    try:
        told = orjson.loads(data)
        text = str(told.get("message", "")) if isinstance(told, dict) else ""
    except orjson.JSONDecodeError:
        text = data[:100].decode(errors="replace")
    message = f"Kubernetes answers {status}: {one_line(text)}"
    wait = timedelta(seconds=min(float(retry_after), 300.0) if retry_after.isdigit() else 5.0)
    if status in (408, 429):
        return Transient(message, wait)
    if status >= 500:
        # An overloaded server refuses with Retry-After before it does anything; otherwise a write may have happened.
        budgets = "more than one PodDisruptionBudget" in text
        if budgets:
            return Refused(message)
        return Ambiguous(message) if writes and not retry_after else Transient(message, wait)
    return {404: Absent, 410: Absent, 409: Conflict}.get(status, Refused)(message)


def annotations(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an object's annotations; empty where it has none."""
    return dict(item["metadata"].get("annotations") or {})


def labels(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an object's labels; empty where it has none."""
    return dict(item["metadata"].get("labels") or {})


def owner(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the reference to the controller that owns an object; empty where nobody does."""
    refs: Sequence[Mapping[str, Any]] = item["metadata"].get("ownerReferences") or ()
    return next((ref for ref in refs if ref.get("controller")), {})
