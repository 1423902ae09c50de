"""The daemon's faces: it stops when told, its failure is not swallowed, its log keeps secrets, the lab's file loads."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog

from agent.view.logs import set_up
from agent.watching import guard
from config.load import load
from config.settings import LogSettings
from simulator.lab.lab import LabHandle
from simulator.lab_config import write_config
from tests.cli.conftest import Daemon
from tests.view.sample import healed, snapshot

ROOT = Path(__file__).parents[2]
GUARD = """
from agent.watching import guard
from config.settings import LogSettings
from tests.view.sample import healed, snapshot
class Patient:
    seen = snapshot()
    def tick(self): self.seen = snapshot(healed())
    def snapshot(self): return self.seen
    def run(self, stop): self.tick(), stop.wait(60)
print("ok" if guard(Patient(), LogSettings(), headless=True) else "bad", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", GUARD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "INCIDENT" in child.stdout.readline()  # it is up, and shows what it sees
    child.send_signal(number)
    rest, _ = child.communicate(timeout=30)
    assert rest.splitlines()[-1] == "ok"
    assert child.returncode == 0


def test_what_the_journal_had_already_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(snapshot(healed()))
    daemon.before = daemon.seen.cases
    assert guard(daemon, LogSettings(), headless=True)
    said = capsys.readouterr().out.splitlines()
    assert said == ["incidents: 1 in the journal already, open: none"]


class Failing(Daemon):
    """Fails after a moment."""

    def run(self, stop: threading.Event) -> None:
        time.sleep(0.01)
        raise RuntimeError("the loop broke")


def test_the_failure_of_the_daemon_is_not_swallowed() -> None:
    with pytest.raises(RuntimeError, match="the loop broke"):
        guard(Failing(snapshot()), LogSettings(), headless=True)


def test_a_log_line_is_json_on_a_pipe_and_keeps_secrets() -> None:
    out = io.StringIO()
    set_up(LogSettings(), out)
    log = structlog.get_logger()
    log.debug("not said")
    log.info("asked", api_key="hunter2", incident="inc-7")
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["incident"], line["api_key"]) == ("asked", "info", "inc-7", "***")


def test_the_lab_s_configuration_loads_and_tells_no_secret_of_the_lab(tmp_path: Path) -> None:
    handle = LabHandle(
        run_dir=tmp_path,
        api_url="https://127.0.0.1:1",
        prometheus_url="http://127.0.0.1:2",
        admin_kubeconfig=tmp_path / "admin.conf",
        controller_kubeconfig=tmp_path / "controller.conf",
        namespace="serving",
        service="chat",
        deployment="chat",
        model_name="tiny-chat",
        replicas=3,
        scrape_interval_s=2,
        started_at=0.0,
        up_seconds=9.0,
    )
    file = write_config(handle)
    settings = load(file)
    assert settings.autonomy == "act"
    assert settings.cluster.kubeconfig == tmp_path / "controller.conf"
    assert settings.fleet.service("chat").namespace == "serving"
    assert "admin" not in file.read_text()
