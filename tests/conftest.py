"""What every test stands on: no network but where a test is marked, no silent skip under CI."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

CI = os.environ.get("CI") == "true"
LOOPBACK = ["127.0.0.0/8", "::1", "localhost"]

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("dev", deadline=None, max_examples=40)
settings.load_profile("ci" if CI else "dev")


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
