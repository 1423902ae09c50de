"""A real lab for the tests of this folder: brought up once, taken down whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.lab.binaries import LabError
from simulator.lab.lab import LabHandle, running_lab
from simulator.lab.rest import KubeApi


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHandle]:
    """A lab under load; skips with the reason where this machine cannot have one, but never under CI=true."""
    run_dir: Path = tmp_path_factory.mktemp("lab")
    try:
        with running_lab(run_dir, rate=4.0) as handle:
            yield handle
    except LabError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def admin(lab: LabHandle) -> Iterator[KubeApi]:
    """The lab's API server as its administrator."""
    with KubeApi.from_kubeconfig(lab.admin_kubeconfig) as api:
        yield api


@pytest.fixture
def controller(lab: LabHandle) -> Iterator[KubeApi]:
    """The lab's API server with no more rights than the controller's role gives."""
    with KubeApi.from_kubeconfig(lab.controller_kubeconfig) as api:
        yield api
