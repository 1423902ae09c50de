"""Clients of the lab's service: replay the traffic through a round-robin balancer, write down what clients really got.

The balancer knows what a Service knows: the addresses of the pods that are ready and not on their way out.
`python -m simulator.lab.load --help`.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from simulator.lab.rest import ApiError, Json, KubeApi
from simulator.lab.traffic import Arrival, arrivals, replay

WORKERS = 96
REFRESH_S = 0.5
LOG = "load.jsonl"


class Balancer(threading.Thread):
    """Keeps the ready addresses of a service and deals them out in turn."""

    def __init__(self, api: KubeApi, namespace: str, service: str, stopped: threading.Event) -> None:
        super().__init__(name="balancer", daemon=True)
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._selector = f"app.kubernetes.io/name={service}"
        self._stopped = stopped
        self._turn = itertools.count()
        self._addresses: list[str] = []

    def run(self) -> None:
        """Look again and again; while the API server does not answer, the last addresses stand."""
        while not self._stopped.is_set():
            try:
                self._addresses = ready_addresses(self._api.items(self._path, labelSelector=self._selector))
            except ApiError as error:
                sys.stderr.write(f"balancer: {error}\n")
            self._stopped.wait(REFRESH_S)

    def next(self) -> str | None:
        """The next address in turn, `host:port`; None when nobody is ready."""
        addresses = self._addresses
        return addresses[next(self._turn) % len(addresses)] if addresses else None


def ready_addresses(pods: list[Json]) -> list[str]:
    """Every `host:port` that may get traffic, sorted."""
    return sorted(
        f"{pod['status']['podIP']}:{pod['spec']['containers'][0]['ports'][0]['containerPort']}"
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)
    )


def is_ready(pod: Json) -> bool:
    """Whether a pod's Ready condition holds."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])


def ask(address: str | None, arrival: Arrival, limit_s: float) -> str:
    """Send one request; returns `ok`, or why the client is not content, such as `timeout`, `http_500` or `refused`."""
    if address is None:
        return "no_endpoint"
    body = json.dumps({"prompt": list(range(1, arrival.prompt_tokens + 1)), "max_tokens": arrival.max_tokens})
    link = http.client.HTTPConnection(address, timeout=limit_s)
    try:
        link.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        answer = link.getresponse()
        content = answer.read()
        return judged(answer.status, content, arrival.max_tokens)
    except TimeoutError:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    except (OSError, http.client.HTTPException):
        return "cut"
    finally:
        link.close()


def judged(status: int, content: bytes, wanted_tokens: int) -> str:
    """What a client thinks of an answer."""
    if status != 200:
        return f"http_{status}"
    got = json.loads(content)["usage"]["completion_tokens"]
    return "ok" if got == wanted_tokens else "short"


@dataclass(slots=True)
class Ledger:
    """Counts answers per second of their end and writes each second once, when it is over. Shared by all workers."""

    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    second: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def add(self, verdict: str, seconds: float) -> None:
        """Count one answer."""
        with self.lock:
            self._turn_page(int(time.time()))
            self.counts[verdict] += 1
            self.slowest_s = max(self.slowest_s, seconds)

    def flush(self) -> None:
        """Write the seconds that are over; called every now and then so that a quiet time shows as such."""
        with self.lock:
            self._turn_page(int(time.time()))

    def _turn_page(self, now: int) -> None:
        if now == self.second:
            return
        if self.second:
            bad = {verdict: count for verdict, count in sorted(self.counts.items()) if verdict != "ok"}
            row = {
                "at": self.second,
                "ok": self.counts["ok"],
                "bad": sum(bad.values()),
                "reasons": bad,
                "slowest_s": round(self.slowest_s, 3),
            }
            with self.path.open("a") as sink:
                sink.write(json.dumps(row) + "\n")
        self.second, self.counts, self.slowest_s = now, Counter(), 0.0


def run(balancer: Balancer, ledger: Ledger, options: argparse.Namespace, stopped: threading.Event) -> None:
    """Send requests at their time, without waiting for answers, until told to stop."""

    def one(arrival: Arrival) -> None:
        began = time.monotonic()
        verdict = ask(balancer.next(), arrival, options.limit)
        ledger.add(verdict, time.monotonic() - began)

    traffic = arrivals(options.seed)
    start = random.Random(options.seed).randrange(len(traffic))
    due = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        for arrival in replay(traffic, options.rate, start):
            due += arrival.gap_s
            if stopped.wait(max(due - time.monotonic(), 0.0)):
                break
            ledger.flush()
            pool.submit(one, arrival)


@dataclass(frozen=True, slots=True)
class Second:
    """What clients got in one second: `at` is Unix time, reasons count the bad ones."""

    at: int
    ok: int
    bad: int
    reasons: dict[str, int]
    slowest_s: float


def read_ledger(run_dir: Path) -> list[Second]:
    """All whole seconds written so far, oldest first."""
    path = run_dir / LOG
    lines = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []  # the rest is being written
    return [Second(**json.loads(line)) for line in lines]


def first_bad_at(seconds: list[Second], after: float) -> int | None:
    """The first second from `after` on in which a client got a bad answer."""
    return next((second.at for second in seconds if second.at >= int(after) and second.bad), None)


def well_since(seconds: list[Second]) -> int | None:
    """The first second of the unbroken run of good seconds at the end of the record; None when the last one was bad."""
    good = list(itertools.takewhile(lambda second: not second.bad, reversed(seconds)))
    return good[-1].at if good else None


def main() -> int:
    """Replay until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--namespace", default="serving")
    parser.add_argument("--service", default="chat")
    parser.add_argument("--rate", type=float, default=8.0, help="mean requests a second")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds after which a client gives up")
    parser.add_argument("--seed", type=int, default=7, help="where in the trace to begin")
    options = parser.parse_args()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    balancer = Balancer(KubeApi.from_kubeconfig(options.kubeconfig), options.namespace, options.service, stopped)
    balancer.start()
    run(balancer, Ledger(options.run_dir / LOG), options, stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
