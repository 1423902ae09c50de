"""What every test stands on: no network but where a test is marked, no silent skip under CI."""

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

CI = os.environ.get("CI") == "true"
LOOPBACK = ["127.0.0.0/8", "::1", "localhost"]

# The same examples every time, and none given up because the machine is busy. To look for new ones:
# pytest --hypothesis-profile explore
STEADY: dict[str, Any] = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}
settings.register_profile("ci", derandomize=True, max_examples=60, **STEADY)
settings.register_profile("dev", derandomize=True, max_examples=40, **STEADY)
settings.register_profile("explore", max_examples=1000, **STEADY)
settings.load_profile("ci" if CI else "dev")


def pytest_collection(session: pytest.Session) -> None:
    """Look for no garbage among what is imported and collected: it stays."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what has been collected out of every later search."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let what was left out go in order when the process ends."""
    gc.unfreeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Shut sockets in unit tests; open the loopback for tests that talk to real servers."""
    if item.get_closest_marker("real"):
        enable_socket()
        socket_allow_hosts(LOOPBACK, allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under CI: nothing may be left out there."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, or skip where it is absent."""
    folder = Path(os.environ.get("PRUNELLA_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set PRUNELLA_DATA")
    return folder
