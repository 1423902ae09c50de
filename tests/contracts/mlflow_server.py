"""A real MLflow server: found on PATH, else installed once into an environment of its own outside the checkout."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from simulator.lab.binaries import LabError, cache_dir
from simulator.lab.servers import free_port, wait_until

VERSION = "3.17.2"


def find_mlflow() -> str:
    """Return the program; raises LabError where it cannot be had."""
    if found := shutil.which("mlflow"):
        return found
    folder = cache_dir().with_name(f"mlflow-{VERSION}")
    program = folder / "bin" / "mlflow"
    if not program.exists():
        for argv in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", f"mlflow=={VERSION}"],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LabError(f"MLflow {VERSION} cannot be installed: {done.stderr.strip()[-200:]}")
    return str(program)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run one on the loopback, with an empty database; yields its URL."""
    program, port = find_mlflow(), free_port()
    store, artifacts = f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts")
    argv = [program, "server", "--backend-store-uri", store, "--artifacts-destination", artifacts]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = f"{Path(program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    url = f"http://127.0.0.1:{port}"
    with (folder / "mlflow.log").open("w") as log:
        server = subprocess.Popen(
            argv, stdout=log, stderr=log, env={**os.environ, **own, "PATH": path}, start_new_session=True
        )
        try:
            wait_until(lambda: _answers(url), "MLflow's first answer", limit_s=240.0, step_s=0.3)
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:  # on a busy machine; nothing of it is of use any more
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=2).ok
    except requests.RequestException:
        return False
