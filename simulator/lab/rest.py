"""The Kubernetes API as plain JSON over HTTP: all that the lab's own parts (kubelet, balancer, breaks) need of it.

Not for the controller, which has its own adapter with the official client.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import requests
import yaml

Json = dict[str, Any]
PatchKind = Literal["merge", "strategic-merge", "json"]
TIMEOUT_S = (3.0, 10.0)


class ApiError(Exception):
    """An answer other than 2xx; `status` is its HTTP code, 0 when the server could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeApi:
    """A session with one API server as one user. Not for sharing between threads."""

    def __init__(self, url: str, ca_file: str, token: str) -> None:
        self.url, self.ca_file = url, ca_file
        self._session = requests.Session()
        # A proxy of the machine's environment must not stand between us and the loopback.
        self._session.trust_env = False
        self._session.verify = ca_file
        self._session.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """A session as the one user of a kubeconfig that `write_kubeconfig` wrote."""
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        return cls(cluster["server"], cluster["certificate-authority"], user["token"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, **params: str) -> Json:
        """Read one object or a list."""
        return self._send("GET", path, params=params)

    def items(self, path: str, **params: str) -> list[Json]:
        """The members of a list."""
        return list(self.get(path, **params)["items"])

    def post(self, path: str, body: Json) -> Json:
        """Create an object."""
        return self._send("POST", path, body)

    def put(self, path: str, body: Json) -> Json:
        """Replace an object."""
        return self._send("PUT", path, body)

    def patch(self, path: str, body: Json | list[Json], kind: PatchKind = "merge") -> Json:
        """Change a part of an object."""
        return self._send("PATCH", path, body, content=f"application/{kind}-patch+json")

    def delete(self, path: str, grace_s: int | None = None) -> None:
        """Delete an object; one that is gone already is no error."""
        body = None if grace_s is None else {"gracePeriodSeconds": grace_s}
        try:
            self._send("DELETE", path, body)
        except ApiError as error:
            if error.status != 404:
                raise

    def ensure(self, path: str, body: Json) -> None:
        """Create an object under a collection's path; one that exists already is left as it is."""
        try:
            self.post(path, body)
        except ApiError as error:
            if error.status != 409:
                raise

    def _send(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None = None,
        params: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Json:
        try:
            answer = self._session.request(
                method, self.url + path, params=params, json=body, headers={"Content-Type": content}, timeout=TIMEOUT_S
            )
        except requests.RequestException as error:
            raise ApiError(0, str(error)) from error
        if not answer.ok:
            raise ApiError(answer.status_code, answer.text[:300])
        found: Json = answer.json()
        return found


def write_kubeconfig(path: Path, url: str, ca_file: Path, token: str, namespace: str = "default") -> Path:
    """Write a kubeconfig with one cluster and one user; readable by its owner alone."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
        "current-context": "lab",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path
