"""Real servers for the tests of this folder: a Prometheus that scrapes what a test says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simulator.lab.binaries import LabError
from simulator.lab.processes import held
from simulator.lab.servers import PrometheusServer, start_prometheus

Script = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Served:
    """A small HTTP server of a test: its address, and the requests it got as ``METHOD path``."""

    url: str
    port: int
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Served]]:
    """Return a function that starts a server on the loopback which answers every request by a script."""
    servers: list[ThreadingHTTPServer] = []

    def start(script: Script) -> Served:
        server, served = scripted(script)
        servers.append(server)
        return served

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def scripted(script: Script) -> tuple[ThreadingHTTPServer, Served]:
    """Start a server whose every answer a script writes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            served.bodies.append(self.rfile.read(length))
            served.requests.append(f"{self.command} {self.path}")
            script(self)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = int(server.server_address[1])
    served = Served(f"http://127.0.0.1:{port}", port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, served


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Write one whole answer."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@dataclass
class Exporter:
    """What Prometheus finds at its next scrape: exposition text, changed by tests."""

    text: str
    prometheus: PrometheusServer
    served: Served


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Return a page that a real Prometheus scrapes every second."""
    run_dir: Path = tmp_path_factory.mktemp("prometheus")

    def page(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, found[0].text.encode(), Content_Type="text/plain; version=0.0.4")

    server, served = scripted(page)
    found: list[Exporter] = []
    target = {"targets": [f"127.0.0.1:{served.port}"]}
    config = {"job_name": "page", "honor_labels": True, "static_configs": [target]}
    try:
        with held(run_dir):
            found.append(Exporter("", start_prometheus(run_dir, [config], interval_s=1), served))
            yield found[0]
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    finally:
        server.shutdown()
        server.server_close()
