"""The daemon's own page: ``/metrics`` for a Prometheus, ``/healthz`` for a kubelet. It changes nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from tools.errors import Refused
from tools.vital import Patient, Vital

_TEXT = "text/plain; charset=utf-8"


class _Reading(Collector):
    """What the patient says, in the client library's terms."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for vital in self._patient.vitals():
            family = families.setdefault(vital.name, _family(vital))
            family.add_metric(list(vital.labels.values()), vital.value)
        yield from families.values()


def _family(vital: Vital) -> GaugeMetricFamily | CounterMetricFamily:
    kind = CounterMetricFamily if vital.name.endswith("_total") else GaugeMetricFamily
    return kind(vital.name, vital.about, labels=list(vital.labels))


@contextmanager
def serving(address: tuple[str, int], patient: Patient) -> Iterator[int]:
    """Answer on a thread of its own for the length of a block, and say at which port.

    ``Refused`` where the address cannot be had.
    """
    server = _server(address, patient)
    thread = threading.Thread(target=server.serve_forever, name="vitals", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _server(address: tuple[str, int], patient: Patient) -> ThreadingHTTPServer:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(patient))

    class Answers(BaseHTTPRequestHandler):
        server_version, sys_version = "prunella", ""
        timeout = 10  # seconds for a whole request: a slow reader holds no thread for good

        def do_GET(self) -> None:
            """Answer both pages; everything else is not there."""
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._say(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                case "/healthz":
                    stalled = patient.stalled()
                    self._say(503 if stalled else 200, f"{stalled or 'ok'}\n".encode(), _TEXT)
                case _:
                    self._say(404, b"there are /metrics and /healthz\n", _TEXT)

        def _say(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: object) -> None:
            """Say nothing: a probe every ten seconds is no news."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in address[0] else AF_INET
        daemon_threads = True

    try:
        return Server(address, Answers)
    except OSError as error:
        raise Refused(f"vitals.listen: {address[0]}:{address[1]}: {error.strerror or error}") from error
