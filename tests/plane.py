"""A real control plane whose kubelet runs pods as processes, for the tests that need one."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.lab.binaries import LabError
from simulator.lab.processes import ProcessBook, held, python_env
from simulator.lab.rest import ApiError, KubeApi
from simulator.lab.servers import ControlPlane, free_port, start_control_plane, wait_until

NAMESPACE = "serving"


@dataclass
class Plane:
    """One that stands, as its administrator."""

    run_dir: Path
    control: ControlPlane
    admin: KubeApi


@contextmanager
def standing_plane(run_dir: Path) -> Iterator[Plane]:
    """A control plane, a kubelet and the namespace ``serving``; skips with the reason, but never under CI=true."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(run_dir))
            control = start_control_plane(run_dir)
        except LabError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        argv = [sys.executable, "-m", "simulator.lab.kubelet", "--kubeconfig", str(control.kubelet_kubeconfig)]
        argv += ["--run-dir", str(run_dir), "--metrics-port", str(free_port())]
        ProcessBook(run_dir).start("kubelet", argv, python_env())
        admin = stack.enter_context(KubeApi.from_kubeconfig(control.admin_kubeconfig))
        admin.ensure("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        wait_until(lambda: there(admin, account), "a service account")
        wait_until(lambda: len(admin.items("/api/v1/nodes")) > 0, "a node")
        yield Plane(run_dir, control, admin)


def there(admin: KubeApi, path: str) -> bool:
    """Whether something is at a path of the API server."""
    try:
        admin.get(path)
    except ApiError:
        return False
    return True
