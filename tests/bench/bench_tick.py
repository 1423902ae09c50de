"""A whole tick from a real Prometheus with 10,000 series: fetch, parse, detect; beside the bare download."""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import requests

from agent.eyes.engine import Eyes
from agent.eyes.roster import Roster
from config.servers import MetricsSettings
from simulator.lab.binaries import LabError
from simulator.lab.processes import held
from simulator.lab.servers import PrometheusServer, start_prometheus
from tests.live.conftest import reply, scripted
from tools.live.prometheus_api import Deadline, PrometheusApi

SERIES, TICKS = 10_000, 15
PAUSE = 1.0  # seconds: a scrape


def figures() -> Mapping[str, float]:
    """Return medians in seconds of the tick and of the bare download, and their ratio."""
    rng = np.random.default_rng(0)

    def page() -> str:
        lines = (
            f'bench_load{{service="s{place // 20}",signal="x{place % 20}",namespace="production"}} {value:.6f}'
            for place, value in enumerate(rng.normal(100, 5, SERIES))
        )
        return "\n".join(lines) + "\n"

    server, served = scripted(lambda handler: reply(handler, 200, page().encode(), Content_Type="text/plain"))
    config = {"job_name": "page", "static_configs": [{"targets": [f"127.0.0.1:{served.port}"]}]}
    try:
        with tempfile.TemporaryDirectory() as folder, held(Path(folder)):
            return _measured(start_prometheus(Path(folder), [config], interval_s=1))
    except LabError as error:
        sys.stderr.write(f"  {error}: no figures of a tick\n")
        return {}
    finally:
        server.shutdown()
        server.server_close()


def _measured(prometheus: PrometheusServer) -> Mapping[str, float]:
    api, roster = PrometheusApi(MetricsSettings(url=prometheus.url)), Roster(Eyes(0, threshold=12.0), at_once=SERIES)
    session, took = requests.Session(), []
    deadline = time.monotonic() + 60
    while _tick(api, roster) < SERIES and time.monotonic() < deadline:
        time.sleep(PAUSE)
    for _ in range(TICKS):
        time.sleep(PAUSE)
        started = time.perf_counter()
        bare = session.get(f"{prometheus.url}/api/v1/query", params={"query": "bench_load"}, timeout=30).content
        between = time.perf_counter()
        seen = _tick(api, roster)
        took.append((between - started, time.perf_counter() - between, seen, len(bare)))
    download, tick, seen, size = np.median(took, axis=0)
    found = {
        "tick_series": seen,
        "tick_seconds_10k": tick,
        "tick_download_seconds_10k": download,
        "tick_over_download": tick / download,
        "tick_download_mb": size / 2**20,
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def _tick(api: PrometheusApi, roster: Roster) -> int:
    """Fetch the newest sample of every series, and look at it; return how many there were."""
    now = time.time()
    answer = api.query("bench_load", now, Deadline(30.0))
    keys = [tuple(series["metric"].values()) for series in answer.series]
    values = np.array([series["value"][1] for series in answer.series], np.float64)
    roster.update(now, keys, values)
    return len(keys)


if __name__ == "__main__":
    sys.stdout.write(f"{figures()}\n")
