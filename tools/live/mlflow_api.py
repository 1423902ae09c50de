"""MLflow's REST API: time limits, translated failures, and writes that are sent once.

The project's own client repeats every call for minutes by itself; a write that may arrive at any later time cannot be
fenced, so the few calls that are needed go over plain HTTP.
"""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from config.servers import RegistrySettings
from tools.errors import Absent, Ambiguous, Malformed, Refused, ToolError, Transient
from tools.live.retrying import again
from tools.live.saying import one_line

Json = dict[str, Any]
BASE = "/api/2.0/mlflow/"
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND")


class MlflowApi:
    """A session with one tracking server. May be shared by threads."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._url = settings.url + BASE
        self._token = settings.token
        self.seconds = settings.timeout.total_seconds()
        self._local = threading.local()

    def get(self, path: str, **query: str) -> Json:
        """Read; tried again where that may help."""
        return again(lambda: self._send("GET", path, query, None), self.seconds)

    def post(self, path: str, body: Json) -> Json:
        """Write, once. ``Ambiguous`` when the reply is lost."""
        return self._send("POST", path, {}, body)

    def _session(self) -> Any:
        """Return this thread's session: one of ``requests`` is not to be shared."""
        import requests

        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False
            if self._token is not None:
                session.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
            self._local.session = session
        return self._local.session

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Json | None) -> Json:
        import requests

        writes, limits = method != "GET", (min(3.0, self.seconds), self.seconds)
        try:
            answer = self._session().request(
                method, self._url + path, params=query, json=body, timeout=limits, allow_redirects=False
            )
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL) as error:
            raise Transient(f"MLflow cannot be reached: {one_line(error)}") from error
        except requests.ConnectionError as error:
            refused = "refused" in str(error) or "resolve" in str(error)  # nothing was sent
            lost = Ambiguous if writes and not refused else Transient
            raise lost(f"MLflow broke off: {one_line(error)}") from error
        except requests.RequestException as error:
            raise (Ambiguous if writes else Transient)(f"MLflow broke off: {one_line(error)}") from error
        if not 200 <= answer.status_code < 300:
            raise _refusal(answer.status_code, answer.content, writes=writes)
        return _object(answer.content, writes=writes)


def _object(data: bytes, *, writes: bool) -> Json:
    try:
        found = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        raise (Ambiguous if writes else Malformed)(f"MLflow: an answer that is no JSON: {one_line(error)}") from error
    if not isinstance(found, dict):
        raise Malformed("MLflow: an answer that is no object")
    return found


def _refusal(status: int, data: bytes, *, writes: bool) -> ToolError:
    """Return the error for an HTTP status other than 2xx."""
    code, text = _told(data)
    message = f"MLflow answers {status}: {one_line(text)}"
    if status in (408, 429):
        return Transient(message, timedelta(seconds=5))
    if status >= 500:
        return Ambiguous(message) if writes else Transient(message)
    return Absent(message) if code in _ABSENT or status == 404 else Refused(message)


def _told(data: bytes) -> tuple[str, str]:
    """Return the error code and the message of a refusal."""
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        return "", data[:100].decode(errors="replace")
    return (str(told.get("error_code", "")), str(told.get("message", ""))) if isinstance(told, dict) else ("", "")
