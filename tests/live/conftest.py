"""Real servers for the tests of this folder: a Prometheus that scrapes what a test says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from simulator.lab.binaries import LabError
from simulator.lab.processes import held
from simulator.lab.servers import PrometheusServer, start_prometheus, wait_until

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


SHOWN = "scrapes_shown"


@dataclass(frozen=True)
class Scraped:
    """An instant at which Prometheus has kept a page, and by how much what rises by 1 a scrape has risen until then."""

    at: datetime
    rise: float


@dataclass
class Exporter:
    """What Prometheus finds: a page by the number of the scrape, from 1 on, so that a slow machine changes nothing."""

    prometheus: PrometheusServer
    page: Callable[[int], str] = lambda _: ""
    shown: int = 0

    def text(self) -> str:
        """The next page."""
        self.shown += 1
        return f"{self.page(self.shown)}\n{SHOWN} {self.shown}\n"

    def scraped(self, page: Callable[[int], str], times: int) -> Scraped:
        """Show a page, and wait until Prometheus has kept it so many times, the last time included."""
        self.page, self.shown = page, 0
        wait_until(lambda: (self._asked(SHOWN) or 0.0) >= times, f"{times} scrapes")
        while (at := self._asked(f"timestamp({SHOWN})")) is None:
            time.sleep(0.05)
        now = datetime.fromtimestamp(at + 0.001, UTC)
        ends = [self._asked(f"{which}_over_time({SHOWN}[10m])", now) for which in ("max", "min")]
        assert ends[0] is not None
        assert ends[1] is not None
        return Scraped(now, ends[0] - ends[1])

    def _asked(self, query: str, at: datetime | None = None) -> float | None:
        """The one value of a query; None where the last scrape failed."""
        with requests.Session() as session:
            session.trust_env = False
            form = {"query": query, **({"time": str(at.timestamp())} if at else {})}
            answer = session.post(f"{self.prometheus.url}/api/v1/query", data=form, timeout=60).json()
        rows = answer["data"]["result"]
        return float(rows[0]["value"][1]) if rows else None


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Return a page that a real Prometheus scrapes every second."""
    run_dir: Path = tmp_path_factory.mktemp("prometheus")
    found: list[Exporter] = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        text = found[0].text() if found else ""
        reply(handler, 200, text.encode(), Content_Type="text/plain; version=0.0.4")

    server, served = scripted(page)
    target = {"targets": [f"127.0.0.1:{served.port}"]}
    config = {"job_name": "page", "honor_labels": True, "static_configs": [target]}
    try:
        with held(run_dir):
            found.append(Exporter(start_prometheus(run_dir, [config], interval_s=1)))
            yield found[0]
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    finally:
        server.shutdown()
        server.server_close()
