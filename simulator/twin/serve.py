"""Starts the twin's servers on the loopback, and writes the files by which clients find them."""

import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from config.fleet import Fleet
from simulator.twin.cluster import TwinCluster
from simulator.twin.logs import TwinLogs
from simulator.twin.objects import route_of
from simulator.twin.trainings import configured
from simulator.twin.twin import Twin

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Served:
    """Where a twin is found."""

    metrics_url: str
    cluster_url: str
    vendors_url: str
    registry_url: str


def _listening(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    made.listen(128)
    return made


@contextmanager
def _run(app: Any, sockets: list[socket.socket]) -> Iterator[None]:
    """Serve in a thread until left."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
        for each in sockets:
            each.close()


@contextmanager
def served(twin: Twin, now: Callable[[], datetime], ports: tuple[int, int] = (0, 0)) -> Iterator[Served]:
    """Serve a twin; ``now`` is our clock, ``ports`` those of metrics and cluster (0: any free one)."""
    from simulator.twin.cluster_api import cluster_app
    from simulator.twin.metrics_api import metrics_app
    from simulator.twin.registry_api import registry_app
    from simulator.twin.replicas_api import replicas_app

    metrics, cluster, vendors, registry = _listening(ports[0]), _listening(ports[1]), _listening(), _listening()
    rows = [_listening() for _ in range(twin.world.body.pods.rows)]
    own = {row: int(each.getsockname()[1]) for row, each in enumerate(rows)}
    api = TwinCluster(twin, own.__getitem__)
    # FastAPI remembers every handler for good, and with it whatever that holds: not a whole world, 50 MB and more each.
    shown: Twin = weakref.proxy(twin)
    pages: TwinCluster = weakref.proxy(api)
    urls = [f"http://{HOST}:{each.getsockname()[1]}" for each in (metrics, cluster, vendors, registry)]
    with (
        _run(metrics_app(shown, now), [metrics]),
        _run(cluster_app(shown, pages), [cluster]),
        _run(replicas_app(shown, own), [vendors, *rows]),
        _run(registry_app(shown), [registry]),
    ):
        yield Served(*urls)


def write_kubeconfig(path: Path, url: str, namespace: str) -> Path:
    """Write a kubeconfig for the twin's API server: plain HTTP, no credentials."""
    context = {"cluster": "twin", "user": "twin", "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "twin", "cluster": {"server": url}}],
        "users": [{"name": "twin", "user": {"token": "twin"}}],
        "contexts": [{"name": "twin", "context": context}],
        "current-context": "twin",
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def routed(fleet: Fleet) -> Fleet:
    """Return the fleet with the routes named that the twin's API server has."""
    services = [s.model_copy(update={"route": route_of(s)}) if s.vendors else s for s in fleet.services]
    return fleet.model_copy(update={"services": tuple(services)})


def write_config(folder: Path, twin: Twin, where: Served, logs: TwinLogs) -> Path:
    """Write what ``prunella run --config`` needs to guard the twin; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    services = [configured(s, logs.scores(s.name)) if s.model else s for s in routed(twin.world.fleet).services]
    fleet = Fleet(services=tuple(services)).model_dump(mode="json", exclude_defaults=True)
    kubeconfig = write_kubeconfig(folder / "kubeconfig", where.cluster_url, "default")
    tick = max(1, round(twin.tick / twin.pace.speed))
    config = {
        "environment": "twin",
        "autonomy": "act",
        "fleet": fleet,
        "metrics": {"url": where.metrics_url, "lookback": f"{max(120, round(4 * twin.tick))}s"},
        "serving": {"timeout": "2s"},
        "registry": {"url": where.registry_url},
        "logs": logs.tables(),
        "cluster": {"kubeconfig": kubeconfig.name},
        "journal": {"url": "sqlite:///prunella.db"},
        "checkpoints": "prunella-checkpoints.db",
        "cadence": {"tick": f"{tick}s", "quality": "5m"},
    }
    path = folder / "prunella.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
