"""Starts a real control plane and a real Prometheus on free ports of the loopback, each in a run directory."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from simulator.lab.binaries import ControlPlaneBinaries, LabError, find_control_plane, find_prometheus
from simulator.lab.processes import ProcessBook
from simulator.lab.rest import ApiError, Json, KubeApi, write_kubeconfig

READY_S = 120.0  # generous: a machine may be busy with something else
_TRIES = 200  # of ports
_LOWEST, _FIRST_GIVEN = 20_000, 32_000  # ports; Linux gives outgoing connections those from 32768
_IDENTITIES = {
    "admin": '"system:masters"',
    "kubelet": '"system:masters"',
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    # Someone without any right until one is granted, for tests of refusals.
    "viewer": "",
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that answers: its address, its certificate authority and the kubeconfigs of its users."""

    url: str
    ca_file: Path
    admin_kubeconfig: Path
    kubelet_kubeconfig: Path
    viewer_kubeconfig: Path
    minor: int


def free_port() -> int:
    """A port of the loopback that nobody else gets for a minute; a server that reuses addresses may have it at once.

    It lies below those that the kernel gives to outgoing connections: one of these could take it before its server
    does, or while the server is started anew. A connection to ourselves, closed from the listening side, is remembered
    for a minute, and keeps out whoever looks for a free port in the same moment.
    """
    for _ in range(_TRIES):
        port = secrets.randbelow(_FIRST_GIVEN - _LOWEST) + _LOWEST
        if _reserved(port):
            return port
    raise LabError(f"no port from {_LOWEST} to {_FIRST_GIVEN} is free on the loopback")


def _reserved(port: int) -> bool:
    """Whether a port was free, and is now kept for whoever binds it with SO_REUSEADDR."""
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))  # without SO_REUSEADDR: not one that was just handed out either
        except OSError:
            return False
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.listen(1)
        with socket.create_connection(("127.0.0.1", port)) as caller:
            listener.accept()[0].close()
            caller.recv(1)  # the listening side has closed: it is the one to remember
    return True


def wait_until(holds: Callable[[], bool], what: str, limit_s: float = READY_S, step_s: float = 0.1) -> None:
    """Wait for a condition of the real world; raises LabError with `what` after `limit_s` seconds.

    An API server that is busy or away for a moment has not said no: it is asked again.
    """
    deadline = time.monotonic() + limit_s
    while (trouble := _trouble(holds)) is not None:
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not happen within {limit_s:.0f} s {trouble}".rstrip())
        time.sleep(step_s)


def _trouble(holds: Callable[[], bool]) -> str | None:
    """None where a condition holds; else why that cannot be said just now, empty where it can."""
    try:
        return None if holds() else ""
    except ApiError as error:
        if 0 < error.status < 500 and error.status != 429:
            raise
        return f"({error})"


def make_pki(folder: Path) -> None:
    """Write ca.crt, ca.key, srv.crt, srv.key and the service-account key sa.key: made for this run alone."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ext").write_text(
        "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default\n"
        "extendedKeyUsage=serverAuth\n"
    )
    for key in ("ca", "srv", "sa"):
        _openssl(folder, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{key}.key")
    _openssl(folder, "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=lab-ca", "-days", "30", "-out", "ca.crt")
    _openssl(folder, "req", "-new", "-key", "srv.key", "-subj", "/CN=kube-apiserver", "-out", "srv.csr")
    sign = "x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out srv.crt"
    _openssl(folder, *sign.split())


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise LabError("openssl is not on PATH; the lab makes its certificates with it") from error


def start_control_plane(run_dir: Path, binaries: ControlPlaneBinaries | None = None) -> ControlPlane:
    """Start etcd, API server (RBAC on), controller-manager and scheduler; returns when all objects can be made."""
    programs = binaries or find_control_plane()
    run_dir.mkdir(parents=True, exist_ok=True)
    pki = run_dir / "pki"
    make_pki(pki)
    tokens = {name: secrets.token_hex(16) for name in _IDENTITIES}
    url = f"https://127.0.0.1:{free_port()}"
    configs = {
        name: write_kubeconfig(run_dir / f"{name.rpartition(':')[2]}.kubeconfig", url, pki / "ca.crt", token)
        for name, token in tokens.items()
    }
    _write_tokens(run_dir / "tokens.csv", tokens)
    book = ProcessBook(run_dir)
    etcd = _start_etcd(book, programs, run_dir)
    _start_api_server(book, programs, run_dir, url, etcd)
    # The controller-manager gives up when the API server is not there at its first look.
    _wait_for_api(configs["admin"])
    _start_controllers(book, programs, run_dir)
    return ControlPlane(
        url, pki / "ca.crt", configs["admin"], configs["kubelet"], configs["viewer"], minor=programs.minor
    )


def _write_tokens(path: Path, tokens: dict[str, str]) -> None:
    path.touch(mode=0o600)
    rows = [f"{token},{name},{name},{_IDENTITIES[name]}".rstrip(",") for name, token in tokens.items()]
    path.write_text("\n".join(rows) + "\n")


def _start_etcd(book: ProcessBook, programs: ControlPlaneBinaries, run_dir: Path) -> str:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    argv = [programs.path("etcd"), "--data-dir", str(run_dir / "etcd"), "--unsafe-no-fsync"]
    argv += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    argv += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    book.start("etcd", argv)
    return client


def _start_api_server(book: ProcessBook, programs: ControlPlaneBinaries, run_dir: Path, url: str, etcd: str) -> None:
    pki = run_dir / "pki"
    flags = {
        "etcd-servers": etcd,
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": url.rpartition(":")[2],
        "tls-cert-file": pki / "srv.crt",
        "tls-private-key-file": pki / "srv.key",
        "client-ca-file": pki / "ca.crt",
        "token-auth-file": run_dir / "tokens.csv",
        "authorization-mode": "Node,RBAC",
        "anonymous-auth": "false",
        "service-cluster-ip-range": "10.96.0.0/16",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-signing-key-file": pki / "sa.key",
        "service-account-key-file": pki / "sa.key",
        "endpoint-reconciler-type": "none",
        "audit-policy-file": Path(__file__).with_name("audit.yaml"),
        "audit-log-path": run_dir / "audit.jsonl",
        "audit-log-mode": "blocking",
    }
    book.start("kube-apiserver", [programs.path("kube-apiserver"), *_as_flags(flags)])


def _start_controllers(book: ProcessBook, programs: ControlPlaneBinaries, run_dir: Path) -> None:
    shared = {"bind-address": "127.0.0.1", "leader-elect": "false"}
    if programs.minor < 24:
        shared["port"] = "0"  # no plain-HTTP port; later versions have none and refuse the flag
    manager = {
        **shared,
        "kubeconfig": run_dir / "kube-controller-manager.kubeconfig",
        "secure-port": free_port(),
        "service-account-private-key-file": run_dir / "pki" / "sa.key",
        "root-ca-file": run_dir / "pki" / "ca.crt",
        "use-service-account-credentials": "true",
        # A busy machine may keep the kubelet waiting; a node given up wrongly takes its pods' readiness with it.
        "node-monitor-grace-period": "60s",
        # Its own rate limit is all that it waits for while it starts.
        "kube-api-qps": "200",
        "kube-api-burst": "400",
    }
    if programs.minor < 27:
        manager["pod-eviction-timeout"] = "60s"
    book.start("kube-controller-manager", [programs.path("kube-controller-manager"), *_as_flags(manager)])
    scheduler = {**shared, "kubeconfig": run_dir / "kube-scheduler.kubeconfig", "secure-port": free_port()}
    book.start("kube-scheduler", [programs.path("kube-scheduler"), *_as_flags(scheduler)])


def _as_flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _wait_for_api(kubeconfig: Path) -> None:
    with KubeApi.from_kubeconfig(kubeconfig) as api:
        # Not /readyz, which is text and comes before the built-in namespaces and roles are there.
        def answers() -> bool:
            try:
                api.get("/api/v1/namespaces/kube-node-lease")
                api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:kube-scheduler")
            except ApiError:
                return False
            return True

        wait_until(answers, "an answer of the API server")


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """A Prometheus that answers."""

    url: str


def start_prometheus(
    run_dir: Path, scrape_configs: list[Json], interval_s: int = 2, flags: tuple[str, ...] = ()
) -> PrometheusServer:
    """Start Prometheus with these scrape configurations, looking every `interval_s` seconds; returns when ready."""
    program = find_prometheus()
    folder = run_dir / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yml"
    timing = {
        "scrape_interval": f"{interval_s}s",
        "scrape_timeout": f"{interval_s}s",
        "evaluation_interval": f"{interval_s}s",
    }
    config.write_text(yaml.safe_dump({"global": timing, "scrape_configs": scrape_configs}))
    address = f"127.0.0.1:{free_port()}"
    argv = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    argv += [f"--web.listen-address={address}", "--web.enable-lifecycle", "--log.level=warn", *flags]
    ProcessBook(run_dir).start("prometheus", argv)
    url = f"http://{address}"
    wait_until(lambda: answers_200(f"{url}/-/ready"), "an answer of Prometheus")
    return PrometheusServer(url)


def answers_200(url: str, timeout_s: float = 2.0) -> bool:
    """Whether a page answers 200 within `timeout_s` seconds."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=timeout_s).status_code == 200
    except requests.RequestException:
        return False
